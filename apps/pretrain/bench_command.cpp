#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tbb/global_control.h>

#include "apps/pretrain/bench_kernels.h"
#include "apps/pretrain/command_line.h"
#include "apps/pretrain/commands.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/model/initialization.h"
#include "libs/model/memory_plan.h"
#include "libs/tensor/peak.h"
#include "libs/train/step.h"

namespace pretrain {
namespace {

namespace po = boost::program_options;
using Clock = std::chrono::steady_clock;

constexpr int64_t kMicroBatchTokens = 2048;

double seconds_of(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

constexpr std::chrono::milliseconds kShort{20};

/// What the machine does at best; the highest values seen in this process count.
struct Machine {
  Compute& compute;
  Precision precision;
  Buffer<float> memory{64 * 1024 * 1024};  // 256 MiB, more than most caches hold
  double peak = 0;                         // FLOP/s
  Bandwidth bandwidth = {};

  /// Measures both again; returns the mean multiply-add rate of this moment.
  double look(std::chrono::milliseconds duration, bool with_memory) {
    const FmaRate now = measure_fma_rate(compute, duration, precision);
    peak = std::max(peak, now.best);
    if (!with_memory) return now.mean;
    const Bandwidth moved = measure_bandwidth(compute, memory, duration);
    bandwidth = {std::max(bandwidth.read, moved.read), std::max(bandwidth.copy, moved.copy)};
    return now.mean;
  }
};

/// Checks a kernel's answer, then times it. Errors: kRuntime when the answer is wrong.
nlohmann::json measure_kernel(Machine& machine, const BenchCase& bench_case) {
  const BenchKernel kernel = bench_case.make();
  const double deviation = kernel.check();
  if (!(deviation <= 1)) {
    fail(ErrorKind::kRuntime,
         "kernel {} is wrong: {:.3g} times what rounding allows; this build or processor can't be "
         "trusted to train",
         bench_case.name, deviation);
  }
  std::vector<double> seconds, shares;
  for (int i = 0; i < 7; ++i) {
    const double peak = machine.look(kShort, false);
    seconds.push_back(seconds_of(kernel.run));
    shares.push_back(kernel.operations / seconds.back() / peak);
  }
  machine.look(kShort, true);
  return {{"name", bench_case.name},
          {"seconds", median(seconds)},
          {"fastest_seconds", *std::ranges::min_element(seconds)},
          {"flops", kernel.operations / median(seconds)},
          {"of_rate_then", median(shares)},
          {"bytes", kernel.bytes},
          {"bytes_per_second", kernel.bytes / median(seconds)},
          {"deviation", deviation}};
}

/// What is measured.
struct BenchModel {
  ModelConfig config;
  int64_t batch_rows;
  Precision precision;

  int64_t micro_rows() const { return micro_batch_rows(batch_rows, config.context, kMicroBatchTokens); }
};

/// A model with all that a step needs.
class StepBench {
 public:
  StepBench(Compute& compute, const BenchModel& b)
      : compute_(compute),
        model_(compute, {.config = b.config, .rows = b.micro_rows(), .precision = b.precision}),
        parameters_(model_.layout().flat_size()),
        gradients_(model_.layout().flat_size()),
        optimizer_(compute, model_.layout(), {}),
        pass_(model_, optimizer_),
        batches_{random_batch(b.config, b.batch_rows)} {
    std::fill_n(gradients_.data(), gradients_.size(), 0.0F);
    initialize_parameters(compute, model_.layout(), 1, parameters_.data());
    model_.use_parameters(parameters_.data());
    run();  // the first step touches all memory
  }

  struct Seconds {
    double all = 0, update = 0;
    PassSeconds pass;
  };
  Seconds run() {
    Seconds seconds;
    model_.take_seconds();
    seconds.all = seconds_of([&] {
      const StepResult result = pass_.run(batches_, gradients_.data());
      seconds.update = seconds_of([&] {
        optimizer_.update(1e-4, result.gradient_norm, gradients_.data(), parameters_.data());
        model_.use_parameters(parameters_.data());
      });
    });
    seconds.pass = model_.take_seconds();
    return seconds;
  }

  std::vector<ParallelLoop> loops() {
    std::vector<ParallelLoop> loops;
    compute_.record_loops(&loops);
    run();
    compute_.record_loops(nullptr);
    return loops;
  }

 private:
  Compute& compute_;
  Transformer model_;
  Buffer<float> parameters_, gradients_;
  AdamW optimizer_;
  GradientPass pass_;
  std::vector<Batch> batches_;
};

nlohmann::json measure_step(Compute& compute, const BenchModel& b, int steps, const StopSignal& stop) {
  StepBench bench(compute, b);
  const auto tokens = static_cast<double>(b.batch_rows * b.config.context);
  std::vector<double> step, forward, backward, loss, update, shares;
  double peak = 0;
  const double operations = tokens * flops_per_token(b.config);
  const auto rate_now = [&] {
    const FmaRate rate = measure_fma_rate(compute, 4 * kShort, b.precision);
    peak = std::max(peak, rate.best);
    return rate.mean;
  };
  double before = rate_now();
  for (int i = 0; i < steps; ++i) {
    if (stop.requested()) throw Stopped();
    const StepBench::Seconds seconds = bench.run();
    const double after = rate_now();
    step.push_back(seconds.all), update.push_back(seconds.update), loss.push_back(seconds.pass.loss);
    forward.push_back(seconds.pass.forward), backward.push_back(seconds.pass.backward);
    shares.push_back(operations / seconds.all / ((before + after) / 2));
    before = after;
  }
  return {{"step_seconds", median(step)},
          {"fastest_step_seconds", *std::ranges::min_element(step)},
          {"slowest_step_seconds", *std::ranges::max_element(step)},
          {"forward_seconds", median(forward)},
          {"backward_seconds", median(backward)},
          {"loss_seconds", median(loss)},
          {"optimizer_seconds", median(update)},
          {"tokens_per_second", tokens / median(step)},
          {"peak_flops", peak},
          {"operations", operations},
          {"flops_utilization_then", median(shares)},
          {"peak_resident_bytes", peak_resident_bytes()}};
}

/// What more threads could bring at best, from one step on one thread: what runs outside parallel loops
/// stays, and a loop of n pieces takes as long as ceil(n / threads) of them.
nlohmann::json scaling_bound(std::vector<ParallelLoop> loops, double step_seconds) {
  double parallel = 0;
  for (const ParallelLoop& loop : loops) parallel += loop.seconds;
  const double serial = std::max(0.0, step_seconds - parallel);
  nlohmann::json bounds = nlohmann::json::array();
  for (const size_t threads : {2, 8, 16, 32}) {
    double seconds = serial;
    for (const ParallelLoop& loop : loops) {
      const size_t rounds = (loop.count + threads - 1) / threads;
      seconds += loop.seconds * static_cast<double>(rounds) / static_cast<double>(loop.count);
    }
    bounds.push_back({{"threads", threads}, {"speedup", step_seconds / seconds}});
  }
  return {{"serial_share", serial / step_seconds}, {"bounds", bounds}};
}

/// One thread against all, by turns in one process.
nlohmann::json measure_scaling(Compute& all, const BenchModel& b, int steps, const StopSignal& stop) {
  Compute one(1);
  StepBench alone(one, b);
  StepBench together(all, b);
  std::vector<double> ratios;
  for (int i = 0; i < steps; ++i) {
    if (stop.requested()) throw Stopped();
    const double before = together.run().all;
    const double single = alone.run().all;
    ratios.push_back(2 * single / (before + together.run().all));
  }
  const auto start = Clock::now();
  const std::vector<ParallelLoop> loops = alone.loops();
  nlohmann::json report = scaling_bound(loops, std::chrono::duration<double>(Clock::now() - start).count());
  report["threads"] = all.threads();
  report["speedup"] = median(ratios);
  return report;
}

void print_products(const nlohmann::json& report) {
  const double peak = report["peak_flops"].get<double>();
  fmt::print("{:42} {:>10} {:>10} {:>12}\n", "product  M x N x K", "GFLOP/s", "of peak", "of rate then");
  for (const auto& p : report["products"]) {
    fmt::print("{:42} {:>10.1f} {:>9.0f}% {:>11.0f}%\n", p["name"].get<std::string>(),
               p["flops"].get<double>() / 1e9, 100 * p["flops"].get<double>() / peak,
               100 * p["of_rate_then"].get<double>());
  }
}

void print_kernels(const nlohmann::json& report) {
  const double read = report["bandwidth"]["read"].get<double>();
  fmt::print("\n{:42} {:>8} {:>10} {:>10} {:>13} {:>12}\n", "kernel", "ms", "MB", "GB/s", "of bandwidth",
             "of rate then");
  for (const auto& k : report["kernels"]) {
    const double flops = k["flops"].get<double>();
    fmt::print("{:42} {:>8.2f} {:>10.1f} {:>10.1f} {:>12.0f}% {:>12}\n", k["name"].get<std::string>(),
               1e3 * k["seconds"].get<double>(), k["bytes"].get<double>() / 1e6,
               k["bytes_per_second"].get<double>() / 1e9, 100 * k["bytes_per_second"].get<double>() / read,
               flops > 0 ? fmt::format("{:.0f}%", 100 * k["of_rate_then"].get<double>()) : "");
  }
}

void print_step(const nlohmann::json& report) {
  const auto& s = report["step"];
  const auto ms = [&](const char* key) { return 1e3 * s[key].get<double>(); };
  fmt::print(
      "\nstep of {}: {:.1f} ms ({:.1f} to {:.1f}): forward {:.1f}, backward {:.1f} (loss {:.1f} of both), "
      "optimizer {:.1f}\n",
      report["model"].get<std::string>(), ms("step_seconds"), ms("fastest_step_seconds"),
      ms("slowest_step_seconds"), ms("forward_seconds"), ms("backward_seconds"), ms("loss_seconds"),
      ms("optimizer_seconds"));
  fmt::print(
      "{:.0f} tokens/s, utilisation {:.1f} % of the peak ({:.1f} % of the multiply-add rate right before and "
      "after each step), {:.0f} MB resident at most\n",
      s["tokens_per_second"].get<double>(), 100 * s["flops_utilization"].get<double>(),
      100 * s["flops_utilization_then"].get<double>(), s["peak_resident_bytes"].get<double>() / 1e6);
}

void print_scaling(const nlohmann::json& report) {
  const auto& s = report["scaling"];
  fmt::print(
      "\n{} threads are {:.2f} times as fast as one; {:.2f} % of a step on one thread runs outside parallel "
      "loops\nbound by that and by the number of pieces of each loop:",
      s["threads"].get<int>(), s["speedup"].get<double>(), 100 * s["serial_share"].get<double>());
  for (const auto& bound : s["bounds"])
    fmt::print(" {:.1f} times with {} threads;", bound["speedup"].get<double>(), bound["threads"].get<int>());
  fmt::print("\n");
}

void print_report(const nlohmann::json& report) {
  fmt::print(
      "{}\n{} threads, {} kernels\npeak: {:.1f} GFLOP/s {} (register-only multiply-add, all threads)\n"
      "memory: {:.1f} GB/s read, {:.1f} GB/s copied\n\"then\" compares with the mean multiply-add rate "
      "measured around each run\n\n",
      report["processor"].get<std::string>(), report["threads"].get<int>(),
      report["vector_target"].get<std::string>(), report["peak_flops"].get<double>() / 1e9,
      report["precision"].get<std::string>(), report["bandwidth"]["read"].get<double>() / 1e9,
      report["bandwidth"]["copy"].get<double>() / 1e9);
  print_products(report);
  print_kernels(report);
  print_step(report);
  if (report.contains("scaling")) print_scaling(report);
}

/// Everything that was asked for; the step first, so that its memory is not hidden by that of the others.
nlohmann::json measure(Compute& compute, const BenchModel& b, int steps, bool scaling,
                       const StopSignal& stop) {
  nlohmann::json report = {{"threads", compute.threads()},        {"processor", inspect_machine().processor},
                           {"vector_target", vector_target()},    {"precision", precision_name(b.precision)},
                           {"products", nlohmann::json::array()}, {"kernels", nlohmann::json::array()}};
  report["step"] = measure_step(compute, b, steps, stop);
  if (scaling) report["scaling"] = measure_scaling(compute, b, steps, stop);
  Machine machine{
      .compute = compute, .precision = b.precision, .peak = report["step"]["peak_flops"].get<double>()};
  std::ranges::fill(machine.memory.span(), 1.0F);
  machine.look(10 * kShort, true);
  const int64_t M = b.micro_rows() * b.config.context;
  for (const BenchCase& bench_case : bench_cases(compute, b.config, M, b.precision)) {
    if (stop.requested()) throw Stopped();
    report[bench_case.product ? "products" : "kernels"].push_back(measure_kernel(machine, bench_case));
  }
  report["peak_flops"] = machine.peak;
  report["bandwidth"] = {{"read", machine.bandwidth.read}, {"copy", machine.bandwidth.copy}};
  auto& step = report["step"];
  step["flops_utilization"] =
      step["operations"].get<double>() / step["step_seconds"].get<double>() / machine.peak;
  return report;
}

Precision precision_of(const std::string& text) {
  if (text == "auto") return fastest_precision();
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    if (text == precision_name(precision)) return precision;
  }
  fail(ErrorKind::kUsage, "--precision {}: auto, f32 or bf16 is needed", text);
}

}  // namespace

int bench_command(const Arguments& arguments, StopSignal& stop) {
  std::string name = "base";
  std::string precision = "auto";
  int threads = inspect_machine().cores;
  int steps = 5;
  bool json = false;
  bool scaling = false;
  po::options_description options;
  options.add_options()("model", po::value(&name)->default_value(name), "preset")(
      "precision", po::value(&precision)->default_value(precision),
      "operands of products: f32, bf16 or auto")("threads", po::value(&threads)->default_value(threads),
                                                 "training threads")(
      "steps", po::value(&steps)->default_value(steps), "steps to measure")(
      "scaling", po::bool_switch(&scaling), "compare with one thread, and say what would bound more")(
      "json", po::bool_switch(&json), "print JSON");
  if (!parse_command_line(
          arguments, options,
          "pretrain bench [--model NAME] [--scaling] [--json]\nMeasures this machine, each kernel "
          "and a training step. Every kernel's answer is checked first."))
    return 0;
  const auto preset = find_preset(name);
  if (!preset) fail(ErrorKind::kUsage, "--model {}: no such preset", name);
  if (threads < 1 || threads > 1024 || steps < 1)
    fail(ErrorKind::kUsage, "--threads and --steps must be at least 1");
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
  Compute compute(threads);
  constexpr int64_t kCharacters = 320;  // 64 characters of English and the byte pieces
  const BenchModel b{model_config(*preset, kCharacters), preset->batch, precision_of(precision)};
  nlohmann::json report = measure(compute, b, steps, scaling, stop);
  report["model"] = name;
  if (json) {
    fmt::print("{}\n", report.dump(2));
  } else {
    print_report(report);
  }
  return 0;
}

}  // namespace pretrain
