// SPDX-License-Identifier: Apache-2.0
// Predicted and measured memory of training, for each preset, precision and kind of recomputation, as a
// Markdown table: memory_bench [STEPS [PRESET...]]. Each run has a process of its own; resident memory is its
// highest while it trains, less what the program took before; 2 MB of the prediction are for threads and
// code.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/pretrain/bench_kernels.h"
#include "libs/base/machine.h"
#include "libs/model/initialization.h"
#include "libs/model/memory_plan.h"
#include "libs/optim/optimizer_set.h"
#include "libs/train/step.h"

namespace pretrain {
namespace {

constexpr int64_t kMicroBatchTokens = 2048;
constexpr int kThreads = 2;
constexpr uint64_t kProgram = 2'000'000;  // stacks of threads, oneTBB's pool, pages of code

struct Mode {
  Recompute recompute;
  const char* name;
  Precision precision = Precision::kFloat32;
};
constexpr Mode kModes[] = {{Recompute::kNone, "none"},
                           {Recompute::kCheap, "cheap"},
                           {Recompute::kLayers, "layers"},
                           {Recompute::kNone, "none", Precision::kBf16},
                           {Recompute::kCheap, "cheap", Precision::kBf16},
                           {Recompute::kLayers, "layers", Precision::kBf16}};

constexpr int64_t kCharacters = 70;  // of English text

/// Seconds of the fastest step.
double train(const ModelConfig& config, const PassShape& shape, int64_t rows, int steps) {
  Compute compute(kThreads);
  Transformer model(compute, shape);
  Buffer<float> parameters(model.layout().flat_size());
  initialize_parameters(compute, model.layout(), 1, parameters.data());
  const OptimizerOptions options;
  OptimizerSet optimizer(compute, model.layout(), make_optimizers(model.layout(), options));
  GradientPass pass(compute, model);
  model.use_parameters(parameters.data());
  const std::vector<Batch> batches{random_batch(config, rows)};
  double fastest = 1e9;
  for (int i = 0; i < steps; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const StepResult result = pass.run(batches);
    optimizer.update({.learning_rate = 1e-4,
                      .gradient_scale = clipping_scale(result.gradient_norm, options.gradient_clip)},
                     pass.gradients(), parameters.data());
    model.use_parameters(parameters.data());
    fastest =
        std::min(fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return fastest;
}

void measure(const Preset& preset, const Mode& mode, int steps) {
  const ModelConfig config = model_config(preset, kCharacters);
  const PassShape shape{config, micro_batch_rows(preset.batch, preset.context, kMicroBatchTokens), true,
                        mode.recompute, mode.precision};
  const MemoryPlan plan = plan_memory(
      shape, kThreads, optimizer_memory_bytes(make_optimizers(ParameterLayout(config), {}), kThreads));
  const uint64_t before = resident_bytes();
  const double seconds = train(config, shape, preset.batch, steps);
  const uint64_t measured = peak_resident_bytes() - before;
  const auto mb = [](uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  const double planned = mb(plan.total() + kProgram);
  fmt::print(
      "| `{}` | {} | {} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:+.1f} % | {:.1f} |\n",
      preset.name, precision_name(mode.precision), mode.name, mb(plan.parameters + plan.optimizer),
      mb(plan.packed), mb(plan.activations), mb(plan.scratch), planned, mb(measured),
      100 * (mb(measured) / planned - 1), 1e3 * seconds);
}

/// False when the process failed.
bool in_own_process(const auto& work) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    work();
    std::fflush(stdout);
    _exit(0);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace
}  // namespace pretrain

int main(int argc, char** argv) {
  using namespace pretrain;
  const int steps = argc > 1 ? std::atoi(argv[1]) : 2;
  const std::vector<std::string> chosen(argv + std::min(argc, 2), argv + argc);
  fmt::print(
      "| preset | precision | recompute | parameters MB | packed | activations | scratch | planned | "
      "measured | off by | "
      "ms "
      "a step |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  bool ok = true;
  for (const Preset& preset : presets()) {
    if (!chosen.empty() && std::find(chosen.begin(), chosen.end(), preset.name) == chosen.end()) continue;
    for (const Mode& mode : kModes) {
      ok = in_own_process([&] { measure(preset, mode, steps); }) && ok;
    }
  }
  return ok ? 0 : 1;
}
