// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/bench_kernels.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <span>

#include <fmt/format.h>

#include "apps/pretrain/bench_block_kernels.h"
#include "apps/pretrain/bench_values.h"
#include "libs/base/rng.h"
#include "libs/model/architecture.h"
#include "libs/model/parameters.h"
#include "libs/model/transformer.h"
#include "libs/tensor/adamw_kernel.h"
#include "libs/tensor/embedding.h"
#include "libs/tensor/gemm.h"
#include "libs/tensor/loss.h"
#include "libs/tensor/orthogonalize.h"
#include "libs/tensor/reduction.h"
#include "libs/tensor/reference/ops.h"
#include "libs/tensor/rounded_sum.h"

namespace pretrain {
namespace {

using namespace bench;
using reference::Matrix;

/// Rows of a large matrix to compare; comparing all of them would take the reference minutes.
constexpr int64_t kCheckedRows = 24;

/// C = A B as training calls it. The gradient of a weight multiplies the transposed input by the gradient of
/// the output, which is packed for each product; a weight is packed once per step.
struct ProductShape {
  std::string name = {};
  int64_t M, N, K;
  bool kept = true;  ///< A was stored by the forward pass; false: A is float32
  bool weight_gradient = false;
};

/// Compares some rows of C with sums in double precision.
double check_product(const ProductShape& s, const Kept& a, const Floats& b, const Floats& c,
                     Precision precision) {
  const std::vector<float> left = a.copy();
  Rng rng(3);
  Matrix rows, expected;
  std::vector<float> actual;
  for (int64_t i = 0; i < 4; ++i) {
    const auto m = i == 0 ? 0 : static_cast<int64_t>(rng.below(static_cast<uint64_t>(s.M)));
    for (int64_t k = 0; k < s.K; ++k)
      rows.push_back(static_cast<double>(left[area(s.weight_gradient ? k * s.M + m : m * s.K + k)]));
    const float* row = c->data() + m * s.N;
    actual.insert(actual.end(), row, row + s.N);
  }
  expected = reference::linear(reference::as_operand(precision, rows),
                               reference::as_operand(precision, as_double(b->span())), {}, 4, s.N, s.K);
  return deviation(actual, expected, rounding(s.K) * std::sqrt(static_cast<double>(s.K)));
}

BenchKernel product_kernel(Compute& compute, const ProductShape& s, Precision precision) {
  const Kept a(s.kept ? precision : Precision::kFloat32, s.M, s.K, 1);
  const Floats b = random(s.K, s.N, 2);
  const Floats c = empty(s.M, s.N), sums = empty(s.N);
  const auto packed = std::make_shared<PackedMatrix>(precision, s.K, s.N);
  packed->pack(compute, b->data(), s.N);
  const auto view = [=] {
    return s.weight_gradient ? MatrixView(a.place(), s.M).transposed() : MatrixView(a.place(), s.K);
  };
  const auto run = [=, &compute] {
    if (s.weight_gradient) packed->pack_and_sum(compute, b->data(), s.N, Store::kOverwrite, sums->data());
    product(compute, s.M, view(), *packed, c->data());
  };
  const auto size = [](int64_t rows, int64_t columns) {
    return static_cast<double>(rows) * static_cast<double>(columns);
  };
  return {.operations = 2 * size(s.M, s.N) * static_cast<double>(s.K),
          .bytes = a.bytes() + floats(size(s.K, s.N) + size(s.M, s.N)),
          .run = run,
          .check = [=] {
            run();
            return check_product(s, a, b, c, precision);
          }};
}

BenchKernel loss_kernel(Compute& compute, const ModelConfig& c, int64_t M, Precision precision) {
  const int64_t V = c.vocabulary;
  const int64_t rows = head_chunk_rows(M, V);
  const Floats original = random(rows, V, 1);
  const Floats logits = random(rows, V, 1);
  const Floats losses = empty(rows);
  const auto targets = std::make_shared<std::vector<int32_t>>(area(rows));
  std::iota(targets->begin(), targets->end(), 0);
  for (int32_t& target : *targets) target = static_cast<int32_t>(int64_t{target} * 7919 % V);
  const auto run = [=, &compute] {
    softmax_cross_entropy(compute,
                          {.logits = logits->data(), .targets = targets->data(), .rows = rows, .V = V}, 1,
                          losses->data(), precision);
  };
  const double count = static_cast<double>(rows * V);
  return {.bytes = floats(count + count / static_cast<double>(terms_per_word(precision))),
          .run = run,
          .check = [=] {
            std::ranges::copy(original->span(), logits->data());
            run();
            const int64_t few = std::min(rows, kCheckedRows);
            const Matrix x = as_double(std::span<const float>(original->span()).first(area(few, V)));
            const std::span<const int32_t> chosen(targets->data(), area(few));
            const auto [elements, ld] = gradient_of_logits(logits->data(), V, precision);
            std::vector<float> gradient(area(few, V));
            for (int64_t m = 0; m < few; ++m) load_values(V, elements.at(m * ld), gradient.data() + m * V);
            return std::max(deviation(losses->span().first(area(few)), reference::cross_entropy(x, chosen, V),
                                      rounding(V)),
                            deviation(gradient, reference::cross_entropy_backward(x, chosen, V),
                                      rounding(16) + rounding_of_result(precision)));
          }};
}

std::shared_ptr<std::vector<uint32_t>> random_tokens(int64_t M, int64_t V) {
  Rng rng(5);
  auto tokens = std::make_shared<std::vector<uint32_t>>(area(M));
  for (uint32_t& token : *tokens) token = static_cast<uint32_t>(rng.below(static_cast<uint64_t>(V)));
  return tokens;
}

BenchKernel embedding_kernel(Compute& compute, const ModelConfig& c, int64_t M, bool forward) {
  const int64_t C = c.d_model;
  const auto tokens = random_tokens(M, c.vocabulary);
  const bool has_positions = !c.architecture->embedding.positions.empty();
  const Floats table = random(c.vocabulary, C, 1), x = random(M, C, 3);
  const Floats positions = has_positions ? random(c.context, C, 2) : empty(c.context, C);
  if (!has_positions) std::ranges::fill(positions->span(), 0.0F);
  const auto run = [=, &compute] {
    if (forward) {
      embed_forward(compute, {.tokens = tokens->data(), .M = M, .T = c.context, .C = C},
                    {table->data(), has_positions ? positions->data() : nullptr}, x->data());
    } else {
      embed_backward(compute, {.tokens = tokens->data(), .M = M, .T = c.context, .C = C}, x->data(),
                     Store::kOverwrite, {table->data(), has_positions ? positions->data() : nullptr});
    }
  };
  return {.bytes = floats(static_cast<double>(M * C) * (forward ? 2 : 4)), .run = run, .check = [=] {
            Matrix expected = as_double(table->span());
            if (forward) {
              run();
              Matrix rows;
              for (size_t i = 0; i < x->size(); ++i) {
                const auto m = static_cast<int64_t>(i) / C, channel = static_cast<int64_t>(i) % C;
                rows.push_back(expected[area((*tokens)[area(m)] * C + channel)] +
                               static_cast<double>((*positions)[area(m % c.context * C + channel)]));
              }
              return deviation(x->span(), rows, rounding(1));
            }
            for (size_t i = 0; i < x->size(); ++i) {
              const auto m = static_cast<int64_t>(i) / C, channel = static_cast<int64_t>(i) % C;
              expected[area((*tokens)[area(m)] * C + channel)] += static_cast<double>((*x)[i]);
            }
            run();
            return deviation(table->span(), expected, rounding(M));
          }};
}

BenchKernel gradient_packing_kernel(Compute& compute, const ModelConfig& c, int64_t M, Precision precision) {
  const Floats x = random(M, c.d_ff, 1), sums = empty(c.d_ff);
  const auto packed = std::make_shared<PackedMatrix>(precision, M, c.d_ff);
  const auto run = [=, &compute] {
    packed->pack_and_sum(compute, x->data(), c.d_ff, Store::kOverwrite, sums->data());
  };
  const double read = floats(static_cast<double>(x->size()));
  return {.bytes = read + read / static_cast<double>(terms_per_word(precision)), .run = run, .check = [=] {
            run();
            const Matrix ones(area(M), 1.0);
            return deviation(sums->span(), reference::linear(ones, as_double(x->span()), {}, 1, c.d_ff, M),
                             4 * rounding(M));
          }};
}

BenchKernel packing_kernel(Compute& compute, const ModelConfig& c, bool transposed, Precision precision) {
  const int64_t K = c.d_model, N = c.d_ff;
  const Floats b = random(K, N, 1);
  const auto packed = std::make_shared<PackedMatrix>(precision, transposed ? N : K, transposed ? K : N);
  const auto run = [=, &compute] {
    if (transposed) {
      packed->pack_transposed(compute, b->data(), N);
    } else {
      packed->pack(compute, b->data(), N);
    }
  };
  return {.bytes = floats(static_cast<double>(b->size()) *
                          (1 + 1.0 / static_cast<double>(terms_per_word(precision)))),
          .run = run,
          .check = [=, &compute] {
            run();  // multiplying rows of the identity returns rows of B
            constexpr int64_t kRows = 8;
            Buffer<float> identity(area(kRows, packed->K()));
            Buffer<float> rows(area(kRows, packed->N()));
            std::ranges::fill(identity.span(), 0.0F);
            Matrix expected;
            for (int64_t r = 0; r < kRows; ++r) {
              identity[area(r * packed->K() + r)] = 1;
              for (int64_t n = 0; n < packed->N(); ++n)
                expected.push_back(static_cast<double>((*b)[area(transposed ? n * N + r : r * N + n)]));
            }
            product(compute, kRows, {identity.data(), packed->K()}, *packed, rows.data());
            return deviation(rows.span(), expected, rounding(1, precision));
          }};
}

BenchKernel norm_of_gradients_kernel(Compute& compute, const ModelConfig& c) {
  const auto count = static_cast<int64_t>(ParameterLayout(c).flat_size());
  const Floats x = random(count, 1, 1), sum = empty(1);
  const auto squares = std::make_shared<SumOfSquares>(x->size());
  const auto run = [=, &compute] { (*sum)[0] = static_cast<float>((*squares)(compute, x->data())); };
  return {.bytes = floats(static_cast<double>(count)), .run = run, .check = [=] {
            run();
            double expected = 0;
            for (const float value : x->span())
              expected += static_cast<double>(value) * static_cast<double>(value);
            return deviation(sum->span(), {expected}, rounding(1));
          }};
}

/// Of the gradients of two slots, as an exchange in bf16 has them.
BenchKernel rounded_sum_kernel(Compute& compute, const ModelConfig& c) {
  const auto count = static_cast<int64_t>(ParameterLayout(c).flat_size());
  const Floats x = random(count, 1, 1), sums = random(count, 1, 2);
  const auto run = [=, &compute] { add_rounded_to_bf16(compute, x->data(), x->size(), sums->data()); };
  return {.bytes = floats(3 * static_cast<double>(count)), .run = run, .check = [=] {
            Matrix expected = as_double(sums->span());
            const Matrix added = as_double(x->span());
            for (size_t i = 0; i < expected.size(); ++i) expected[i] += added[i];
            run();
            return deviation(sums->span(), expected, rounding(1) + rounding_of_result(Precision::kBf16));
          }};
}

BenchKernel adamw_kernel(Compute& compute, const ModelConfig& c) {
  const auto count = static_cast<int64_t>(ParameterLayout(c).flat_size());
  const Floats gradient = random(count, 1, 1), parameters = random(count, 1, 2);
  const Floats m = random(count, 1, 3), v = random(count, 1, 3);
  for (float& value : v->span()) value *= value;
  const AdamWStep step{.learning_rate = 1e-4F,
                       .beta1 = 0.9F,
                       .beta2 = 0.99F,
                       .inverse_correction1 = 1,
                       .inverse_correction2 = 1,
                       .epsilon = 1e-8F,
                       .gradient_scale = 0.5F};
  constexpr float kDecay = 0.1F;
  const auto run = [=, &compute] {
    compute.parallel_ranges(area(count), 65536, [&](size_t begin, size_t end) {
      adamw_update(step, kDecay, end - begin, gradient->data() + begin, parameters->data() + begin,
                   m->data() + begin, v->data() + begin);
    });
  };
  return {.bytes = floats(7 * static_cast<double>(count)), .run = run, .check = [=] {
            const Matrix p = as_double(parameters->span()), m0 = as_double(m->span()),
                         v0 = as_double(v->span());
            run();
            Matrix expected(p.size());
            for (size_t i = 0; i < p.size(); ++i) {
              const double g = static_cast<double>(step.gradient_scale) * static_cast<double>((*gradient)[i]);
              const double m1 = 0.9 * m0[i] + 0.1 * g, v1 = 0.99 * v0[i] + 0.01 * g * g;
              expected[i] = p[i] - 1e-4 * (m1 / (std::sqrt(v1) + 1e-8) + static_cast<double>(kDecay) * p[i]);
            }
            return deviation(parameters->span(), expected, rounding(16));
          }};
}

/// The longest and shortest length that a matrix gives to vectors of length 1, of a few random ones: how far
/// it is from 1, as a share of what the last polynomial leaves.
double change_of_lengths(std::span<const float> matrix, const MatrixSize& size) {
  constexpr double kLeft = 0.084;
  Rng rng(5);
  double largest = 0;
  for (int i = 0; i < 8; ++i) {
    Matrix v(area(size.columns));
    double before = 0, after = 0;
    for (double& value : v) {
      value = rng.normal();
      before += value * value;
    }
    for (size_t row = 0; row < area(size.rows); ++row) {
      double sum = 0;
      for (size_t c = 0; c < v.size(); ++c) sum += static_cast<double>(matrix[row * v.size() + c]) * v[c];
      after += sum * sum;
    }
    const double change = std::abs(std::sqrt(after / before) - 1) / kLeft;
    if (!(change <= largest)) largest = change;  // also for NaN
  }
  return largest;
}

/// Of a matrix with at least four times more rows than columns, whose singular values are not far apart.
BenchKernel orthogonalization_kernel(Compute& compute, const MatrixSize& size) {
  const Floats x = random(size.rows, size.columns, 1), out = empty(size.rows, size.columns);
  const auto scratch = std::make_shared<Buffer<float>>(orthogonalize_scratch(size));
  const auto run = [=, &compute] {
    orthogonalize(compute, Workers::kAll, size, x->data(), out->data(), scratch->data());
  };
  const auto n = static_cast<double>(size.rows), m = static_cast<double>(size.columns);
  const auto steps = static_cast<double>(orthogonal_steps().size());
  // One of each symmetric product's two halves is computed: the Gram matrix, A^2 in each step, and three more
  // between two steps.
  const double operations = m * m * (n + (steps + 3 * (steps - 1)) * m + 2 * n);
  return {.operations = operations, .bytes = floats(2 * n * m), .run = run, .check = [=] {
            run();
            return change_of_lengths(out->span(), size);
          }};
}

std::vector<ProductShape> product_shapes(const ModelConfig& c, int64_t M) {
  std::vector<ProductShape> shapes;
  for (const LinearShape& linear : block_linears(c)) {
    const auto add = [&](std::string_view pass, const ProductShape& shape) {
      shapes.push_back(shape);
      shapes.back().name = fmt::format("{} {}", linear.name, pass);
    };
    add("forward", {.M = M, .N = linear.out, .K = linear.in});
    add("input gradient", {.M = M, .N = linear.in, .K = linear.out, .kept = false});
    add("weight gradient", {.M = linear.in, .N = linear.out, .K = M, .weight_gradient = true});
  }
  const int64_t C = c.d_model, V = c.vocabulary;
  const int64_t rows = head_chunk_rows(M, V);
  shapes.push_back({.name = "head forward", .M = rows, .N = V, .K = C, .kept = false});
  shapes.push_back({.name = "head input gradient", .M = rows, .N = C, .K = V, .kept = false});
  shapes.push_back(
      {.name = "head weight gradient", .M = V, .N = C, .K = rows, .kept = false, .weight_gradient = true});
  return shapes;
}

}  // namespace

std::vector<BenchCase> bench_cases(Compute& compute, const ModelConfig& c, int64_t M, Precision precision) {
  std::vector<BenchCase> cases;
  for (const ProductShape& shape : product_shapes(c, M)) {
    cases.push_back({fmt::format("{} {}x{}x{}", shape.name, shape.M, shape.N, shape.K), true,
                     [&compute, shape, precision] { return product_kernel(compute, shape, precision); }});
  }
  const auto add = [&](const char* name, std::function<BenchKernel()> make) {
    cases.push_back({name, false, std::move(make)});
  };
  for (BenchCase& block_case : block_cases(compute, c, M, precision)) cases.push_back(std::move(block_case));
  for (const bool forward : {true, false}) {
    add(forward ? "embedding forward" : "embedding backward",
        [&compute, c, M, forward] { return embedding_kernel(compute, c, M, forward); });
  }
  add("softmax, loss and gradient of a chunk",
      [&compute, c, M, precision] { return loss_kernel(compute, c, M, precision); });
  add("packing of a gradient, bias gradient",
      [&compute, c, M, precision] { return gradient_packing_kernel(compute, c, M, precision); });
  add("packing of a weight",
      [&compute, c, precision] { return packing_kernel(compute, c, false, precision); });
  add("packing of a weight, transposed",
      [&compute, c, precision] { return packing_kernel(compute, c, true, precision); });
  add("norm of all gradients", [&compute, c] { return norm_of_gradients_kernel(compute, c); });
  add("rounded sum of two gradients", [&compute, c] { return rounded_sum_kernel(compute, c); });
  add("AdamW", [&compute, c] { return adamw_kernel(compute, c); });
  add("orthogonalisation of mlp down", [&compute, c] {
    return orthogonalization_kernel(compute, {c.d_ff, c.d_model});
  });
  add("orthogonalisation of a head", [&compute, c] {
    return orthogonalization_kernel(compute, {c.d_model, c.head_size()});
  });
  return cases;
}

Batch random_batch(const ModelConfig& c, int64_t rows) {
  Rng rng(2);
  Batch batch{.rows = rows, .context = c.context};
  for (int64_t i = 0; i < rows * c.context; ++i) {
    batch.inputs.push_back(static_cast<uint32_t>(rng.below(static_cast<uint64_t>(c.vocabulary))));
    batch.targets.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(c.vocabulary))));
  }
  finish_batch(batch);
  return batch;
}

}  // namespace pretrain
