// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the bytes of a file go while it is made: to its hash, to the disk, or both.

#include <cstddef>
#include <functional>
#include <span>

namespace pretrain {

/// Takes the next bytes; they are the caller's again when it returns.
using ByteSink = std::function<void(std::span<const std::byte>)>;

}  // namespace pretrain
