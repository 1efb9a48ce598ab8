#pragma once
// Steps whose batches are taken from the stream and not trained, because the user wants it: the way past text
// on which a run breaks. Ranges are of a run's steps, both ends included.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"
#include "libs/base/json.h"

namespace pretrain {

/// A set of steps. Kept as ranges that are sorted and do not touch.
class SkipRanges {
 public:
  struct Range {
    uint64_t first = 0, last = 0;

    bool operator==(const Range&) const = default;
  };

  /// "120-125", "120" or several with commas: "120-125,300". Nothing when the text is something else, a step
  /// is 0 or beyond what a run can have, or a range runs backwards.
  static std::optional<SkipRanges> parse(std::string_view text);
  /// As to_json() wrote it.
  /// Errors: kData, naming file and key.
  static SkipRanges from_json(const JsonField& list);
  nlohmann::json to_json() const;
  std::string to_string() const;

  void add(const Range& range);
  void add(const SkipRanges& other);
  /// The range that holds the step.
  std::optional<Range> range_of(uint64_t step) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<Range>& ranges() const { return ranges_; }

  bool operator==(const SkipRanges&) const = default;

 private:
  std::vector<Range> ranges_;
};

/// STATE/skip-steps.json: what the user asked for and no checkpoint may know of yet. Written before the first
/// step, so that a run that is killed at once skips the same steps when it is started again.
/// Errors: kData, naming the file.
SkipRanges load_skip_requests(const Path& state_folder);
/// An empty set removes the file.
/// Errors: IoError.
void save_skip_requests(FileSystem& files, const Path& state_folder, const SkipRanges& ranges);

}  // namespace pretrain
