// SPDX-License-Identifier: Apache-2.0
#pragma once
// The shared libraries that this process has loaded. Stateless, thread-safe.

#include <vector>

#include "libs/base/file.h"

namespace pretrain {

/// Paths of the libraries, without the program itself and without the kernel's own (vDSO).
std::vector<Path> loaded_libraries();

/// "libm" of "/usr/lib/x86_64-linux-gnu/libm.so.6": the name without folder and version.
std::string library_name(const Path& file);

}  // namespace pretrain
