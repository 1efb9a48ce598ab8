// SPDX-License-Identifier: Apache-2.0
#pragma once
// Steps whose batches the user wants to skip: they are taken from the stream but not trained. The way past
// text on which a run breaks. Ranges are of a run's steps, both ends included.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"
#include "libs/base/json.h"

namespace pretrain {

/// A set of steps, stored as sorted ranges that do not touch.
class SkipRanges {
 public:
  struct Range {
    uint64_t first = 0, last = 0;

    bool operator==(const Range&) const = default;
  };

  /// Parses "120-125", "120" or several with commas: "120-125,300". Empty for other text, a step of 0 or out
  /// of range, or a range that runs backwards.
  static std::optional<SkipRanges> parse(std::string_view text);
  /// Reads what to_json() wrote.
  /// Errors: kData, naming file and key.
  static SkipRanges from_json(const JsonField& list);
  nlohmann::json to_json() const;
  std::string to_string() const;

  void add(const Range& range);
  void add(const SkipRanges& other);
  /// The range that contains the step.
  std::optional<Range> range_of(uint64_t step) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<Range>& ranges() const { return ranges_; }

  bool operator==(const SkipRanges&) const = default;

 private:
  std::vector<Range> ranges_;
};

/// STATE/skip-steps.json: requests that no checkpoint may include yet. Written before the first step, so that
/// a run that is killed at once skips the same steps after a restart.
/// Errors: kData, naming the file.
SkipRanges load_skip_requests(const Path& state_folder);
/// An empty set removes the file.
/// Errors: IoError.
void save_skip_requests(FileSystem& files, const Path& state_folder, const SkipRanges& ranges);

}  // namespace pretrain
