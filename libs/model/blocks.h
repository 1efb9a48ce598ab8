// SPDX-License-Identifier: Apache-2.0
#pragma once
// The kinds of blocks that a layer is made of. Each adds a branch to the residual stream and belongs to one
// file, which has what a description says of it (Spec), its place in the flat array (Parameters), its share
// of the memory of a pass (Tensors), its passes (the block) and its step for one token (Decoder). The walk
// over a model is the same for all kinds; another kind is another file and another line here.

#include <utility>
#include <variant>
#include <vector>

#include "libs/model/attention_block.h"
#include "libs/model/gated_mlp_block.h"
#include "libs/model/mlp_block.h"
#include "libs/model/rotary_attention_block.h"

namespace pretrain {

/// One of Blocks, and what belongs to it.
template <typename... Blocks>
struct BlockKinds {
  using Block = std::variant<Blocks...>;
  using Spec = std::variant<typename Blocks::Spec...>;
  using Parameters = std::variant<typename Blocks::Parameters...>;
  using Tensors = std::variant<typename Blocks::Tensors...>;
  using Decoder = std::variant<typename Blocks::Decoder...>;

  static Parameters add_parameters(ParameterTable& table, const std::string& prefix,
                                   const ModelConfig& config, const Spec& spec) {
    return std::visit([&](const auto& s) -> Parameters { return s.add_to(table, prefix, config); }, spec);
  }
  /// Without memory yet.
  static Tensors make_tensors(const Spec& spec) {
    return std::visit(
        [](const auto& s) -> Tensors { return typename std::decay_t<decltype(s)>::Block::Tensors{}; }, spec);
  }
  /// The block of a layer at its place in the flat array and in the memory of a pass.
  /// Requires: `tensors` are of the same kind; they outlive the block.
  static Block make_block(PassContext& context, const Parameters& parameters, const Tensors& tensors) {
    return std::visit(
        [&](const auto& at) -> Block {
          using Made = typename std::decay_t<decltype(at)>::Block;
          return Made(context, at, std::get<typename Made::Tensors>(tensors));
        },
        parameters);
  }
  static Decoder make_decoder(TokenContext& context, const Parameters& parameters) {
    return std::visit(
        [&](const auto& at) -> Decoder {
          return typename std::decay_t<decltype(at)>::Block::Decoder(context, at);
        },
        parameters);
  }
};

using Kinds = BlockKinds<AttentionBlock, MlpBlock, RotaryAttentionBlock, GatedMlpBlock>;
using Block = Kinds::Block;
using BlockSpec = Kinds::Spec;
using BlockParameters = Kinds::Parameters;
using BlockTensors = Kinds::Tensors;
using BlockDecoder = Kinds::Decoder;

}  // namespace pretrain
