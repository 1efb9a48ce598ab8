// SPDX-License-Identifier: Apache-2.0
#pragma once
// The bound on the context, and files that name more.

#include <cstdint>

namespace pretrain {

struct ModelConfig;  // config.h

/// Positions that a pass or a generator works with at most; the scratch of a thread holds the scores of one row.
constexpr int64_t kLongestContext = 65536;

/// For the sizes in the file of another program: rotary positions have no tensors, so a model that names more than
/// kLongestContext of them works with fewer. Learned ones stay as they are.
void limit_context(ModelConfig& config);

}  // namespace pretrain
