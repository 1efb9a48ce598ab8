// SPDX-License-Identifier: Apache-2.0
#pragma once
// What attention of a model needs besides its parameters: its shape, and the table of rotary positions.

#include <optional>

#include "libs/model/config.h"
#include "libs/tensor/attention.h"
#include "libs/tensor/rotary.h"

namespace pretrain {

/// Empty where positions are learned.
inline std::optional<RotaryTable> make_rotary_table(const ModelConfig& config) {
  if (config.rope_theta == 0) return std::nullopt;
  return RotaryTable(config.context, config.head_size(), config.rope_theta);
}

inline CausalAttention::Shape attention_shape(const ModelConfig& config, int64_t rows) {
  return {.B = rows,
          .T = config.context,
          .H = config.heads,
          .D = config.head_size(),
          .K = config.key_value_heads(),
          .turned = config.rope_theta != 0};
}

}  // namespace pretrain
