#pragma once
// The shared libraries that this process runs with. Stateless, thread-safe.

#include <vector>

#include "libs/base/file.h"

namespace pretrain {

/// Their files as the loader found them, without the program itself and what the kernel brings along.
std::vector<Path> loaded_libraries();

/// "libm" of "/usr/lib/x86_64-linux-gnu/libm.so.6": the name without folder and version.
std::string library_name(const Path& file);

}  // namespace pretrain
