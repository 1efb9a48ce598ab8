// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/adamw.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "libs/tensor/adamw_kernel.h"

namespace pretrain {

double beta2_of_half_life(double tokens_of_step, double half_life_tokens) {
  return std::exp2(-tokens_of_step / half_life_tokens);
}

AdamW::AdamW(const std::vector<ParameterGroup>& groups, const AdamWOptions& options)
    : Optimizer(groups), options_(options) {
  // 1 MB in the four arrays: a few hundred tasks for a model of 27 million parameters.
  constexpr size_t kElementsPerPiece = 65536;
  for (size_t i = 0; i < updated().size(); ++i) {
    const size_t size = updated()[i].tensor.size;
    for (size_t begin = 0; begin < size; begin += kElementsPerPiece)
      pieces_.push_back({i, begin, std::min(kElementsPerPiece, size - begin)});
  }
}

/// All first moments, then all second ones, as the files of earlier versions have them.
std::vector<StateTensor> AdamW::state_tensors() const {
  std::vector<StateTensor> tensors;
  for (const Updated& u : updated())
    tensors.push_back({.name = fmt::format("m.{}", u.tensor.name), .shape = u.tensor.shape});
  for (const Updated& u : updated()) {
    // The update takes its root.
    tensors.push_back(
        {.name = fmt::format("v.{}", u.tensor.name), .shape = u.tensor.shape, .may_be_negative = false});
  }
  return tensors;
}

void AdamW::update(Compute& compute, const UpdateStep& step, const UpdateMemory& memory) const {
  const auto t = static_cast<double>(step.number);
  const AdamWStep shared{.learning_rate = 0,
                         .beta1 = static_cast<float>(options_.beta1),
                         .beta2 = static_cast<float>(options_.beta2),
                         .inverse_correction1 = static_cast<float>(1 / (1 - std::pow(options_.beta1, t))),
                         .inverse_correction2 = static_cast<float>(1 / (1 - std::pow(options_.beta2, t))),
                         .epsilon = static_cast<float>(options_.epsilon),
                         .gradient_scale = static_cast<float>(step.gradient_scale)};
  compute.parallel_for(pieces_.size(), [&](size_t i) {
    const Piece& piece = pieces_[i];
    const Updated& u = updated()[piece.tensor];
    AdamWStep own = shared;
    own.learning_rate = static_cast<float>(step.learning_rate * u.rate_scale);
    own.cautious_decay = u.cautious_decay;
    const size_t at = u.tensor.offset + piece.begin;
    adamw_update(own, static_cast<float>(u.weight_decay), piece.size, memory.gradients + at,
                 memory.parameters + at, memory.state[piece.tensor] + piece.begin,
                 memory.state[updated().size() + piece.tensor] + piece.begin);
  });
}

}  // namespace pretrain
