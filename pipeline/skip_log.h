// SPDX-License-Identifier: Apache-2.0
#pragma once
// STATE/skipped.jsonl: skipped records with their place, reason and epoch. Bounded: all skips of a badly
// damaged corpus are counted, but only a limited number of places is recorded, each once.
//
//   log.begin(resumed ? saved_bytes : 0);              // drops what was recorded after the checkpoint
//   log.add(skip, epoch);
//   saved_bytes = log.bytes();                         // with the next checkpoint

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "libs/base/file.h"
#include "libs/base/file_identity.h"
#include "pipeline/corpus/corpus_reader.h"

namespace pretrain {

/// Thread-safe. A failed write is counted, never fatal.
class SkipLog {
 public:
  SkipLog(FileSystem& files, Path path) : files_(files), path_(std::move(path)) {}

  /// Starts or continues a stream. Keeps the first `keep_bytes` of the file: the value of bytes() when the
  /// stream was saved. Empty for a state of an earlier version without this value: keeps the whole file.
  void begin(std::optional<uint64_t> keep_bytes);
  /// Records a place if it is not recorded yet.
  /// Requires: begin().
  void add(const Skip& skip, uint32_t epoch);

  /// Length of the file.
  uint64_t bytes() const;
  /// Places that could not be recorded because of I/O errors.
  uint64_t failed_writes() const;

 private:
  static constexpr uint64_t kMaximumBytes = 16'000'000;
  /// Beyond it, skips that the user asked for are only counted: places of damage are worth more.
  static constexpr uint64_t kMaximumRequestedBytes = kMaximumBytes / 2;

  void read_places(uint64_t keep_bytes);
  void open();
  void follow_name();
  void reopen();
  void warn_once(const std::string& why);

  FileSystem& files_;
  const Path path_;
  mutable std::mutex mutex_;  // guards all below
  std::unique_ptr<WritableFile> file_;
  NamedFile name_;  // of file_
  uint64_t bytes_ = 0;
  /// Hashes of the places in the file: a quarter of a million at most, since a line has more than 60 bytes.
  std::unordered_set<uint64_t> places_;
  uint64_t failed_writes_ = 0;
  bool warned_ = false;
};

}  // namespace pretrain
