// SPDX-License-Identifier: Apache-2.0
#pragma once
// The identity of a corpus file by content, independent of its name. Thread-safe: a free function.

#include <string>

#include "libs/base/file.h"

namespace pretrain {

/// 128-bit hash of the size, the first and last 64 KiB and eight blocks of 4 KiB in between: cheap for any
/// size, and independent of the path.
/// Errors: kData when the device fails.
std::string identify(const ReadableFile& file);

}  // namespace pretrain
