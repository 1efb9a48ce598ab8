// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/bench_step.h"

#include <algorithm>
#include <memory>
#include <string>

#include "apps/pretrain/bench_kernels.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/base/units.h"
#include "libs/model/architecture.h"
#include "libs/model/initialization.h"
#include "libs/model/parameters.h"
#include "libs/optim/optimizer_set.h"
#include "libs/tensor/peak.h"
#include "libs/train/step.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

OptimizerOptions optimizer_options(const BenchModel& b) {
  return {.kind = b.optimizer, .muon = {.head_size = b.config.head_size()}};
}

/// A model with everything that a step needs.
class StepBench {
 public:
  StepBench(Compute& compute, const BenchModel& b)
      : compute_(compute),
        options_(optimizer_options(b)),
        model_(compute, {.config = b.config, .rows = b.micro_rows(), .precision = b.precision}),
        parameters_(model_.layout().flat_size()),
        optimizer_(compute, model_.layout(), make_optimizers(model_.layout(), options_)),
        pass_(compute, model_),
        batches_{random_batch(b.config, b.batch_rows)} {
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
      const StepResult result = pass_.run(batches_);
      seconds.update = seconds_of([&] {
        optimizer_.update({.learning_rate = 1e-4,
                           .gradient_scale = clipping_scale(result.gradient_norm, options_.gradient_clip)},
                          pass_.gradients(), parameters_.data());
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
  const OptimizerOptions options_;
  Transformer model_;
  Buffer<float> parameters_;
  OptimizerSet optimizer_;
  GradientPass pass_;
  std::vector<Batch> batches_;
};

/// A small model otherwise fits into what was freed before it, and seems to take no memory.
uint64_t resident_bytes_without_freed() {
  release_freed_memory();
  return resident_bytes();
}

/// Steps of one model, with the machine's rate before and after each.
class StepSamples {
 public:
  StepSamples(Compute& compute, const BenchModel& b)
      : compute_(compute),
        precision_(b.precision),
        tokens_(static_cast<double>(b.batch_rows * b.config.context)),
        operations_(tokens_ * flops_per_token(b.config)),
        resident_before_(resident_bytes_without_freed()),
        bench_(compute, b) {
    const uint64_t now = resident_bytes();
    resident_ = now > resident_before_ ? now - resident_before_ : 0;
  }

  void take() {
    const double before = rate_now();
    const StepBench::Seconds seconds = bench_.run();
    const double after = rate_now();
    step_.push_back(seconds.all), update_.push_back(seconds.update), loss_.push_back(seconds.pass.loss);
    forward_.push_back(seconds.pass.forward), backward_.push_back(seconds.pass.backward);
    shares_.push_back(operations_ / seconds.all / ((before + after) / 2));
  }

  /// Requires: take().
  nlohmann::json report() const {
    return {{"step_seconds", median(step_)},
            {"fastest_step_seconds", *std::ranges::min_element(step_)},
            {"slowest_step_seconds", *std::ranges::max_element(step_)},
            {"forward_seconds", median(forward_)},
            {"backward_seconds", median(backward_)},
            {"loss_seconds", median(loss_)},
            {"optimizer_seconds", median(update_)},
            {"tokens_per_second", tokens_ / median(step_)},
            {"peak_flops", peak_},
            {"operations", operations_},
            {"flops_utilization_then", median(shares_)},
            {"resident_bytes", resident_},
            {"peak_resident_bytes", peak_resident_bytes()}};
  }

 private:
  double rate_now() {
    const FmaRate rate = measure_fma_rate(compute_, 4 * kShortLook, precision_);
    peak_ = std::max(peak_, rate.best);
    return rate.mean;
  }

  Compute& compute_;
  Precision precision_;
  double tokens_, operations_;
  uint64_t resident_before_, resident_;  // of the process; the growth
  StepBench bench_;
  std::vector<double> step_, forward_, backward_, loss_, update_, shares_;
  double peak_ = 0;
};

/// An upper bound on the speed-up of more threads, from one step on one thread. The time outside parallel
/// loops does not change, and a loop of n pieces takes the time of ceil(n / threads) pieces.
nlohmann::json scaling_bound(const std::vector<ParallelLoop>& loops, double step_seconds) {
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

/// One size of a model, and the values to try.
struct Varied {
  const char* name;
  std::vector<int64_t> values;
  void (*apply)(BenchModel&, int64_t value);
};

/// The number of rows that have about `tokens` tokens.
int64_t rows_of(int64_t tokens, int64_t context) {
  return std::max<int64_t>(1, tokens / context);
}

/// As many heads of this size as the width holds.
void set_head_size(ModelConfig& config, int64_t channels) {
  config.heads = config.d_model / channels;
  if (config.architecture->choices) config.kv_heads = config.heads, config.head_channels = channels;
}

const std::vector<Varied>& varied_sizes() {
  static const std::vector<Varied> sizes{
      {"d_model",
       {64, 96, 128, 192, 256, 384, 512, 640, 768, 1024},
       [](BenchModel& b, int64_t width) {
         constexpr int64_t kHeadSize = 64;
         b.config.d_ff = width * b.config.d_ff / b.config.d_model;
         b.config.d_model = width;
         set_head_size(b.config, width % kHeadSize == 0 ? kHeadSize : 32);
       }},
      {"head_size",
       {16, 32, 64, 128, 256},
       [](BenchModel& b, int64_t channels) {
         set_head_size(b.config, std::min(channels, b.config.d_model));
       }},
      {"context",
       {16, 32, 64, 100, 128, 256, 512, 1024, 2048, 4096, 8192},
       [](BenchModel& b, int64_t context) {
         b.batch_rows = rows_of(b.batch_rows * b.config.context, context);
         b.config.context = context;
       }},
      {"batch_tokens",
       {256, 512, 768, 1024, 1536, 2048, 4096, 8192},
       [](BenchModel& b, int64_t tokens) { b.batch_rows = rows_of(tokens, b.config.context); }},
      {"vocabulary",
       {300, 1000, 2000, 4000, 8000, 16000, 32000, 50000},
       [](BenchModel& b, int64_t vocabulary) { b.config.vocabulary = vocabulary; }}};
  return sizes;
}

}  // namespace

double seconds_of(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

uint64_t planned_bytes(const BenchModel& b, int threads) {
  const PassShape shape{.config = b.config, .rows = b.micro_rows(), .precision = b.precision};
  const auto optimizers = make_optimizers(ParameterLayout(b.config), optimizer_options(b));
  return plan_memory(shape, threads, optimizer_memory_bytes(optimizers, threads)).total();
}

nlohmann::json measure_step(Compute& compute, const BenchModel& b, int steps, const StopSignal& stop) {
  StepSamples samples(compute, b);
  for (int i = 0; i < steps; ++i) {
    if (stop.requested()) throw Stopped();
    samples.take();
  }
  return samples.report();
}

nlohmann::json measure_architectures(Compute& compute, const std::vector<BenchModel>& models, int steps,
                                     const StopSignal& stop) {
  uint64_t planned = 0;
  for (const BenchModel& b : models) planned += planned_bytes(b, compute.threads());
  const uint64_t available = inspect_machine().available_bytes;
  if (planned > available)
    fail(ErrorKind::kUsage, "all architectures together take {} and {} are available; use a smaller --model",
         format_bytes(planned), format_bytes(available));
  std::vector<std::unique_ptr<StepSamples>> samples;
  samples.reserve(models.size());
  for (const BenchModel& b : models) samples.push_back(std::make_unique<StepSamples>(compute, b));
  for (int i = 0; i < steps; ++i) {
    for (const auto& of_one : samples) {
      if (stop.requested()) throw Stopped();
      of_one->take();
    }
  }
  nlohmann::json rows = nlohmann::json::array();
  for (size_t i = 0; i < models.size(); ++i) {
    rows.push_back(samples[i]->report());
    rows.back()["architecture"] = models[i].config.architecture->name;
    rows.back()["parameters"] = ParameterLayout(models[i].config).parameter_count();
    rows.back()["planned_bytes"] = planned_bytes(models[i], compute.threads());
  }
  return rows;
}

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

nlohmann::json measure_sweep(Compute& compute, const BenchModel& b, int steps, const StopSignal& stop) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Varied& size : varied_sizes()) {
    for (const int64_t value : size.values) {
      BenchModel changed = b;
      changed.config.layers = 2;
      size.apply(changed, value);
      nlohmann::json row = measure_step(compute, changed, steps, stop);
      row["varied"] = size.name;
      row["value"] = value;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace pretrain
