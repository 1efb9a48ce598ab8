// SPDX-License-Identifier: Apache-2.0
#pragma once
// Saves checkpoints on a background thread while training continues. The trainer's side, once a step:
//   writer.wait_until_sources_read();  // before the parameters change; returns at once when nothing is read
//   while (auto result = writer.poll()) report(*result);
//   if (due && !writer.busy()) writer.start(content);
// Thread safety: start, wait and poll belong to one thread (the trainer's); busy may be asked by any.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "libs/checkpoint/store.h"

namespace pretrain {

struct SaveResult {
  uint64_t step = 0;
  bool ok = false;
  std::string error = {};          ///< why it failed
  std::string cleanup_error = {};  ///< the checkpoint is saved, but removing an older one failed
  std::string new_place = {};      ///< as in SaveReport, and the next one
  bool is_state_folder_new = false;
  std::chrono::nanoseconds duration{0};
  std::chrono::nanoseconds cpu_time{0};  ///< of the writer's thread
  uint64_t bytes = 0;
};

class CheckpointWriter {
 public:
  explicit CheckpointWriter(CheckpointStore& store);
  /// Waits for the running save, for as long as the disk takes.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// Starts a save. The tensors' memory must not change until wait_until_sources_read() returns.
  /// Requires: !busy().
  void start(CheckpointContent content);

  /// Called every second of a wait, with its duration so far.
  using WhileWaiting = std::function<void(std::chrono::seconds waited)>;

  /// Waits until the running save has read the tensors' memory.
  void wait_until_sources_read(const WhileWaiting& while_waiting = {});

  /// True from start() until the save has succeeded or failed.
  bool busy() const;

  /// The oldest result not yet returned. A failed save is a result, never an exception.
  std::optional<SaveResult> poll();

  /// Waits for the running save, then as poll().
  std::optional<SaveResult> wait(const WhileWaiting& while_waiting = {});

 private:
  void run();
  void wait_for(const std::function<bool()>& condition, const WhileWaiting& while_waiting);
  SaveResult save(const CheckpointContent& content);
  void mark_sources_read();

  CheckpointStore& store_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::optional<CheckpointContent> pending_;  // handed over, not yet taken by the thread
  std::deque<SaveResult> results_;
  bool busy_ = false;
  bool sources_read_ = true;
  bool quit_ = false;
  std::thread thread_;  // last: it uses all above
};

}  // namespace pretrain
