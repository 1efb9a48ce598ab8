// SPDX-License-Identifier: Apache-2.0
#include "libs/model/generation.h"

#include <gtest/gtest.h>

#include "libs/model/initialization.h"
#include "libs/model/transformer.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

const ModelConfig kModel{
    .layers = 2, .d_model = 48, .heads = 4, .d_ff = 100, .vocabulary = 77, .context = 12};

struct Fixture {
  Fixture() : compute(2), layout(kModel), values(layout.flat_size()) {
    initialize_parameters(compute, layout, 9, values.data());
    for (float& value : values.span()) value *= 5;
  }
  Compute compute;
  ParameterLayout layout;
  Buffer<float> values;
};

std::vector<uint32_t> some_tokens(size_t count) {
  Rng rng(4);
  std::vector<uint32_t> tokens(count);
  for (uint32_t& token : tokens) token = static_cast<uint32_t>(rng.below(77));
  return tokens;
}

TEST(Generator, CachedLogitsAgreeWithTheTrainingForwardPass) {
  Fixture f;
  const std::vector<uint32_t> tokens = some_tokens(12);
  const std::vector<int32_t> targets(12, 0);
  Transformer model(f.compute, {kModel, 1, false});
  model.use_parameters(f.values.data());
  model.evaluate(tokens.data(), targets.data());
  std::vector<float> expected(12 * 77);
  model.logits(expected.data());
  Generator generator(f.compute, kModel, f.layout, f.values.data());
  for (size_t t = 0; t < tokens.size(); ++t) {
    const std::span<const float> logits = generator.feed(tokens[t]);
    EXPECT_TRUE(test::all_close(logits, std::span(expected).subspan(t * 77, 77), 1e-4)) << t;
  }
}

TEST(Generator, KeepsTheRecentHalfWhenTheContextIsFull) {
  Fixture f;
  const std::vector<uint32_t> tokens = some_tokens(13);
  Generator full(f.compute, kModel, f.layout, f.values.data());
  std::span<const float> logits;
  for (const uint32_t token : tokens) logits = full.feed(token);
  Generator recent(f.compute, kModel, f.layout, f.values.data());
  std::span<const float> expected;
  for (size_t t = 6; t < tokens.size(); ++t) expected = recent.feed(tokens[t]);
  EXPECT_TRUE(test::all_close(logits, expected, 1e-6));
}

}  // namespace
}  // namespace pretrain
