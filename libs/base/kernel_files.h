// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tells file systems of the kernel (/proc, /sys, control groups) from those that hold the user's files. Their files are
// made up while they are read: they have no size, change at each read, and some block or have effects. Stateless,
// thread-safe.

#include <string_view>

#include "libs/base/file.h"

namespace pretrain {

/// The type of the file system of the kernel that the path lies on, as `mount` calls it: "proc". Empty for other file
/// systems, and for a path that can't be reached.
/// Source: statfs(2), f_type.
std::string_view kernel_file_system(const Path& path);

}  // namespace pretrain
