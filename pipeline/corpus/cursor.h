#pragma once
// Places in a corpus: what a document's origin is recorded as, and where a reader goes on. Plain integers
// that are stable across runs as long as the catalog is the same.

#include <cstdint>

#include <nlohmann/json_fwd.hpp>

namespace pretrain {

/// Where a document begins: a shard of the catalog and a decompressed offset.
struct Place {
  uint32_t shard = 0;
  uint64_t offset = 0;

  bool operator==(const Place&) const = default;
};

/// Where to go on inside a region.
struct Position {
  uint64_t offset =
      0;  ///< decompressed, of the record that is under way or comes next; 0: the region's beginning
  uint64_t inside = 0;  ///< bytes of a long document that are done
  bool begun = false;   ///< whether a piece of that document was delivered

  bool operator==(const Position&) const = default;
};

/// Where a reader goes on. Valid together with the catalog of its epoch.
struct Cursor {
  uint32_t epoch = 0;
  uint64_t region = 0;  ///< in the order of the epoch; the number of regions when the epoch is over
  Position position;
  uint64_t ticket = 0;            ///< number of the next ticket, counted through all epochs
  uint64_t delivered_pieces = 0;  ///< in this epoch so far

  bool operator==(const Cursor&) const = default;
};

void to_json(nlohmann::json& json, const Cursor& cursor);
/// Errors: kData when it is not what to_json() wrote.
void from_json(const nlohmann::json& json, Cursor& cursor);

}  // namespace pretrain
