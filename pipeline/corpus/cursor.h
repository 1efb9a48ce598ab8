// SPDX-License-Identifier: Apache-2.0
#pragma once
// Positions in a corpus: the origin of a document, and the position from which a reader continues. Plain
// integers that are stable across runs as long as the catalog is the same.

#include <cstdint>

#include <nlohmann/json_fwd.hpp>

namespace pretrain {

/// The start of a document: a shard of the catalog and a decompressed offset.
struct Place {
  uint32_t shard = 0;
  uint64_t offset = 0;

  bool operator==(const Place&) const = default;
};

/// The position in a region from which to continue.
struct Position {
  uint64_t offset = 0;  ///< decompressed offset of the current or next record; 0: the start of the region
  uint64_t inside = 0;  ///< bytes of a long document already delivered
  bool begun = false;   ///< whether a piece of that document was delivered

  bool operator==(const Position&) const = default;
};

/// The position from which a reader continues. Only valid with the catalog of its epoch.
struct Cursor {
  uint32_t epoch = 0;
  uint64_t region = 0;  ///< index in the order of the epoch; the number of regions at the end of the epoch
  Position position;
  uint64_t ticket = 0;            ///< number of the next ticket, counted through all epochs
  uint64_t delivered_pieces = 0;  ///< in this epoch so far

  bool operator==(const Cursor&) const = default;
};

void to_json(nlohmann::json& json, const Cursor& cursor);
/// Errors: kData when it is not what to_json() wrote.
void from_json(const nlohmann::json& json, Cursor& cursor);

}  // namespace pretrain
