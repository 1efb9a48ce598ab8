// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether a result replaces the values in its place or is added to them.

namespace pretrain {

enum class Store { kOverwrite, kAccumulate };

}  // namespace pretrain
