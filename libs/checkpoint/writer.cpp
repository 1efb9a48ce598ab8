// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/writer.h"

#include <exception>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/io_advice.h"
#include "libs/base/process.h"

namespace pretrain {

CheckpointWriter::CheckpointWriter(CheckpointStore& store) : store_(store), thread_([this] { run(); }) {}

CheckpointWriter::~CheckpointWriter() {
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CheckpointWriter::start(CheckpointContent content) {
  {
    const std::lock_guard lock(mutex_);
    PRETRAIN_CHECK(!busy_, "step {} while another checkpoint is being saved", content.step);
    pending_ = std::move(content);
    busy_ = true;
    sources_read_ = false;
  }
  changed_.notify_all();
}

void CheckpointWriter::wait_until_sources_read(const WhileWaiting& while_waiting) {
  wait_for([this] { return sources_read_; }, while_waiting);
}

void CheckpointWriter::wait_for(const std::function<bool()>& condition, const WhileWaiting& while_waiting) {
  constexpr std::chrono::seconds kTick{1};
  std::chrono::seconds waited{0};
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kTick, condition)) {
    waited += kTick;
    lock.unlock();
    if (while_waiting) while_waiting(waited);
    lock.lock();
  }
}

bool CheckpointWriter::busy() const {
  const std::lock_guard lock(mutex_);
  return busy_;
}

std::optional<SaveResult> CheckpointWriter::poll() {
  const std::lock_guard lock(mutex_);
  if (results_.empty()) return std::nullopt;
  SaveResult result = std::move(results_.front());
  results_.pop_front();
  return result;
}

std::optional<SaveResult> CheckpointWriter::wait(const WhileWaiting& while_waiting) {
  wait_for([this] { return !busy_; }, while_waiting);
  return poll();
}

void CheckpointWriter::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return pending_ || quit_; });
    if (!pending_) return;  // a pending save is still carried out before the thread ends
    const CheckpointContent content = *std::exchange(pending_, std::nullopt);
    lock.unlock();
    SaveResult result = save(content);
    lock.lock();
    results_.push_back(std::move(result));
    busy_ = false;
    changed_.notify_all();
  }
}

SaveResult CheckpointWriter::save(const CheckpointContent& content) {
  const auto start = std::chrono::steady_clock::now();
  const auto cpu_start = thread_cpu_time();
  SaveResult result{.step = content.step};
  try {
    SaveReport report = store_.save(content, [this] { mark_sources_read(); });
    result.ok = true;
    result.bytes = report.bytes;
    result.cleanup_error = std::move(report.cleanup_error);
    result.new_place = std::move(report.new_place);
    result.is_state_folder_new = report.is_state_folder_new;
  } catch (const std::exception& error) {
    result.error = message_with_advice(error);
  }
  result.duration = std::chrono::steady_clock::now() - start;
  result.cpu_time = thread_cpu_time() - cpu_start;
  return result;
}

void CheckpointWriter::mark_sources_read() {
  {
    const std::lock_guard lock(mutex_);
    sources_read_ = true;
  }
  changed_.notify_all();
}

}  // namespace pretrain
