// SPDX-License-Identifier: Apache-2.0
#include "libs/train/step.h"

#include <algorithm>
#include <cmath>

#include "libs/base/check.h"
#include "libs/model/parameters.h"
#include "libs/tensor/loss.h"

namespace pretrain {

GradientPass::GradientPass(Compute& compute, Transformer& model, uint32_t slots, Precision exchange)
    : compute_(compute),
      model_(model),
      slots_(slots),
      gradient_(model.layout().flat_size(), slots, exchange),
      norm_(gradient_.size()),
      inputs_(static_cast<size_t>(model.rows() * model.context())),
      targets_(inputs_.size()) {}

StepResult GradientPass::run(std::span<const Batch> batches, const std::function<void()>& on_progress) {
  const GlobalBatch global(batches);
  const uint64_t targets = global.targets();
  run_slots(global, {0, slots_}, targets, on_progress);
  return conclude(gradient_.finish(compute_), targets);
}

void GradientPass::run_slots(const GlobalBatch& batch, const SlotRange& slots, uint64_t targets,
                             const std::function<void()>& on_progress, const OnGradientPart& on_part) {
  // Never 0, because a scale of 0 means "no gradient" to the loss kernel.
  const float scale = 1.0F / static_cast<float>(std::max<uint64_t>(1, targets));
  gradient_.begin(slots);
  const OnGradientPart nobody;
  for (uint32_t slot = slots.first; slot < slots.last; ++slot) {
    const bool completes_sums = slot + 1 == slots.last && !gradient_.is_watched(slot);
    int64_t rows_left = rows_of_slot(batch.row_count(), slots_, slot).size();
    batch.for_each_part(slots_, slot, [&](const BatchPart& part) {
      rows_left -= part.rows.size();
      const bool shows_parts = completes_sums && rows_left == 0;
      gradient_.add_loss(run_part(part, scale, on_progress, shows_parts ? on_part : nobody));
    });
    gradient_.end_slot(compute_);
  }
}

/// The norm also finds a gradient that is not finite: one such element makes it so.
StepResult GradientPass::conclude(double total_loss, uint64_t targets) {
  StepResult result{.targets = targets};
  result.loss = targets == 0 ? 0 : total_loss / static_cast<double>(targets);
  result.gradient_norm = norm_(compute_, gradient_.values());
  result.finite = std::isfinite(result.loss) && std::isfinite(result.gradient_norm);
  return result;
}

/// The model only takes micro-batches of a fixed shape. The last one is padded with masked targets, which add
/// nothing to the loss or the gradients.
double GradientPass::run_part(const BatchPart& part, float scale, const std::function<void()>& on_progress,
                              const OnGradientPart& on_part) {
  const Batch& batch = part.batch;
  PRETRAIN_CHECK(batch.context == model_.context(), "context {}, model has {}", batch.context,
                 model_.context());
  const OnGradientPart nobody;
  double total = 0;
  const size_t positions = inputs_.size();
  const auto end = static_cast<size_t>(part.rows.last * batch.context);
  for (auto at = static_cast<size_t>(part.rows.first * batch.context); at < end; at += positions) {
    const size_t left = end - at;
    const uint32_t* inputs = batch.inputs.data() + at;
    const int32_t* targets = batch.targets.data() + at;
    if (left < positions) {
      std::fill(std::copy_n(inputs, left, inputs_.begin()), inputs_.end(), 0);
      std::fill(std::copy_n(targets, left, targets_.begin()), targets_.end(), kMaskedTarget);
      inputs = inputs_.data();
      targets = targets_.data();
    }
    const bool is_last = left <= positions;
    total += run_micro_batch(inputs, targets, scale, is_last ? on_part : nobody);
    if (on_progress) on_progress();
  }
  return total;
}

double GradientPass::run_micro_batch(const uint32_t* inputs, const int32_t* targets, float scale,
                                     const OnGradientPart& on_part) {
  const StepGradient::Place place = gradient_.next();
  if (!on_part) return model_.forward_backward(inputs, targets, scale, place.accumulate, place.gradients);
  return model_.forward_backward(inputs, targets, scale, place.accumulate, place.gradients,
                                 [&](const ElementRange& part) {
                                   gradient_.complete_part(compute_, part);
                                   on_part(part);
                                 });
}

}  // namespace pretrain
