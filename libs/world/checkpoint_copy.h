// SPDX-License-Identifier: Apache-2.0
#pragma once
// A second copy of a checkpoint on another machine's disk, file by file in parts, over a control connection. The sender
// never has more than a few parts on the way, so that neither end needs memory for a checkpoint and no step waits for one.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/file.h"
#include "libs/checkpoint/verify.h"
#include "libs/world/messages.h"

namespace pretrain {

/// Parts that are on the way at once, at most.
inline constexpr uint64_t kCopyPartsOnTheWay = 8;

/// Reads a checkpoint. Single-owner.
class CopySource {
 public:
  /// Errors: IoError.
  CopySource(const Path& folder, uint64_t step);

  uint64_t step() const { return step_; }
  /// The next part; empty after the last one, and while kCopyPartsOnTheWay have no answer.
  /// Errors: IoError, as when the checkpoint was removed meanwhile.
  std::optional<CopyPart> next();
  void note_answer() { ++answered_; }
  bool is_read() const { return file_ == files_.size(); }

 private:
  struct File {
    std::string name;
    std::unique_ptr<ReadableFile> content;
  };

  uint64_t step_;
  std::vector<File> files_;
  size_t file_ = 0;      // the one that is read
  uint64_t offset_ = 0;  // in it
  uint64_t sent_ = 0, answered_ = 0;
};

/// Whether two checkpoints may be of one run.
using SameRun = std::function<bool(const Manifest&, const Manifest&)>;

/// Writes a copy below STATE/checkpoints, under a hidden name until every byte of it was read back. Single-owner.
class CopyTarget {
 public:
  enum class Keeps {
    kNewest,  ///< two, and no older one than those that are there
    kAll,     ///< what is there
  };
  /// `same_run`: refuses a copy beside checkpoints of another run; null: takes it.
  CopyTarget(FileSystem& files, Path state_folder, Keeps keeps, SameRun same_run = {})
      : files_(files),
        state_(std::move(state_folder)),
        keeps_few_(keeps == Keeps::kNewest),
        same_run_(std::move(same_run)) {}

  /// Takes a part and tells the sender. An answer with a problem ends the copy; nothing of it remains then.
  CopyAnswer take(const CopyPart& part);
  /// The newest complete copy; nothing for none.
  std::optional<CheckpointEntry> newest() const;

 private:
  void write(const CopyPart& part);
  void begin(uint64_t step);
  void begin_file(const CopyPart& part);
  void complete();
  void refuse_beside_another_run(const Manifest& manifest) const;
  void replace(const Path& folder, const Manifest& manifest);
  void drop();
  void remove_older() const;
  Path temporary() const;

  FileSystem& files_;
  Path state_;
  bool keeps_few_;
  SameRun same_run_;
  std::optional<uint64_t> step_;  // of the copy that is written
  std::string name_;              // of the file that is written
  uint64_t written_ = 0;          // of it
  size_t file_count_ = 0;
  std::unique_ptr<WritableFile> file_;
};

/// Lets another thread write a copy, so that a slow disk delays no step. Thread-safe.
class CopyKeeper {
 public:
  /// `answer` is called on that thread.
  CopyKeeper(FileSystem& files, const Path& state_folder, SameRun same_run,
             std::function<void(const CopyAnswer&)> answer);
  ~CopyKeeper();
  CopyKeeper(const CopyKeeper&) = delete;
  CopyKeeper& operator=(const CopyKeeper&) = delete;

  /// Errors: kData when the sender has more parts on the way than it may.
  void take(CopyPart part);

 private:
  void run(const std::stop_token& stop);

  CopyTarget target_;                // the thread's, as is the next
  std::optional<uint64_t> refused_;  // the step whose copy has failed: more of its parts are on the way
  const std::function<void(const CopyAnswer&)> answer_;
  std::mutex mutex_;  // guards parts_
  std::condition_variable_any changed_;
  std::vector<CopyPart> parts_;
  std::jthread thread_;  // last, so that it ends first
};

}  // namespace pretrain
