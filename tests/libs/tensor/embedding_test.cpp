// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/embedding.h"

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using test::area;
using test::Guarded;
using test::normal_values;

constexpr int64_t kVocabulary = 11;

/// Ids with many repetitions, the first and the last among them.
std::vector<uint32_t> random_tokens(int64_t M) {
  Rng rng(3);
  std::vector<uint32_t> tokens;
  for (int64_t m = 0; m < M; ++m) tokens.push_back(static_cast<uint32_t>(rng.below(kVocabulary)));
  tokens.front() = kVocabulary - 1;
  tokens.back() = 0;
  return tokens;
}

TEST(Embedding, ForwardAddsTokenAndPosition) {
  Compute compute(2);
  const int64_t T = 13;
  for (const int64_t C : {1, 3, 16, 33, 64, 65, 130}) {
    const int64_t M = 10 * T;
    const std::vector<uint32_t> tokens = random_tokens(M);
    const std::vector<float> table = normal_values(area(kVocabulary, C), 1);
    const std::vector<float> positions = normal_values(area(T, C), 2);
    Guarded out(area(M, C), 3);
    embed_forward(compute, {.tokens = tokens.data(), .M = M, .T = T, .C = C},
                  {table.data(), positions.data()}, out.data());
    for (int64_t m = 0; m < M; ++m) {
      for (int64_t c = 0; c < C; ++c) {
        const float expected = table[area(1, static_cast<int64_t>(tokens[area(1, m)]) * C + c)] +
                               positions[area(1, m % T * C + c)];
        ASSERT_EQ(out.data()[m * C + c], expected) << "row " << m << ", column " << c;
      }
    }
    EXPECT_TRUE(out.intact());
  }
}

struct Gradients {
  reference::Matrix tokens, positions;
};

/// What the tables get, in double: `before` plus all rows of dx at their places.
Gradients expected_gradients(const std::vector<uint32_t>& tokens, const std::vector<float>& dx, int64_t T,
                             int64_t C, const std::vector<float>& tokens_before,
                             const std::vector<float>& positions_before) {
  Gradients sums{test::as_double(tokens_before), test::as_double(positions_before)};
  for (int64_t m = 0; m < static_cast<int64_t>(tokens.size()); ++m) {
    for (int64_t c = 0; c < C; ++c) {
      const auto value = static_cast<double>(dx[area(1, m * C + c)]);
      sums.tokens[area(1, static_cast<int64_t>(tokens[area(1, m)]) * C + c)] += value;
      sums.positions[area(1, m % T * C + c)] += value;
    }
  }
  return sums;
}

TEST(Embedding, BackwardSumsRepeatedTokensAndPositions) {
  Compute compute(2);
  const int64_t T = 13, M = 5 * T;
  const std::vector<uint32_t> tokens = random_tokens(M);
  for (const int64_t C : {1, 3, 16, 33, 64, 65, 130}) {
    for (const bool accumulate : {false, true}) {
      SCOPED_TRACE(testing::Message() << C << " channels, accumulate " << accumulate);
      const std::vector<float> dx = normal_values(area(M, C), 1);
      const std::vector<float> tokens_before = normal_values(area(kVocabulary, C), 4);
      const std::vector<float> positions_before = normal_values(area(T, C), 5);
      Guarded dtokens(tokens_before, 1);
      Guarded dpositions(positions_before, 2);
      embed_backward(compute, {.tokens = tokens.data(), .M = M, .T = T, .C = C}, dx.data(),
                     accumulate ? Store::kAccumulate : Store::kOverwrite,
                     {dtokens.data(), dpositions.data()});
      const auto expected = expected_gradients(
          tokens, dx, T, C, tokens_before, accumulate ? positions_before : std::vector<float>(area(T, C)));
      EXPECT_TRUE(test::all_close(dtokens.copy(), expected.tokens, test::sum_bound(M)));
      EXPECT_TRUE(test::all_close(dpositions.copy(), expected.positions, test::sum_bound(M)));
      EXPECT_TRUE(dtokens.intact());
      EXPECT_TRUE(dpositions.intact());
    }
  }
}

TEST(Embedding, AgreesWithTheReferenceOverManyRows) {
  Compute compute(2);
  const int64_t T = 300, M = 4 * T, C = 130;
  const std::vector<uint32_t> tokens = random_tokens(M);
  const std::vector<float> dx = normal_values(area(M, C), 1);
  Guarded dtokens(std::vector<float>(area(kVocabulary, C)), 1);
  Guarded dpositions(area(T, C), 2);
  embed_backward(compute, {.tokens = tokens.data(), .M = M, .T = T, .C = C}, dx.data(), Store::kOverwrite,
                 {dtokens.data(), dpositions.data()});
  const auto expected = expected_gradients(tokens, dx, T, C, std::vector<float>(area(kVocabulary, C)),
                                           std::vector<float>(area(T, C)));
  EXPECT_TRUE(test::all_close(dtokens.copy(), expected.tokens, test::sum_bound(M)));
  EXPECT_TRUE(test::all_close(dpositions.copy(), expected.positions, test::sum_bound(M)));
}

TEST(Embedding, BackwardDoesNotDependOnTheNumberOfThreads) {
  const int64_t T = 20, M = 200, C = 200;
  const std::vector<uint32_t> tokens = random_tokens(M);
  const std::vector<float> dx = normal_values(area(M, C), 1);
  test::expect_same_for_any_threads([&](int threads) {
    Compute compute(threads);
    std::vector<float> tables(area(kVocabulary + T, C));
    embed_backward(compute, {.tokens = tokens.data(), .M = M, .T = T, .C = C}, dx.data(), Store::kOverwrite,
                   {tables.data(), tables.data() + kVocabulary * C});
    return tables;
  });
}

}  // namespace
}  // namespace pretrain
