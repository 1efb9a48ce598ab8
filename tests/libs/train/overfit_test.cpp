// SPDX-License-Identifier: Apache-2.0
// A model that can't overfit one batch can't learn anything.

#include <gtest/gtest.h>

#include "libs/base/rng.h"
#include "libs/model/initialization.h"
#include "libs/optim/optimizer_set.h"
#include "libs/train/step.h"

namespace pretrain {
namespace {

constexpr int64_t kCharacters = 65;

/// Random text; each row begins with another token, so that every target can be predicted from the tokens
/// before it.
Batch random_text(int64_t rows, int64_t context) {
  Rng rng(3);
  Batch batch{.rows = rows, .context = context};
  for (int64_t row = 0; row < rows; ++row) {
    uint32_t token = static_cast<uint32_t>(row);
    for (int64_t t = 0; t < context; ++t) {
      batch.inputs.push_back(token);
      token = static_cast<uint32_t>(rng.below(kCharacters));
      batch.targets.push_back(static_cast<int32_t>(token));
    }
  }
  finish_batch(batch);
  return batch;
}

TEST(GradientPass, OverfitsOneBatchOfTheSmallPreset) {
  const Preset small = *find_preset("small");
  const ModelConfig config{.layers = small.layers,
                           .d_model = small.d_model,
                           .heads = small.heads,
                           .d_ff = small.d_ff,
                           .vocabulary = kCharacters,
                           .context = small.context};
  Compute compute(2);
  Transformer model(compute, {config, small.batch});
  Buffer<float> parameters(model.layout().flat_size());
  initialize_parameters(compute, model.layout(), 1, parameters.data());
  OptimizerSet optimizer(compute, model.layout(), make_optimizers(model.layout(), {}));
  GradientPass pass(compute, model);
  const std::vector<Batch> batches{random_text(small.batch, small.context)};
  double loss = 10;
  int steps = 0;
  for (; steps < 400 && loss >= 0.05; ++steps) {
    model.use_parameters(parameters.data());
    const StepResult result = pass.run(batches);
    loss = result.loss;
    const double scale = clipping_scale(result.gradient_norm, OptimizerOptions().gradient_clip);
    optimizer.update({.learning_rate = 3e-3, .gradient_scale = scale}, pass.gradients(), parameters.data());
  }
  EXPECT_LT(loss, 0.05) << "after " << steps << " steps";
  RecordProperty("steps", steps);
}

}  // namespace
}  // namespace pretrain
