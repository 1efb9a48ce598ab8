#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tbb/global_control.h>

#include "apps/pretrain/command_line.h"
#include "apps/pretrain/commands.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/base/rng.h"
#include "libs/model/initialization.h"
#include "libs/model/memory_plan.h"
#include "libs/tensor/peak.h"
#include "libs/train/step.h"

namespace pretrain {
namespace {

namespace po = boost::program_options;
using Clock = std::chrono::steady_clock;

double seconds_of(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// A product of the training step. A weight's gradient multiplies the transposed input with the output's
/// gradient.
struct ProductCase {
  const char* name;
  int64_t M, N, K;
  bool weight_gradient = false;
};

std::vector<ProductCase> product_cases(const ModelConfig& c, int64_t M) {
  const int64_t C = c.d_model;
  const int64_t F = c.d_ff;
  const int64_t rows = head_chunk_rows(M, c.vocabulary);
  return {{"qkv forward", M, 3 * C, C},
          {"qkv input gradient", M, C, 3 * C},
          {"qkv weight gradient", C, 3 * C, M, true},
          {"attention output", M, C, C},
          {"attention weight gradient", C, C, M, true},
          {"mlp up", M, F, C},
          {"mlp up weight gradient", C, F, M, true},
          {"mlp down", M, C, F},
          {"mlp down weight gradient", F, C, M, true},
          {"head forward", rows, c.vocabulary, C},
          {"head input gradient", rows, C, c.vocabulary},
          {"head weight gradient", c.vocabulary, C, rows, true}};
}

/// Median rate of a product over several runs, after its answer was checked against plain sums.
double product_rate(Compute& compute, const ProductCase& s) {
  Buffer<float> a(static_cast<size_t>(s.M * s.K));
  Buffer<float> b(static_cast<size_t>(s.K * s.N));
  Buffer<float> c(static_cast<size_t>(s.M * s.N));
  Rng rng(1);
  for (float& value : a.span()) value = static_cast<float>(rng.uniform() - 0.5);
  for (float& value : b.span()) value = static_cast<float>(rng.uniform() - 0.5);
  PackedMatrix packed(s.K, s.N);
  packed.pack(compute, b.data(), s.N);  // a weight is packed once a step; a gradient, for each product
  const MatrixView view =
      s.weight_gradient ? MatrixView(a.data(), s.M).transposed() : MatrixView(a.data(), s.K);
  const auto run = [&] {
    if (s.weight_gradient) packed.pack(compute, b.data(), s.N);
    product(compute, s.M, view, packed, c.data());
  };
  run();
  const int64_t row = s.M / 2;
  const int64_t column = s.N / 3;
  double expected = 0;
  for (int64_t k = 0; k < s.K; ++k) {
    expected += static_cast<double>(view.data[row * view.row_stride + k * view.column_stride]) *
                static_cast<double>(b[static_cast<size_t>(k * s.N + column)]);
  }
  const double actual = static_cast<double>(c[static_cast<size_t>(row * s.N + column)]);
  if (!(std::abs(actual - expected) < 1e-3 * std::sqrt(static_cast<double>(s.K)))) {
    fail(ErrorKind::kRuntime, "product {} x {} x {} gives {}, expected {}", s.M, s.N, s.K, actual, expected);
  }
  std::vector<double> rates;
  for (int i = 0; i < 7; ++i) {
    rates.push_back(2.0 * static_cast<double>(s.M) * static_cast<double>(s.N) * static_cast<double>(s.K) /
                    seconds_of(run));
  }
  return median(rates);
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

nlohmann::json measure_step(Compute& compute, const ModelConfig& c, int64_t batch_rows, int steps) {
  Transformer model(compute, c, micro_batch_rows(batch_rows, c.context, 2048), true);
  const ParameterLayout& layout = model.layout();
  Buffer<float> parameters(layout.flat_size());
  Buffer<float> gradients(layout.flat_size());
  std::fill_n(gradients.data(), gradients.size(), 0.0F);
  initialize_parameters(compute, layout, 1, parameters.data());
  AdamW optimizer(compute, layout, {});
  GradientPass pass(model, optimizer);
  model.use_parameters(parameters.data());
  const std::vector<Batch> batches{random_batch(c, batch_rows)};
  std::vector<double> step, forward, backward, loss, update, peaks;
  for (int i = 0; i < steps + 1; ++i) {
    peaks.push_back(measure_fma_peak(compute, std::chrono::milliseconds(60)));
    StepResult result;
    double update_seconds = 0;
    const double seconds = seconds_of([&] {
      result = pass.run(batches, gradients.data());
      update_seconds = seconds_of([&] {
        optimizer.update(1e-4, result.gradient_norm, gradients.data(), parameters.data());
        model.use_parameters(parameters.data());
      });
    });
    const PassSeconds split = model.take_seconds();
    if (i == 0) continue;  // the first touches all memory
    step.push_back(seconds), forward.push_back(split.forward), backward.push_back(split.backward);
    loss.push_back(split.loss), update.push_back(update_seconds);
  }
  const double peak = *std::max_element(peaks.begin(), peaks.end());
  const double tokens_per_second = static_cast<double>(batch_rows * c.context) / median(step);
  return {{"step_seconds", median(step)},
          {"fastest_step_seconds", *std::min_element(step.begin(), step.end())},
          {"slowest_step_seconds", *std::max_element(step.begin(), step.end())},
          {"forward_seconds", median(forward)},
          {"backward_seconds", median(backward)},
          {"loss_seconds", median(loss)},
          {"optimizer_seconds", median(update)},
          {"tokens_per_second", tokens_per_second},
          {"peak_flops", peak},
          {"flops_utilization", tokens_per_second * flops_per_token(c) / peak},
          {"peak_resident_bytes", peak_resident_bytes()}};
}

void print_report(const nlohmann::json& report) {
  fmt::print(
      "{}\n{} threads, {} kernels\npeak: {:.1f} GFLOP/s float32 (register-only multiply-add, all "
      "threads)\n\n",
      report["processor"].get<std::string>(), report["threads"].get<int>(),
      report["vector_target"].get<std::string>(), report["peak_flops"].get<double>() / 1e9);
  fmt::print("{:26} {:>6} {:>6} {:>6} {:>10} {:>7}\n", "product", "M", "N", "K", "GFLOP/s", "of peak");
  for (const auto& p : report["products"]) {
    fmt::print("{:26} {:>6} {:>6} {:>6} {:>10.1f} {:>6.0f}%\n", p["name"].get<std::string>(),
               p["M"].get<int64_t>(), p["N"].get<int64_t>(), p["K"].get<int64_t>(),
               p["flops"].get<double>() / 1e9, 100 * p["of_peak"].get<double>());
  }
  const auto& s = report["step"];
  const auto ms = [&](const char* key) { return 1e3 * s[key].get<double>(); };
  fmt::print(
      "\nstep of {}: {:.1f} ms ({:.1f} to {:.1f}): forward {:.1f}, backward {:.1f} (loss {:.1f} of both), "
      "optimizer {:.1f}\n",
      report["model"].get<std::string>(), ms("step_seconds"), ms("fastest_step_seconds"),
      ms("slowest_step_seconds"), ms("forward_seconds"), ms("backward_seconds"), ms("loss_seconds"),
      ms("optimizer_seconds"));
  fmt::print(
      "{:.0f} tokens/s, utilisation {:.1f} % of a peak of {:.1f} GFLOP/s, {:.0f} MB resident at most\n",
      s["tokens_per_second"].get<double>(), 100 * s["flops_utilization"].get<double>(),
      s["peak_flops"].get<double>() / 1e9, s["peak_resident_bytes"].get<double>() / 1e6);
}

}  // namespace

int bench_command(const Arguments& arguments, StopSignal& stop) {
  std::string name = "base";
  std::string precision = "auto";
  int threads = inspect_machine().cores;
  int steps = 5;
  bool json = false;
  po::options_description options;
  options.add_options()("model", po::value(&name)->default_value(name), "preset")(
      "precision", po::value(&precision)->default_value(precision), "f32, or auto (f32 in this version)")(
      "threads", po::value(&threads)->default_value(threads), "training threads")(
      "steps", po::value(&steps)->default_value(steps), "steps to measure")("json", po::bool_switch(&json),
                                                                            "print JSON");
  if (!parse_command_line(
          arguments, options,
          "pretrain bench [--model NAME] [--json]\nMeasures this machine and one training step."))
    return 0;
  const auto preset = find_preset(name);
  if (!preset) fail(ErrorKind::kUsage, "--model {}: no such preset", name);
  if (precision != "auto" && precision != "f32")
    fail(ErrorKind::kUsage, "--precision {}: auto or f32 is needed", precision);
  if (threads < 1 || threads > 1024 || steps < 1)
    fail(ErrorKind::kUsage, "--threads and --steps must be at least 1");
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
  Compute compute(threads);
  constexpr int64_t kCharacters = 320;  // 64 characters of English and the byte pieces
  const ModelConfig config{.layers = preset->layers,
                           .d_model = preset->d_model,
                           .heads = preset->heads,
                           .d_ff = preset->d_ff,
                           .vocabulary = preset->vocabulary == 0 ? kCharacters : preset->vocabulary,
                           .context = preset->context};
  const int64_t M = micro_batch_rows(preset->batch, preset->context, 2048) * preset->context;
  nlohmann::json report = {{"model", name},
                           {"threads", threads},
                           {"processor", inspect_machine().processor},
                           {"vector_target", vector_target()},
                           {"peak_flops", measure_fma_peak(compute, std::chrono::milliseconds(300))},
                           {"products", nlohmann::json::array()}};
  for (const ProductCase& p : product_cases(config, M)) {
    if (stop.requested()) throw Stopped();
    const double peak = measure_fma_peak(compute, std::chrono::milliseconds(60));
    const double rate = product_rate(compute, p);
    report["products"].push_back(
        {{"name", p.name}, {"M", p.M}, {"N", p.N}, {"K", p.K}, {"flops", rate}, {"of_peak", rate / peak}});
  }
  report["step"] = measure_step(compute, config, preset->batch, steps);
  if (json)
    fmt::print("{}\n", report.dump(2));
  else
    print_report(report);
  return 0;
}

}  // namespace pretrain
