// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the user can do about a system call that failed, where the message has no remedy of its own.

#include <exception>
#include <string>
#include <string_view>

namespace pretrain {

/// "free some space" for ENOSPC; empty for errors that say nothing of the cause.
std::string_view io_advice(int code);

/// The message with the advice after it, unless it has a remedy already.
std::string with_io_advice(std::string message, int code);

/// The message of an error, for an IoError with the advice.
std::string message_with_advice(const std::exception& error);

}  // namespace pretrain
