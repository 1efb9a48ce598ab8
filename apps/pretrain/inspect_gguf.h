// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a GGUF file holds, for `pretrain inspect`.

#include "libs/base/file.h"

namespace pretrain {

/// Prints keys, tensors and their types.
/// Errors: kData when the file is damaged or holds what is not read here.
void describe_gguf(const Path& path);

}  // namespace pretrain
