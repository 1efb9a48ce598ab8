// SPDX-License-Identifier: Apache-2.0
// The kernels of a training step at the sizes of a preset, one benchmark each, on --threads threads.
// Usage: kernel_bench [--model=NAME] [--threads=N] [--precision=f32|bf16] [--benchmark_filter=...]

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

#include "apps/pretrain/bench_kernels.h"
#include "libs/base/machine.h"
#include "libs/model/memory_plan.h"

namespace {

using namespace pretrain;

/// Takes --NAME=VALUE out of the arguments.
std::string take_option(int& argc, char** argv, std::string_view name, std::string value) {
  const std::string start = "--" + std::string(name) + "=";
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.starts_with(start)) {
      value = word.substr(start.size());
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return value;
}

void run_kernel(benchmark::State& state, const BenchCase& bench_case) {
  const BenchKernel kernel = bench_case.make();
  if (!(kernel.check() <= 1)) {
    state.SkipWithError("the answer is wrong");
    return;
  }
  for (auto _ : state) kernel.run();
  state.SetBytesProcessed(static_cast<int64_t>(kernel.bytes) * static_cast<int64_t>(state.iterations()));
  if (kernel.operations > 0) {
    state.counters["FLOPS"] = benchmark::Counter(
        kernel.operations, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::OneK::kIs1000);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = take_option(argc, argv, "model", "base");
  const int threads =
      std::atoi(take_option(argc, argv, "threads", std::to_string(inspect_machine().cores)).c_str());
  const auto preset = find_preset(name);
  const auto precision = find_precision(take_option(argc, argv, "precision", "f32"));
  if (!preset || threads < 1 || !precision) {
    std::fprintf(stderr, "usage: %s [--model=NAME] [--threads=N] [--precision=f32|bf16]\n", argv[0]);
    return 2;
  }
  constexpr int64_t kCharacters = 320;
  const ModelConfig config = model_config(*preset, kCharacters);
  Compute compute(threads);
  const int64_t M = micro_batch_rows(preset->batch, preset->context, 2048) * preset->context;
  const std::vector<BenchCase> cases = bench_cases(compute, config, M, *precision);
  for (const BenchCase& bench_case : cases) {
    benchmark::RegisterBenchmark(bench_case.name.c_str(),
                                 [&bench_case](benchmark::State& state) { run_kernel(state, bench_case); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
