// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/optimizer_set.h"

#include <algorithm>
#include <set>
#include <utility>

#include "libs/base/check.h"

namespace pretrain {
namespace {

/// Each state tensor starts at a cache line, as parameters do.
size_t padded(size_t floats) {
  constexpr size_t kCacheLineFloats = 16;
  return (floats + kCacheLineFloats - 1) / kCacheLineFloats * kCacheLineFloats;
}

size_t state_floats(const Optimizer& optimizer) {
  size_t floats = 0;
  for (const StateTensor& tensor : optimizer.state_tensors()) floats += padded(tensor.size());
  return floats;
}

/// They take turns, so they share it.
size_t most_scratch(const Optimizers& optimizers, int threads) {
  size_t most = 0;
  for (const auto& optimizer : optimizers) most = std::max(most, padded(optimizer->scratch_floats(threads)));
  return most;
}

void check_that_each_tensor_has_one(const Optimizers& optimizers, const ParameterLayout& layout) {
  std::multiset<std::string> updated;
  for (const auto& optimizer : optimizers) {
    for (const Optimizer::Updated& u : optimizer->updated()) updated.insert(u.tensor.name);
  }
  for (const ParameterInfo& tensor : layout.tensors()) {
    PRETRAIN_CHECK(updated.count(tensor.name) == 1, "{} has {} optimizers", tensor.name,
                   updated.count(tensor.name));
  }
}

}  // namespace

Optimizers make_optimizers(const ParameterLayout& layout, const OptimizerOptions& options) {
  std::vector<MuonMatrix> matrices;
  if (options.kind == OptimizerKind::kMuon) matrices = muon_matrices(layout, options.muon.head_size);
  const ParameterGroup settings{
      .tensors = {}, .weight_decay = options.weight_decay, .cautious_decay = options.cautious_decay};
  ParameterGroup decaying = settings;
  ParameterGroup others;
  for (const ParameterInfo& tensor : layout.tensors()) {
    const bool is_muons = std::ranges::any_of(
        matrices, [&](const MuonMatrix& matrix) { return matrix.tensor.offset == tensor.offset; });
    if (!is_muons) (tensor.decays ? decaying : others).tensors.push_back(tensor);
  }
  Optimizers optimizers;
  if (!matrices.empty()) optimizers.push_back(std::make_unique<Muon>(matrices, settings, options.muon));
  optimizers.push_back(
      std::make_unique<AdamW>(std::vector{std::move(decaying), std::move(others)}, options.adamw));
  return optimizers;
}

uint64_t optimizer_state_bytes(const Optimizers& optimizers) {
  uint64_t bytes = 0;
  for (const auto& optimizer : optimizers) bytes += state_floats(*optimizer) * sizeof(float);
  return bytes;
}

uint64_t optimizer_memory_bytes(const Optimizers& optimizers, int threads) {
  return optimizer_state_bytes(optimizers) + most_scratch(optimizers, threads) * sizeof(float);
}

OptimizerSet::OptimizerSet(Compute& compute, const ParameterLayout& layout, Optimizers optimizers)
    : compute_(compute), scratch_(most_scratch(optimizers, compute.threads())) {
  check_that_each_tensor_has_one(optimizers, layout);
  for (auto& optimizer : optimizers) add(std::move(optimizer));
}

void OptimizerSet::add(std::unique_ptr<Optimizer> optimizer) {
  Member member{.optimizer = std::move(optimizer)};
  member.memory = Buffer<float>(state_floats(*member.optimizer));
  std::ranges::fill(member.memory.span(), 0.0F);
  float* at = member.memory.data();
  for (const StateTensor& tensor : member.optimizer->state_tensors()) {
    const bool is_new =
        std::ranges::none_of(state_, [&](const State& s) { return s.tensor.name == tensor.name; });
    PRETRAIN_CHECK(is_new, "two state tensors are named {}", tensor.name);
    state_.push_back({tensor, {at, tensor.size()}});
    member.state.push_back(at);
    at += padded(tensor.size());
  }
  members_.push_back(std::move(member));
}

void OptimizerSet::update(const Step& step, const float* gradients, float* parameters) {
  const UpdateStep shared{
      .number = ++updates_, .learning_rate = step.learning_rate, .gradient_scale = step.gradient_scale};
  for (const Member& member : members_) {
    member.optimizer->update(compute_, shared,
                             {.gradients = gradients,
                              .parameters = parameters,
                              .state = member.state,
                              .scratch = scratch_.data()});
  }
}

}  // namespace pretrain
