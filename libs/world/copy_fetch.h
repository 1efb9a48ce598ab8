// SPDX-License-Identifier: Apache-2.0
#pragma once
// A head that has lost its checkpoints, because its folder is gone or damaged, takes the newest one of which another
// machine has a copy. Nothing is trained meanwhile.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>

#include "libs/base/file.h"
#include "libs/fabric/channel.h"
#include "libs/fabric/channel_listener.h"

namespace pretrain {

struct CopyFetch {
  ChannelListener& listener;
  FileSystem& files;
  Path state_folder;               ///< where the checkpoint goes, below checkpoints/
  std::chrono::milliseconds wait;  ///< for the first machine that has one
  std::function<void()> on_progress = {};
};

/// The step of the checkpoint that was taken; nothing when no machine has a copy, or every copy failed.
/// Errors: Stopped.
std::optional<uint64_t> fetch_copy(const CopyFetch& fetch, const std::stop_token& stop);

/// The member's end: offers the newest copy below `state_folder`, and sends it when it is wanted.
/// Errors: ChannelError when the head has what it wants, or is lost; Stopped.
[[noreturn]] void offer_copy(Channel& channel, const Path& state_folder, const std::stop_token& stop);

}  // namespace pretrain
