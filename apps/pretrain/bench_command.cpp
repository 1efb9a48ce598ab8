// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tbb/global_control.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/bench_kernels.h"
#include "apps/pretrain/bench_report.h"
#include "apps/pretrain/bench_step.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/corpus_arguments.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/model/architecture.h"
#include "libs/tensor/peak.h"

namespace pretrain {
namespace {

/// The machine's peak rates: the highest values measured in this process.
struct Machine {
  Compute& compute;
  Precision precision;
  Buffer<float> memory{size_t{64} * 1024 * 1024};  // 256 MiB, more than most caches hold
  double peak = 0;                                 // FLOP/s
  Bandwidth bandwidth = {};

  /// Measures both again and returns the mean multiply-add rate of this measurement.
  double look(std::chrono::milliseconds duration, bool with_memory) {
    const FmaRate now = measure_fma_rate(compute, duration, precision);
    peak = std::max(peak, now.best);
    if (!with_memory) return now.mean;
    const Bandwidth moved = measure_bandwidth(compute, memory, duration);
    bandwidth = {std::max(bandwidth.read, moved.read), std::max(bandwidth.copy, moved.copy)};
    return now.mean;
  }
};

/// Checks a kernel's answer, then times it.
/// Errors: kRuntime when the answer is wrong.
nlohmann::json measure_kernel(Machine& machine, const BenchCase& bench_case) {
  const BenchKernel kernel = bench_case.make();
  const double deviation = kernel.check();
  if (!(deviation <= 1)) {
    fail(ErrorKind::kRuntime,
         "kernel {} is wrong: its error is {:.3g} times the rounding bound; don't train with this build on "
         "this processor",
         bench_case.name, deviation);
  }
  std::vector<double> seconds, shares;
  for (int i = 0; i < 7; ++i) {
    const double peak = machine.look(kShortLook, false);
    seconds.push_back(seconds_of(kernel.run));
    shares.push_back(kernel.operations / seconds.back() / peak);
  }
  machine.look(kShortLook, true);
  return {{"name", bench_case.name},
          {"seconds", median(seconds)},
          {"fastest_seconds", *std::ranges::min_element(seconds)},
          {"flops", kernel.operations / median(seconds)},
          {"of_rate_then", median(shares)},
          {"bytes", kernel.bytes},
          {"bytes_per_second", kernel.bytes / median(seconds)},
          {"deviation", deviation}};
}

void add_utilization(nlohmann::json& step, double peak) {
  step["flops_utilization"] = step["operations"].get<double>() / step["step_seconds"].get<double>() / peak;
}

/// Measures a step and all kernels. The step comes first, so that its peak memory is not hidden by the
/// kernels' operands.
void measure_all(Compute& compute, const BenchModel& b, int steps, bool scaling, const StopSignal& stop,
                 nlohmann::json& report) {
  report["products"] = report["kernels"] = nlohmann::json::array();
  report["step"] = measure_step(compute, b, steps, stop);
  if (scaling) report["scaling"] = measure_scaling(compute, b, steps, stop);
  Machine machine{
      .compute = compute, .precision = b.precision, .peak = report["step"]["peak_flops"].get<double>()};
  std::ranges::fill(machine.memory.span(), 1.0F);
  machine.look(10 * kShortLook, true);
  const int64_t M = b.micro_rows() * b.config.context;
  for (const BenchCase& bench_case : bench_cases(compute, b.config, M, b.precision)) {
    if (stop.requested()) throw Stopped();
    report[bench_case.product ? "products" : "kernels"].push_back(measure_kernel(machine, bench_case));
  }
  report["peak_flops"] = machine.peak;
  report["bandwidth"] = {{"read", machine.bandwidth.read}, {"copy", machine.bandwidth.copy}};
  add_utilization(report["step"], machine.peak);
}

void measure_sizes(Compute& compute, const BenchModel& b, int steps, const StopSignal& stop,
                   nlohmann::json& report) {
  report["sweep"] = measure_sweep(compute, b, steps, stop);
  Machine machine{.compute = compute, .precision = b.precision};
  for (const auto& row : report["sweep"])
    machine.peak = std::max(machine.peak, row["peak_flops"].get<double>());
  std::ranges::fill(machine.memory.span(), 1.0F);
  machine.look(10 * kShortLook, true);
  report["peak_flops"] = machine.peak;
  report["bandwidth"] = {{"read", machine.bandwidth.read}, {"copy", machine.bandwidth.copy}};
  for (auto& row : report["sweep"]) add_utilization(row, machine.peak);
}

/// The same sizes in another architecture; what a model chooses there is kept where the other has the choice.
ModelConfig with_architecture(ModelConfig config, const Architecture& architecture) {
  config.architecture = &architecture;
  if (!architecture.choices) {
    const ModelConfig fixed;
    config.kv_heads = fixed.kv_heads;
    config.head_channels = fixed.head_channels;
    config.tied = fixed.tied;
  }
  config.rope_theta = config.norm_epsilon = 0;
  complete_choices(config);
  return config;
}

/// Compares the architectures at the sizes of `b`.
void measure_each_architecture(Compute& compute, const BenchModel& b, int steps, const StopSignal& stop,
                               nlohmann::json& report) {
  std::vector<BenchModel> models;
  for (const Architecture* architecture : architectures())
    models.push_back({with_architecture(b.config, *architecture), b.batch_rows, b.precision, b.optimizer});
  report["architectures"] = measure_architectures(compute, models, steps, stop);
  double peak = 0;
  for (const auto& row : report["architectures"]) peak = std::max(peak, row["peak_flops"].get<double>());
  report["peak_flops"] = peak;
  for (auto& row : report["architectures"]) add_utilization(row, peak);
}

struct BenchRequest {
  std::string model = "base";
  std::string architecture;
  std::string precision = "auto";
  OptimizerKind optimizer = OptimizerKind::kAdamW;
  int threads = 0;
  int steps = 5;
  bool scaling = false, sweep = false, each_architecture = false, json = false;
};

constexpr CommandSyntax kSyntax{
    .name = "bench",
    .usage =
        "pretrain bench [--model NAME] [--arch NAME] [--scaling|--sweep|--architectures]\n\n"
        "Measures this machine, each kernel and a training step. The result of every\n"
        "kernel is checked first."};

OptionTable<BenchRequest> options() {
  using Request = BenchRequest;
  std::vector<std::string_view> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  std::vector<std::string_view> known;
  for (const Architecture* architecture : architectures()) known.push_back(architecture->name);
  return {{{"model", "preset"}, word_of<Request>(&Request::model, names)},
          {{"arch", "architecture, at the sizes of the preset", "", KeyKind::kChangeable, "set by --model"},
           word_of<Request>(&Request::architecture, known)},
          {{"precision", "number format of matrix products: f32, bf16 or auto"},
           word_of<Request>(&Request::precision, {"auto", "f32", "bf16"})},
          {{"optimizer", "optimizer of the step: adamw or muon"},
           choice_of<Request>(&Request::optimizer, kOptimizers)},
          threads_option<Request>(&Request::threads),
          {{"steps", "steps to measure"}, count_of<Request>(&Request::steps, 1, 1'000'000)},
          {{"scaling", "also measure one thread and estimate the scaling limit"},
           switch_of<Request>(&Request::scaling)},
          {{"sweep", "measure two layers with other widths, contexts, batches and vocabularies instead"},
           switch_of<Request>(&Request::sweep)},
          {{"architectures", "measure steps of all architectures at these sizes instead"},
           switch_of<Request>(&Request::each_architecture)},
          {{"json", "print JSON"}, switch_of<Request>(&Request::json)}};
}

}  // namespace

int bench_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  const auto& [name, arch, precision, optimizer, asked_threads, steps, scaling, sweep, each_architecture,
               json] = *request;
  const int threads = asked_threads > 0 ? asked_threads : inspect_machine().cores;
  if (static_cast<int>(scaling) + static_cast<int>(sweep) + static_cast<int>(each_architecture) > 1)
    fail(ErrorKind::kUsage, "--scaling, --sweep and --architectures can't be combined; use one of them");
  if (each_architecture && !arch.empty())
    fail(ErrorKind::kUsage, "--arch and --architectures can't be combined; use one of them");
  const auto preset = find_preset(name);
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
  Compute compute(threads);
  constexpr int64_t kCharacters = 320;  // 64 characters of English and the byte pieces
  BenchModel b{model_config(*preset, kCharacters), preset->batch, parse_precision(precision), optimizer};
  if (!arch.empty()) b.config = with_architecture(b.config, *find_architecture(arch));
  nlohmann::json report = {{"model", name},
                           {"architecture", b.config.architecture->name},
                           {"threads", compute.threads()},
                           {"processor", inspect_machine().processor},
                           {"vector_target", vector_target()},
                           {"bf16_products", b.precision == Precision::kBf16 ? bf16_products() : "float32"},
                           {"precision", precision_name(b.precision)},
                           {"optimizer", row_of(kOptimizers, optimizer).name}};
  if (sweep) {
    measure_sizes(compute, b, steps, stop, report);
  } else if (each_architecture) {
    measure_each_architecture(compute, b, steps, stop, report);
  } else {
    measure_all(compute, b, steps, scaling, stop, report);
  }
  if (json) {
    fmt::print("{}\n", report.dump(2));
  } else {
    print_bench_report(report);
  }
  return 0;
}

}  // namespace pretrain
