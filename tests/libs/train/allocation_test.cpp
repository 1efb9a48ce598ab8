// SPDX-License-Identifier: Apache-2.0
// What a training run takes from the heap: what was planned before the first step, and then nothing.

#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "libs/model/initialization.h"
#include "libs/model/memory_plan.h"
#include "libs/optim/optimizer_set.h"
#include "libs/train/slot_plan.h"
#include "libs/train/step.h"
#include "tests/libs/train/train_testing.h"
#include "tests/support/allocations/allocations.h"
#include "tests/support/sgd.h"
#include "tests/support/threads.h"

namespace pretrain {
namespace {

using test::allocations_so_far;

/// Where a pointer goes so that the compiler can't do without the allocation.
void* volatile sink;

template <typename Action>
uint64_t calls_in(const Action& action) {
  const uint64_t before = allocations_so_far().calls;
  action();
  return allocations_so_far().calls - before;
}

class Allocations : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::kAllocationsAreCounted) GTEST_SKIP() << "sanitizers replace the functions that are counted";
  }
};

TEST_F(Allocations, AreCountedWhateverTheirKind) {
  const auto counts = [](const auto& allocate) {
    void* block = nullptr;
    const uint64_t calls = calls_in([&] { sink = block = allocate(); });
    std::free(block);
    return calls == 1;
  };
  EXPECT_TRUE(counts([] { return std::malloc(10); }));
  EXPECT_TRUE(counts([] { return std::calloc(10, 10); }));
  EXPECT_TRUE(counts([] { return std::realloc(nullptr, 10); }));
  EXPECT_TRUE(counts([] { return std::aligned_alloc(64, 128); }));
  EXPECT_TRUE(counts([] {
    void* block = nullptr;
    return posix_memalign(&block, 64, 100) == 0 ? block : nullptr;
  }));
  EXPECT_EQ(calls_in([] { sink = std::make_unique<int>(1).get(); }), 1U);
  EXPECT_EQ(calls_in([] { sink = std::vector<double>(3).data(); }), 1U);
  EXPECT_EQ(calls_in([] { sink = Buffer<float>(5'000'000).data(); }), 1U);
  EXPECT_EQ(calls_in([] {
              void* pages = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              munmap(pages, 4096);
            }),
            1U);
  EXPECT_EQ(calls_in([] {}), 0U);
}

TEST_F(Allocations, AreCountedOnTheThreadsThatCompute) {
  Compute compute(2);
  EXPECT_GE(calls_in([&] { compute.parallel_for(7, [](size_t) { sink = std::make_unique<int>(1).get(); }); }),
            7U);
}

using OptimizersOf = std::function<Optimizers(const ParameterLayout&)>;

Optimizers default_optimizers(const ParameterLayout& layout) {
  return make_optimizers(layout, {});
}

/// A model with all that a step of it needs.
struct Training {
  Training(int threads, const ModelConfig& config, int64_t micro_rows,
           Recompute recompute = Recompute::kCheap, Precision precision = Precision::kFloat32,
           const OptimizersOf& optimizers_of = default_optimizers, uint32_t slots = 1)
      : compute(threads),
        model(compute, {config, micro_rows, true, recompute, precision}),
        parameters(model.layout().flat_size()),
        optimizer(compute, model.layout(), optimizers_of(model.layout())),
        pass(compute, model, slots) {}

  void start() {
    initialize_parameters(compute, model.layout(), 1, parameters.data());
    model.use_parameters(parameters.data());
  }
  void step(const std::vector<Batch>& batches) {
    const StepResult result = pass.run(batches);
    ASSERT_TRUE(result.finite);
    optimizer.update({.learning_rate = 1e-3, .gradient_scale = clipping_scale(result.gradient_norm, 1)},
                     pass.gradients(), parameters.data());
    model.use_parameters(parameters.data());
  }

  Compute compute;
  Transformer model;
  Buffer<float> parameters;
  OptimizerSet optimizer;
  GradientPass pass;
};

TEST_F(Allocations, DoNotHappenInASteadyStep) {
  const test::MoreThreads more_threads;
  // Several tiles of each product, chunks of logits, and blocks of attention; a padded last micro-batch.
  const ModelConfig config{
      .layers = 2, .d_model = 96, .heads = 4, .d_ff = 200, .vocabulary = 700, .context = 130};
  const std::vector<Batch> batches{test::random_batch(config, 5, 1), test::random_batch(config, 3, 2)};
  for (const auto& [threads, precision] :
       {std::pair{1, Precision::kFloat32}, {2, Precision::kBf16}, {5, Precision::kFloat32}}) {
    SCOPED_TRACE(threads);
    Training training(threads, config, 4, Recompute::kCheap, precision);
    training.start();
    test::on_each_thread(training.compute, [] {});  // so that none of them starts later
    for (int i = 0; i < 3; ++i) training.step(batches);
    EXPECT_EQ(calls_in([&] {
                for (int i = 0; i < 10; ++i) training.step(batches);
              }),
              0U);
  }
}

constexpr int64_t kCharacters = 70;  // of an English text

TEST_F(Allocations, AreWhatTheMemoryPlanSaysForEveryPreset) {
  constexpr size_t kMostParameters = 50'000'000;  // larger ones take gigabytes
  for (const Preset& preset : presets()) {
    const ModelConfig config = model_config(preset, kCharacters);
    if (ParameterLayout(config).parameter_count() > kMostParameters) continue;
    const int64_t micro_rows = micro_batch_rows(preset.batch, preset.context, 2048);
    for (const auto& [recompute, precision] : {std::pair{Recompute::kNone, Precision::kFloat32},
                                               {Recompute::kCheap, Precision::kFloat32},
                                               {Recompute::kCheap, Precision::kBf16},
                                               {Recompute::kLayers, Precision::kFloat32},
                                               {Recompute::kLayers, Precision::kBf16}}) {
      SCOPED_TRACE(testing::Message()
                   << preset.name << " " << static_cast<int>(recompute) << " " << precision_name(precision));
      const uint64_t optimizer = optimizer_memory_bytes(default_optimizers(ParameterLayout(config)), 3);
      // Tables of rotary positions are planned, and are no buffers.
      const uint64_t tables =
          config.rope_theta == 0 ? 0
                                 : static_cast<uint64_t>(config.context * config.head_size()) * sizeof(float);
      const uint64_t before = allocations_so_far().aligned_bytes;
      const Training training(3, config, micro_rows, recompute, precision);
      EXPECT_EQ(allocations_so_far().aligned_bytes - before + tables,
                plan_memory({config, micro_rows, true, recompute, precision}, 3, optimizer).total());
    }
  }
}

TEST_F(Allocations, AreWhatTheMemoryPlanSaysForSlots) {
  const test::MoreThreads more_threads;
  const ModelConfig config = test::tiny_model();
  const uint64_t optimizer = optimizer_memory_bytes(default_optimizers(ParameterLayout(config)), 2);
  for (const uint32_t slots : {1U, 2U, 3U, 4U, 7U, 8U}) {
    SCOPED_TRACE(slots);
    const uint64_t before = allocations_so_far().aligned_bytes;
    Training training(2, config, 1, Recompute::kCheap, Precision::kFloat32, default_optimizers, slots);
    EXPECT_EQ(allocations_so_far().aligned_bytes - before,
              plan_memory({config, 1}, 2, optimizer, sums_at_once(slots)).total());
    training.start();
    const std::vector<Batch> batches{test::random_batch(config, 8, 1)};
    test::on_each_thread(training.compute, [] {});
    for (int i = 0; i < 3; ++i) training.step(batches);
    EXPECT_EQ(calls_in([&] { training.step(batches); }), 0U);
  }
}

/// Its scratch memory is that of the largest matrix, or of a smaller one for each thread.
TEST_F(Allocations, AreWhatTheMemoryPlanSaysForMuon) {
  const test::MoreThreads more_threads;
  const auto muon = [](const ParameterLayout& layout) {
    return make_optimizers(layout, {.kind = OptimizerKind::kMuon});
  };
  for (const char* name : {"base", "prototype", "shakespeare", "tiny"}) {
    const ModelConfig config = model_config(*find_preset(name), kCharacters);
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(testing::Message() << name << ", threads " << threads);
      const uint64_t optimizer = optimizer_memory_bytes(muon(ParameterLayout(config)), threads);
      const uint64_t before = allocations_so_far().aligned_bytes;
      const Training training(threads, config, 4, Recompute::kCheap, Precision::kFloat32, muon);
      EXPECT_EQ(allocations_so_far().aligned_bytes - before,
                plan_memory({config, 4}, threads, optimizer).total());
    }
  }
}

TEST_F(Allocations, DoNotHappenInASteadyStepOfMuon) {
  const test::MoreThreads more_threads;
  const ModelConfig config{
      .layers = 2, .d_model = 96, .heads = 4, .d_ff = 2000, .vocabulary = 70, .context = 30};
  const std::vector<Batch> batches{test::random_batch(config, 4, 1)};
  for (const int threads : {1, 3}) {
    Training training(threads, config, 4, Recompute::kCheap, Precision::kFloat32,
                      [](const ParameterLayout& layout) {
                        return make_optimizers(layout, {.kind = OptimizerKind::kMuon});
                      });
    training.start();
    test::on_each_thread(training.compute, [] {});
    for (int i = 0; i < 3; ++i) training.step(batches);
    EXPECT_EQ(calls_in([&] {
                for (int i = 0; i < 5; ++i) training.step(batches);
              }),
              0U);
  }
}

TEST_F(Allocations, AreWhatTheMemoryPlanSaysForOtherOptimizers) {
  const test::MoreThreads more_threads;
  const ModelConfig config = test::tiny_model();
  for (const float momentum : {0.0F, 0.5F}) {
    const auto optimizers = [&](const ParameterLayout& layout) {
      return test::sgd_and_adamw(layout, momentum);
    };
    const uint64_t optimizer = optimizer_memory_bytes(optimizers(ParameterLayout(config)), 2);
    const uint64_t before = allocations_so_far().aligned_bytes;
    Training training(2, config, 4, Recompute::kCheap, Precision::kFloat32, optimizers);
    EXPECT_EQ(allocations_so_far().aligned_bytes - before, plan_memory({config, 4}, 2, optimizer).total());
    EXPECT_LT(optimizer, optimizer_memory_bytes(default_optimizers(ParameterLayout(config)), 2));
    training.start();
    const std::vector<Batch> batches{test::random_batch(config, 4, 1)};
    test::on_each_thread(training.compute, [] {});
    for (int i = 0; i < 3; ++i) training.step(batches);
    EXPECT_EQ(calls_in([&] { training.step(batches); }), 0U);
  }
}

TEST_F(Allocations, OfASteadyStepAreNoticed) {
  Training training(2, test::tiny_model(), 4);
  training.start();
  const std::vector<Batch> batches{test::random_batch(test::tiny_model(), 4, 1)};
  training.step(batches);
  training.model.set_probe([](std::string_view name, std::span<float> values) {
    if (name == "dqkv") sink = std::vector<float>(values.begin(), values.end()).data();
  });
  EXPECT_EQ(calls_in([&] { training.step(batches); }), 1U);
}

}  // namespace
}  // namespace pretrain
