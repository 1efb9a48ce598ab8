// SPDX-License-Identifier: Apache-2.0
// Compares generation of one stream with plain reading of as many bytes as the weights of a token, of several streams
// with that of one, and the reading of a prompt with the forward pass of training, interleaved, on the same
// threads: generation_bench [PRESET [THREADS [ROUNDS]]].

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <tbb/global_control.h>

#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/model/batch_generator.h"
#include "libs/model/generation.h"
#include "libs/model/initialization.h"
#include "libs/model/transformer.h"
#include "libs/tensor/peak.h"

namespace pretrain {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Reads an array once, in pieces that the threads take in turn.
class Reader {
 public:
  explicit Reader(size_t count) : data_(count), seen_((count + kPiece - 1) / kPiece) {
    std::iota(data_.data(), data_.data() + count, uint64_t{1});
  }
  void read(Compute& compute) {
    compute.parallel_ranges(data_.size(), kPiece, [&](size_t begin, size_t end) {
      uint64_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
      size_t i = begin;
      for (; i + 8 <= end; i += 8) {  // integers: the compiler may vectorize sums of them
        const uint64_t* x = data_.data() + i;
        __builtin_prefetch(x + kAhead, 0, 3);  // by itself the processor fetches too little ahead
        a ^= x[0], b ^= x[1], c ^= x[2], d ^= x[3], e ^= x[4], f ^= x[5], g ^= x[6], h ^= x[7];
      }
      for (; i < end; ++i) a ^= data_[i];
      seen_[begin / kPiece] = a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
    });
  }

 private:
  static constexpr size_t kPiece = 131'072;  // a mebibyte
  static constexpr size_t kAhead = 512;
  Buffer<uint64_t> data_;
  std::vector<uint64_t> seen_;
};

/// Against the training forward pass, for the first tokens of the context.
void check(Compute& compute, const ModelConfig& config, const ParameterLayout& layout,
           const float* parameters) {
  Transformer model(compute, {config, 1, false});
  model.use_parameters(parameters);
  std::vector<uint32_t> inputs(static_cast<size_t>(config.context));
  for (size_t i = 0; i < inputs.size(); ++i)
    inputs[i] = static_cast<uint32_t>(i * 7 % static_cast<size_t>(config.vocabulary));
  const std::vector<int32_t> targets(inputs.size(), 0);
  model.evaluate(inputs.data(), targets.data());
  const auto V = static_cast<size_t>(config.vocabulary);
  std::vector<float> expected(inputs.size() * V);
  model.logits(expected.data());
  Generator generator(compute, config, layout, parameters);
  for (size_t t = 0; t < 8; ++t) {
    const std::span<const float> logits = generator.feed(inputs[t]);
    for (size_t v = 0; v < V; ++v) {
      if (!(std::abs(logits[v] - expected[t * V + v]) < 1e-3F)) fail(ErrorKind::kRuntime, "logits differ");
    }
  }
}

/// Tokens per second of one precision: streams together, and a prompt against the forward pass.
void run_batch(Compute& compute, const ModelConfig& config, const ParameterLayout& layout,
               const float* parameters, Precision precision, int rounds) {
  constexpr int64_t kMost = 16;
  BatchGenerator generator(compute, config, layout, parameters, {.sequences = kMost, .precision = precision});
  Transformer forward(compute, {.config = config, .rows = 1, .training = false, .precision = precision});
  forward.use_parameters(parameters);
  std::vector<uint32_t> prompt(static_cast<size_t>(config.context));
  for (size_t i = 0; i < prompt.size(); ++i)
    prompt[i] = static_cast<uint32_t>(i * 7 % static_cast<size_t>(config.vocabulary));
  const std::vector<int32_t> targets(prompt.size(), 0);
  const int64_t steps = std::min<int64_t>(config.context / 2, 16);
  const std::vector<int64_t> counts{1, 4, kMost};
  std::vector<std::vector<double>> rates(counts.size());
  std::vector<double> read, trained;
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < counts.size(); ++i) {
      std::vector<NextToken> next;
      for (int64_t s = 0; s < counts[i]; ++s) {
        generator.truncate(s, 0);
        next.push_back({s, static_cast<uint32_t>(s)});
      }
      const double seconds = seconds_of([&] {
        for (int64_t step = 0; step < steps; ++step) generator.append(next);
      });
      rates[i].push_back(static_cast<double>(steps * counts[i]) / seconds);
    }
    generator.truncate(0, 0);
    read.push_back(static_cast<double>(prompt.size()) / seconds_of([&] { generator.read(0, prompt); }));
    trained.push_back(static_cast<double>(prompt.size()) /
                      seconds_of([&] { forward.evaluate(prompt.data(), targets.data()); }));
  }
  fmt::print(
      "{}: {:.0f} tokens/s alone, {:.0f} of 4 together, {:.0f} of {}; prompt {:.0f} tokens/s, forward pass and "
      "loss {:.0f} (medians)\n",
      precision_name(precision), median(rates[0]), median(rates[1]), median(rates[2]), kMost, median(read),
      median(trained));
}

void run(const Preset& preset, int threads, int rounds) {
  const ModelConfig config{.layers = preset.layers,
                           .d_model = preset.d_model,
                           .heads = preset.heads,
                           .d_ff = preset.d_ff,
                           .vocabulary = preset.vocabulary == 0 ? 70 : preset.vocabulary,
                           .context = preset.context};
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
  Compute compute(threads);
  const ParameterLayout layout(config);
  Buffer<float> parameters(layout.flat_size());
  initialize_parameters(compute, layout, 1, parameters.data());
  check(compute, config, layout, parameters.data());

  const auto bytes = static_cast<double>(matrix_parameters(config)) * sizeof(float);
  Reader reader(static_cast<size_t>(bytes) / sizeof(uint64_t));
  Generator generator(compute, config, layout, parameters.data());
  const int64_t tokens = std::min<int64_t>(config.context, 16);
  std::vector<double> read, generated, ratios;
  for (int round = 0; round < rounds; ++round) {
    generator.reset();
    read.push_back(seconds_of([&] {
                     for (int64_t i = 0; i < tokens; ++i) reader.read(compute);
                   }) /
                   static_cast<double>(tokens));
    generated.push_back(seconds_of([&] {
                          for (int64_t i = 0; i < tokens; ++i) generator.feed(static_cast<uint32_t>(i));
                        }) /
                        static_cast<double>(tokens));
    ratios.push_back(read.back() / generated.back());
  }
  const auto best = [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); };
  fmt::print("{}, {} kernels, {} threads: `{}`, {:.1f} MB of weights a token\n", inspect_machine().processor,
             vector_target(), threads, preset.name, bytes / 1e6);
  fmt::print(
      "reading: {:.1f} GB/s at best, {:.1f} median; generation: {:.0f} tokens/s at best, {:.0f} median\n",
      bytes / best(read) / 1e9, bytes / median(read) / 1e9, 1 / best(generated), 1 / median(generated));
  fmt::print("share of reading: {:.2f} best by best, {:.2f} median of pairs\n", best(read) / best(generated),
             median(ratios));
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16})
    run_batch(compute, config, layout, parameters.data(), precision, rounds);
}

}  // namespace
}  // namespace pretrain

int main(int argc, char** argv) {
  using namespace pretrain;
  const auto preset = find_preset(argc > 1 ? argv[1] : "base");
  if (!preset) {
    fmt::print(stderr, "no such preset\n");
    return 2;
  }
  run(*preset, argc > 2 ? std::atoi(argv[2]) : inspect_machine().cores, argc > 3 ? std::atoi(argv[3]) : 15);
  return 0;
}
