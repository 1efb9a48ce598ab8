// SPDX-License-Identifier: Apache-2.0
#pragma once
// Processes: runs work in a child process, and measures the work of this one. Vocabulary training runs in a
// child because it can then be killed at any instant, even inside a library, and because its memory is freed.

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

namespace pretrain {

/// Runs `work` in a forked child and returns what it returns.
/// `on_output` gets each line that the child writes to standard error, where libraries report progress. A
/// stop request kills the child.
/// Requires: no other thread of this process holds a lock that `work` needs (call it early).
/// Errors: Stopped; kRuntime when the child ends abnormally, or with the message of an exception that
/// `work` threw.
std::string run_in_child(const std::function<std::string()>& work,
                         const std::function<void(std::string_view line)>& on_output,
                         const std::stop_token& stop);

/// Work of this process since its start, without children that are still running.
struct ProcessEffort {
  std::chrono::microseconds cpu_time{0};  ///< all threads, and children that have ended
  uint64_t bytes_moved = 0;               ///< read and written, to any file or pipe
};
ProcessEffort process_effort();

/// Processor time of the calling thread.
std::chrono::nanoseconds thread_cpu_time();

}  // namespace pretrain
