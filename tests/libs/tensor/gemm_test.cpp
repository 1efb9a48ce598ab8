// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/gemm.h"

#include <array>
#include <utility>

#include <gtest/gtest.h>

#include "libs/tensor/activation.h"
#include "libs/tensor/swiglu.h"
#include "tests/libs/tensor/kernel_testing.h"
#include "tests/support/matchers.h"

namespace pretrain {
namespace {

using reference::Matrix;
using test::all_close;
using test::area;
using test::as_double;
using test::Guarded;
using test::normal_values;

/// Around the heights of tiles, of 14 and 6 rows, 64 and 256.
const std::vector<int64_t> kRows{1, 2, 5, 6, 7, 13, 14, 15, 28, 29, 63, 64, 65, 255, 256, 257, 300, 513};
/// K and N around the vectors, the 32 columns of a panel, the 512 terms of a piece and the columns of a tile.
const std::vector<std::pair<int64_t, int64_t>> kInnerAndColumns{{1, 1},    {3, 5},    {15, 31},   {16, 32},
                                                                {17, 33},  {33, 130}, {64, 16},   {511, 20},
                                                                {513, 48}, {70, 300}, {20, 1100}, {5, 2100}};

/// What a product may do besides A B.
struct Extras {
  bool bias = false, added = false, in_place = false, gelu = false, gelu_input = false;
};
const std::vector<Extras> kExtras{{},
                                  {.bias = true},
                                  {.added = true},
                                  {.added = true, .in_place = true},
                                  {.bias = true, .added = true},
                                  {.bias = true, .gelu = true},
                                  {.gelu_input = true},
                                  {.gelu = true, .gelu_input = true}};

Matrix plus(Matrix a, const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += static_cast<double>(b[i]);
  return a;
}

Matrix transposed(const Matrix& in, int64_t rows, int64_t columns) {
  Matrix out(in.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) out[area(1, c * rows + r)] = in[area(1, r * columns + c)];
  }
  return out;
}

/// With `transpose_a`, A is stored as [K, M].
void check_product_in(Precision precision, Compute& compute, int64_t M, int64_t N, int64_t K,
                      bool transpose_a, const Extras& extras) {
  SCOPED_TRACE(testing::Message() << precision_name(precision) << ", M " << M << ", N " << N << ", K " << K
                                  << (transpose_a ? " A^T" : ""));
  const Guarded a(normal_values(area(M, K), 1), 3);
  const std::vector<float> b = normal_values(area(K, N), 2);
  const Guarded bias(normal_values(area(1, N), 3), 1);
  const std::vector<float> before = normal_values(area(M, N), 4);
  const std::vector<float> gelu_input = normal_values(area(M, N), 5);
  PackedMatrix packed(precision, K, N);
  packed.pack(compute, b.data(), N);
  Guarded c(area(M, N), 5);
  Guarded activated(area(M, N), 7);
  if (extras.in_place) std::copy(before.begin(), before.end(), c.data());
  const float* added = extras.in_place ? c.data() : before.data();
  product(compute, M, transpose_a ? MatrixView(a.data(), M).transposed() : MatrixView(a.data(), K), packed,
          c.data(),
          {.bias = extras.bias ? bias.data() : nullptr,
           .added = extras.added ? added : nullptr,
           .kept = extras.gelu_input ? Operand() : c.data(),
           .gelu_input = extras.gelu_input ? gelu_input.data() : ConstOperand(),
           .gelu = extras.gelu ? activated.data() : Operand()});

  const Matrix dense = transpose_a ? transposed(as_double(a.copy()), K, M) : as_double(a.copy());
  Matrix expected = reference::linear(reference::as_operand(precision, dense),
                                      reference::as_operand(precision, as_double(b)),
                                      extras.bias ? as_double(bias.copy()) : Matrix(), M, N, K);
  if (extras.added) expected = plus(std::move(expected), before);
  if (extras.gelu) {
    const Matrix before_gelu = extras.gelu_input ? as_double(gelu_input) : expected;
    EXPECT_TRUE(all_close(activated.copy(), reference::gelu(before_gelu), test::sum_bound(K)));
    EXPECT_TRUE(activated.intact());
  }
  if (extras.gelu_input) expected = reference::gelu_backward(expected, as_double(gelu_input));
  EXPECT_TRUE(all_close(c.copy(), expected, test::sum_bound(K)));
  EXPECT_TRUE(c.intact());
}

void check_product(Compute& compute, int64_t M, int64_t N, int64_t K, bool transpose_a,
                   const Extras& extras) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16})
    check_product_in(precision, compute, M, N, K, transpose_a, extras);
}

TEST(Product, AgreesWithTheReferenceForOddSizes) {
  Compute compute(2);
  size_t variant = 0;
  for (const int64_t M : kRows) {
    for (const auto& [K, N] : kInnerAndColumns) {
      for (const bool transpose_a : {false, true}) {
        check_product(compute, M, N, K, transpose_a, kExtras[variant++ % kExtras.size()]);
      }
    }
  }
}

TEST(Product, AgreesWithTheReferenceOnEachInstructionSet) {
  test::for_each_target([&] {
    Compute compute(2);
    for (const Extras& extras : kExtras) {
      for (const bool transpose_a : {false, true}) check_product(compute, 37, 55, 530, transpose_a, extras);
    }
  });
}

TEST(Product, AgreesWithTheReferenceForALongSum) {
  Compute compute(2);
  check_product(compute, 66, 70, 1025, false, {.bias = true, .added = true});
}

TEST(Product, AgreesWithTheReferenceOverManyTiles) {
  Compute compute(2);
  check_product(compute, 3, 9000, 20, false, {.bias = true});                      // tiles side by side
  check_product(compute, 2100, 40, 17, false, {.added = true});                    // one above the other
  check_product(compute, 700, 2300, 12, true, {.added = true, .in_place = true});  // both
}

TEST(Product, OverwritesWhatStoodThere) {
  Compute compute(1);
  PackedMatrix packed(Precision::kFloat32, 2, 3);
  packed.pack(compute, std::vector<float>{1, 2, 3, 4, 5, 6}.data(), 3);
  std::vector<float> c(3, std::numeric_limits<float>::quiet_NaN());
  const std::vector<float> a{1, 10};
  product(compute, 1, {a.data(), 2}, packed, c.data());
  EXPECT_EQ(c, (std::vector<float>{41, 52, 63}));
}

TEST(Product, DoesNotDependOnTheNumberOfThreads) {
  const int64_t M = 200, N = 1100, K = 1050;  // several tiles each way, and pieces of a sum
  const std::vector<float> a = normal_values(area(M, K), 1);
  const std::vector<float> b = normal_values(area(K, N), 2);
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    for (const bool transpose_a : {false, true}) {
      test::expect_same_for_any_threads([&](int threads) {
        Compute compute(threads);
        PackedMatrix packed(precision, K, N);
        packed.pack(compute, b.data(), N);
        std::vector<float> c(area(M, N));
        product(compute, M, transpose_a ? MatrixView(a.data(), M).transposed() : MatrixView(a.data(), K),
                packed, c.data());
        return c;
      });
    }
  }
}

/// A B for an A in plain rows, or stored transposed.
std::vector<float> product_of(Compute& compute, const ConstOperand& a, bool transpose_a, int64_t M,
                              const PackedMatrix& packed, const Epilogue& epilogue = {}) {
  std::vector<float> c(area(M, packed.N()));
  product(compute, M, transpose_a ? MatrixView(a, M).transposed() : MatrixView(a, packed.K()), packed,
          c.data(), epilogue);
  return c;
}

TEST(Product, OfWhatIsStoredInBf16IsThatOfWhatIsRoundedOnTheWay) {
  test::for_each_target([] {
    Compute compute(2);
    // Besides, two and three of the pieces that sums are cut into, of 1,024 terms.
    auto inner_and_columns = kInnerAndColumns;
    inner_and_columns.emplace_back(1025, 20);
    inner_and_columns.emplace_back(2051, 33);
    for (const int64_t M : {int64_t{1}, int64_t{6}, int64_t{7}, int64_t{29}, int64_t{65}, int64_t{257}}) {
      for (const auto& [K, N] : inner_and_columns) {
        const std::vector<float> a = normal_values(area(M, K), 1);
        const test::GuardedBf16 stored(test::rounded(a), 1);
        PackedMatrix packed(Precision::kBf16, K, N);
        packed.pack(compute, normal_values(area(K, N), 2).data(), N);
        for (const bool transpose_a : {false, true}) {
          EXPECT_TRUE(test::same_bits(product_of(compute, stored.data(), transpose_a, M, packed),
                                      product_of(compute, a.data(), transpose_a, M, packed)))
              << M << " x " << K << " x " << N << (transpose_a ? " A^T" : "");
        }
      }
    }
  });
}

TEST(Product, KeepsARoundedCopyAndItsActivation) {
  test::for_each_target([] {
    Compute compute(2);
    for (const auto& [M, N] : {std::pair<int64_t, int64_t>{1, 1}, {7, 33}, {70, 64}, {270, 131}}) {
      const int64_t K = 1050;  // more than one piece of the sums
      const std::vector<float> a = normal_values(area(M, K), 1, 0.05);
      const std::vector<float> bias = normal_values(area(1, N), 3), added = normal_values(area(M, N), 4);
      PackedMatrix packed(Precision::kBf16, K, N);
      packed.pack(compute, normal_values(area(K, N), 2).data(), N);
      const auto with = [&](Epilogue epilogue) {
        epilogue.bias = bias.data();
        epilogue.added = added.data();
        return product_of(compute, a.data(), false, M, packed, epilogue);
      };
      const std::vector<float> plain = with({});
      test::GuardedBf16 kept(plain.size(), 1), gelu(plain.size(), 3), again(plain.size(), 5);
      EXPECT_TRUE(test::same_bits(with({.kept = kept.data(), .gelu = gelu.data()}), plain));
      EXPECT_EQ(kept.copy(), test::rounded(plain));
      std::vector<Bf16> expected(plain.size());
      gelu_forward(compute, kept.data(), plain.size(), expected.data());
      EXPECT_EQ(gelu.copy(), expected);
      std::vector<float> slope(plain.size());
      gelu_backward(compute, kept.data(), plain.data(), plain.size(), slope.data());
      EXPECT_TRUE(test::same_bits(with({.gelu_input = kept.data(), .gelu = again.data()}), slope));
      EXPECT_EQ(again.copy(), expected);
      EXPECT_TRUE(kept.intact() && gelu.intact() && again.intact());
    }
  });
}

/// In the order of the arithmetic of a plain product and a separate pass: the bits are those.
TEST(Product, FinishesSwigluAsASeparatePassWould) {
  test::for_each_target([] {
    Compute compute(2);
    for (const auto& [M, N] : {std::pair<int64_t, int64_t>{1, 1}, {7, 33}, {70, 64}, {270, 131}}) {
      const int64_t K = 1050;  // more than one piece of the sums
      const std::vector<float> a = normal_values(area(M, K), 1, 0.05), gate = normal_values(area(M, N), 3),
                               up = normal_values(area(M, N), 4);
      PackedMatrix packed(Precision::kFloat32, K, N);
      packed.pack(compute, normal_values(area(K, N), 2).data(), N);
      const auto with = [&](Epilogue epilogue, float* c) {
        product(compute, M, {a.data(), K}, packed, c, epilogue);
      };
      Guarded plain(area(M, N)), c(area(M, N), 1), gated(area(M, N), 3), dgate(area(M, N), 2),
          again(area(M, N), 1);
      std::vector<float> hidden(area(M, N)), expected_dgate(hidden), expected_dup(hidden);
      with({}, plain.data());
      with({.kept = c.data(), .swiglu = {.gate = gate.data(), .gated = gated.data()}}, c.data());
      swiglu_forward_block(1, M * N, 0, gate.data(), plain.data(), hidden.data());
      EXPECT_TRUE(all_close(gated.copy(), as_double(hidden), 2 * test::kEpsilon));
      EXPECT_TRUE(test::same_bits(c.copy(), plain.copy()));
      with({.swiglu = {.gate = gate.data(), .up = up.data(), .dgate = dgate.data(), .gated = again.data()}},
           c.data());
      swiglu_backward_block(1, M * N, 0, gate.data(), up.data(), plain.data(),
                            {expected_dgate.data(), expected_dup.data()}, hidden.data());
      EXPECT_TRUE(all_close(c.copy(), as_double(expected_dup), 2 * test::kEpsilon));
      EXPECT_TRUE(all_close(dgate.copy(), as_double(expected_dgate), 2 * test::kEpsilon));
      EXPECT_TRUE(all_close(again.copy(), as_double(hidden), 2 * test::kEpsilon));
      EXPECT_TRUE(c.intact() && gated.intact() && dgate.intact() && again.intact());
    }
  });
}

TEST(Product, FinishesSwigluOfWhatItKeepsInBf16) {
  test::for_each_target([] {
    Compute compute(2);
    const int64_t M = 70, N = 67, K = 600;
    const std::vector<float> a = normal_values(area(M, K), 1, 0.05);
    const std::vector<Bf16> gate = test::rounded(normal_values(area(M, N), 3));
    PackedMatrix packed(Precision::kBf16, K, N);
    packed.pack(compute, normal_values(area(K, N), 2).data(), N);
    test::GuardedBf16 kept(area(M, N), 1), gated(area(M, N), 3), expected(area(M, N));
    std::vector<float> c(area(M, N));
    product(compute, M, {a.data(), K}, packed, c.data(),
            {.kept = kept.data(), .swiglu = {.gate = gate.data(), .gated = gated.data()}});
    swiglu_forward_block(M, N, N, gate.data(), kept.data(), expected.data());
    const std::vector<float> values = test::widened(gated.copy());
    EXPECT_TRUE(all_close(values, as_double(test::widened(expected.copy())), 1.0 / 256));
    EXPECT_TRUE(kept.intact() && gated.intact());
  });
}

TEST(Product, RefusesWhatItCannotDo) {
  Compute compute(1);
  PackedMatrix packed(Precision::kFloat32, 2, 2);
  const std::vector<float> ones(4, 1.0F);
  packed.pack(compute, ones.data(), 2);
  std::vector<float> other(4);
  std::vector<Bf16> rounded(4);
  const auto with = [&](const ConstOperand& a, const Epilogue& epilogue) {
    product_of(compute, a, false, 2, packed, epilogue);
  };
  EXPECT_DEATH(with(rounded.data(), {}), "bf16 is not multiplied with float32");
  EXPECT_DEATH(with(ones.data(), {.kept = other.data()}), "the product itself");
  EXPECT_DEATH(with(ones.data(), {.gelu = other.data()}), "gelu needs an input");
  EXPECT_DEATH(with(ones.data(), {.kept = rounded.data(), .gelu_input = ones.data()}), "is not kept");
  EXPECT_DEATH(with(ones.data(), {.swiglu = {.gate = ones.data(), .gated = other.data()}}), "lets through");
  EXPECT_DEATH(pack_rows(Precision::kFloat32, 2, 2, {rounded.data(), 2}, other.data()),
               "not packed as float32");
}

std::vector<float> product_with(Compute& compute, const PackedMatrix& packed, const std::vector<float>& a) {
  const int64_t M = static_cast<int64_t>(a.size()) / packed.K();
  std::vector<float> c(area(M, packed.N()));
  product(compute, M, {a.data(), packed.K()}, packed, c.data());
  return c;
}

TEST(PackedMatrix, PacksTheTransposeOfWhatIsStored) {
  Compute compute(2);
  for (const auto& [K, N] : kInnerAndColumns) {
    const int64_t ld = N + 3;
    const int64_t ld_transposed = K + 5;
    const std::vector<float> b = normal_values(area(K, ld), 2);
    std::vector<float> transposed(area(N, ld_transposed), std::numeric_limits<float>::quiet_NaN());
    for (int64_t k = 0; k < K; ++k) {
      for (int64_t n = 0; n < N; ++n) transposed[area(1, n * ld_transposed + k)] = b[area(1, k * ld + n)];
    }
    PackedMatrix straight(Precision::kFloat32, K, N);
    straight.pack(compute, b.data(), ld);
    PackedMatrix turned(Precision::kFloat32, K, N);
    turned.pack_transposed(compute, transposed.data(), ld_transposed);
    const std::vector<float> a = normal_values(area(9, K), 3);
    EXPECT_TRUE(test::same_bits(product_with(compute, turned, a), product_with(compute, straight, a)))
        << K << " x " << N;
  }
}

TEST(PackedMatrix, AddsUpColumnsWhilePacking) {
  const int64_t K = 70, N = 150, ld = N + 3;
  const std::vector<float> b = normal_values(area(K, ld), 2);
  Matrix expected(area(1, N));
  for (int64_t k = 0; k < K; ++k) {
    for (int64_t n = 0; n < N; ++n) expected[area(1, n)] += static_cast<double>(b[area(1, k * ld + n)]);
  }
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {  // sums are float32 in either
    test::expect_same_for_any_threads([&](int threads) {
      Compute compute(threads);
      PackedMatrix packed(precision, K, N);
      Guarded sums(area(1, N), 1);
      packed.pack_and_sum(compute, b.data(), ld, Store::kOverwrite, sums.data());
      EXPECT_TRUE(all_close(sums.copy(), expected, test::sum_bound(K)));
      PackedMatrix plain(precision, K, N);
      plain.pack(compute, b.data(), ld);
      const std::vector<float> a = normal_values(area(9, K), 3);
      EXPECT_TRUE(test::same_bits(product_with(compute, packed, a), product_with(compute, plain, a)));
      packed.pack_and_sum(compute, b.data(), ld, Store::kAccumulate, sums.data());
      Matrix twice = expected;
      for (double& value : twice) value *= 2;
      EXPECT_TRUE(all_close(sums.copy(), twice, test::sum_bound(K)));
      EXPECT_TRUE(sums.intact());
      return sums.copy();
    });
  }
}

TEST(PackedMatrix, TakesAnotherShapeWithoutRemainsOfTheFormer) {
  Compute compute(2);
  PackedMatrix packed(Precision::kFloat32, PackedMatrix::size_words(Precision::kFloat32, 40, 150));
  packed.reshape(40, 150);
  packed.pack(compute, std::vector<float>(6000, std::numeric_limits<float>::quiet_NaN()).data(), 150);
  packed.reshape(19, 70);
  const std::vector<float> b = normal_values(area(19, 70), 1);
  packed.pack(compute, b.data(), 70);
  const std::vector<float> a = normal_values(area(5, 19), 2);
  const Matrix expected = reference::linear(as_double(a), as_double(b), {}, 5, 70, 19);
  EXPECT_TRUE(all_close(product_with(compute, packed, a), expected, test::sum_bound(19)));
}

}  // namespace
}  // namespace pretrain
