// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run may choose of an architecture: the part of its description that checks of sizes need.

#include <string_view>

namespace pretrain {

struct Architecture;  // architecture.h
struct ModelConfig;   // config.h

/// What a run may choose besides the sizes that each architecture has, and what it has unless it does.
struct ArchitectureChoices {
  double rope_theta;
  double norm_epsilon;
  bool heads_divide_width = false;  ///< also where a head's size is given
};

std::string_view name_of(const Architecture& architecture);
/// Null: key-value heads, size of a head, positions, epsilon and the tied head are fixed.
const ArchitectureChoices* choices_of(const Architecture& architecture);

/// Sets what the architecture has by default where `config` has no choice yet: kv_heads, head_channels, rope_theta and
/// norm_epsilon of zero.
void complete_choices(ModelConfig& config);

}  // namespace pretrain
