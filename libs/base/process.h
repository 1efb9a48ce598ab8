#pragma once
// Processes: work done in a child, which can be stopped at any instant whatever library it is in and whose
// memory goes with it (training the vocabulary), and what this one has done so far.

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

namespace pretrain {

/// Runs `work` in a forked child and returns what it returns.
/// `on_output` gets each line that the child writes to standard error (libraries report progress there).
/// The child is killed when a stop is requested.
/// Requires: no other thread of this process holds a lock that `work` needs (call it early).
/// Errors: Stopped; kRuntime when the child ends abnormally, or with the message of an exception that `work`
/// threw.
std::string run_in_child(const std::function<std::string()>& work,
                         const std::function<void(std::string_view line)>& on_output,
                         const std::stop_token& stop);

/// Work of this process since its start, children that are still running not included.
struct ProcessEffort {
  std::chrono::microseconds cpu_time{0};  ///< all threads, and children that have ended
  uint64_t bytes_moved = 0;               ///< read and written, to any file or pipe
};
ProcessEffort process_effort();

/// Processor time of the calling thread.
std::chrono::nanoseconds thread_cpu_time();

}  // namespace pretrain
