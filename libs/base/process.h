#pragma once
// Work done in a child process: it can be stopped at any instant whatever library it is in, and its memory
// goes with it. Used for training the vocabulary.

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

}  // namespace pretrain
