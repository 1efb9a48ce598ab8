#pragma once
// STATE/skipped.jsonl: what was passed over, with its place and reason. Bounded: a corpus that is damaged all
// over is counted in full, but only so many places are written down.

#include <memory>
#include <mutex>

#include "libs/base/file.h"
#include "pipeline/corpus/corpus_reader.h"

namespace pretrain {

/// Thread-safe. A failed write is counted, never fatal.
class SkipLog {
 public:
  /// Appends to the file.
  SkipLog(FileSystem& files, const Path& path);
  void add(const Skip& skip);
  uint64_t failed_writes() const;

 private:
  static constexpr uint64_t kMaximumBytes = 16'000'000;

  mutable std::mutex mutex_;  // guards all below
  std::unique_ptr<WritableFile> file_;
  uint64_t bytes_ = 0;
  uint64_t failed_writes_ = 0;
};

}  // namespace pretrain
