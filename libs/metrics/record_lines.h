// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads files of JSON lines that a run may be writing at the same time.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"

namespace pretrain {

/// Upper bound of a record. The longest ones are of steps that were not finite, which list the documents of
/// all rows.
constexpr uint64_t kLongestLine = uint64_t{1} << 20;

/// The complete lines of a file, one after the other. Single-owner.
/// Memory: two records at most.
class LineReader {
 public:
  /// Requires: `offset` is the start of a line; the file outlives the reader.
  explicit LineReader(const ReadableFile& file, uint64_t offset = 0) : file_(file), block_start_(offset) {}

  /// The next line without its end, valid until the next call. Nothing at the end of the file and before an
  /// incomplete line; a later call continues there if the file has grown. A line that is longer than any
  /// record comes in pieces, which are no records.
  /// Errors: IoError.
  std::optional<std::string_view> next();

  /// Where the next line starts.
  uint64_t offset() const { return block_start_ + begin_; }

 private:
  bool read_more();

  const ReadableFile& file_;
  std::string block_;
  uint64_t block_start_;  // in the file
  size_t begin_ = 0;      // of the next line, in the block
};

/// The JSON object of a line; empty for a line that is incomplete or not a record.
std::optional<nlohmann::json> record_of(std::string_view line);

/// A start of a line from which on all records of `step` and later ones follow; found without reading the
/// whole file.
/// Requires: steps don't decrease in the file.
/// Errors: IoError.
uint64_t seek_step(const ReadableFile& file, uint64_t step);

/// The segments of the metrics log in a state folder, oldest first.
/// Errors: IoError.
std::vector<Path> log_segments(const Path& state);

using OnRecord = std::function<void(const nlohmann::json& record)>;

/// Gives the records of these segments from one step to another, in order. Skips segments that are gone.
/// Errors: IoError.
void read_segments(const std::vector<Path>& segments, uint64_t first_step, uint64_t last_step,
                   const OnRecord& on_record);

/// The same for the whole metrics log in a state folder.
/// Errors: IoError.
void read_log(const Path& state, uint64_t first_step, uint64_t last_step, const OnRecord& on_record);

}  // namespace pretrain
