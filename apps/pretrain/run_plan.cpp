// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_plan.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>

#include "apps/pretrain/bytes_per_token.h"
#include "apps/pretrain/machine_pace.h"
#include "apps/pretrain/value_text.h"
#include "libs/base/error.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/model/architecture.h"
#include "libs/model/architecture_choices.h"
#include "libs/model/memory_plan.h"
#include "libs/model/parameters.h"
#include "libs/optim/optimizer_set.h"
#include "libs/train/evaluation_plan.h"
#include "libs/world/step_time.h"
#include "pipeline/loader_memory.h"

namespace pretrain {
namespace {

/// A size of the family: that of the qwen3 presets, and steps between them. Zero kv_heads: as many as heads. One for all heads
/// learns more in the same time where that was measured (tests/learning/NOTES.md).
struct Size {
  int64_t layers, width, heads, mlp, vocabulary, context, kv_heads = 0;
};

constexpr std::array kSizes{Size{2, 64, 1, 192, 2048, 128},            // 0.2 M parameters
                            Size{2, 128, 2, 384, 4096, 128, 1},        // 0.9 M
                            Size{3, 128, 2, 384, 4096, 128, 1},        // 1.1 M
                            Size{4, 192, 3, 512, 4096, 128, 1},        // 2.4 M
                            Size{4, 256, 4, 768, 8192, 256, 1},        // 5.1 M
                            Size{5, 320, 5, 896, 8192, 256},           // 9.0 M
                            Size{5, 384, 6, 1024, 16000, 256},         // 15 M
                            Size{6, 448, 7, 1216, 16000, 256},         // 22 M
                            Size{6, 512, 8, 1536, 16000, 512},         // 29 M
                            Size{9, 512, 8, 1536, 16000, 512},         // 39 M
                            Size{12, 512, 8, 1536, 32000, 512},        // 57 M
                            Size{12, 640, 10, 1728, 32000, 512},       // 80 M
                            Size{16, 768, 12, 2048, 32000, 1024, 4},   // 125 M
                            Size{27, 1024, 8, 2816, 32000, 1024, 4}};  // 351 M

/// Fewer steps teach nothing.
constexpr double kLeastSteps = 20;
/// Text that is repeated this often is nearly as good as new (see the source in scaling_law.h). Beyond, small texts are
/// overfit, which the law does not know: tests/learning/NOTES.md has a run.
constexpr double kMostEpochs = 4;
/// A model with more parameters than this for each byte of text overfits it, which the law does not know either.
/// A judgement: 0.7 million parameters overfit the 0.3 MB of the sample corpus, 10 million the 1.1 MB of tiny Shakespeare.
constexpr double kMostParametersForAByte = 1;
/// How much faster than measured a machine may turn out to be: it may have been busy at the start.
constexpr double kMostSpeedUp = 2;
/// Several machines make larger steps, so that the exchange takes little of them: up to this many times as large as
/// one machine would, because large steps learn less from each token, and while this many are left. A judgement.
constexpr double kMostStepGrowth = 8;
constexpr double kEnoughSteps = 1000;
constexpr int64_t kMicroBatchTokens = 2048;
constexpr double kWarmupShare = 0.05;
constexpr uint64_t kMostWarmup = 200;

/// Shares of the budget: what is not planned, because machines are not steady, and evaluations on the way.
constexpr double kReserve = 0.03, kEvaluationShare = 0.03;
/// Seconds that every run takes: the scan, the start of the loader, the measurement of the peak.
constexpr double kStartSeconds = 1;
/// Checkpoints are written and read back at this rate, while nothing is trained at the start and the end.
constexpr double kDiskBytesPerSecond = 200e6;

ModelConfig model_of(const Size& size, double text_bytes) {
  // A piece has to occur often enough to be learned. Small texts don't have more pieces anyway.
  constexpr double kBytesForEachPiece = 250;
  constexpr int64_t kLeastPieces = 512;
  const auto most = static_cast<int64_t>(std::min(text_bytes / kBytesForEachPiece, 1e6));
  ModelConfig model{.layers = size.layers,
                    .d_model = size.width,
                    .heads = size.heads,
                    .d_ff = size.mlp,
                    .vocabulary = std::min(size.vocabulary, std::max(most, kLeastPieces)),
                    .context = size.context};
  model.architecture = &qwen3();
  model.kv_heads = size.kv_heads;
  complete_choices(model);
  return model;
}

/// Speeds between two measured models follow the logarithm of their operations; beyond the last they stay.
double flops_per_second(const std::vector<MeasuredSpeed>& speed, double flops_per_token) {
  const auto above = std::ranges::lower_bound(speed, flops_per_token, {}, &MeasuredSpeed::flops_per_token);
  if (above == speed.begin()) return above->flops_per_second;
  if (above == speed.end()) return speed.back().flops_per_second;
  const MeasuredSpeed& below = *(above - 1);
  const double share = std::log(flops_per_token / below.flops_per_token) /
                       std::log(above->flops_per_token / below.flops_per_token);
  return below.flops_per_second + share * (above->flops_per_second - below.flops_per_second);
}

/// Tokens of a step. Small steps teach most for each token; large ones make more of a large model, whose update
/// costs much, and of a long run, which has enough steps.
/// Source: Marek et al., "Small Batch Size Training for Language Models", for the first half.
int64_t tokens_of_step(double tokens) {
  if (tokens > 1e9) return 16'384;
  if (tokens > 1e8) return 8'192;
  return tokens > 2e7 ? 4'096 : 2'048;
}

/// For Muon: 5e-3 was the best of two rates at a width of 256 and 2,048 tokens a step (tests/learning/NOTES.md). That wider
/// models take less is a judgement, not measured.
double learning_rate_of(int64_t width) {
  constexpr double kBest = 5e-3, kWidth = 256, kFall = 0.75;
  const double rate = kBest * std::pow(std::max(1.0, static_cast<double>(width) / kWidth), -kFall);
  return std::round(rate * 1e4) / 1e4;
}

struct StepPace {
  int64_t step_tokens = 0;
  double tokens_per_second = 0;  ///< of all machines
  double efficiency = 1;         ///< compared with so many times one machine
};

/// Of the steps of a run with so many tokens: larger ones where machines share them.
StepPace pace_of(const ModelConfig& model, double run_tokens, double alone, const PlanFacts& facts) {
  const int64_t least_tokens = tokens_of_step(run_tokens);
  if (facts.machines == 1) return {least_tokens, alone, 1};
  const SharedRun run{.parts = ParameterLayout(model).backward_parts(),
                      .micro_batch_tokens = kMicroBatchTokens,
                      .pace = pace_at(alone * flops_per_token(model), model, facts.threads),
                      .network = ethernet(facts.network_bits_per_second)};
  const auto share = [&](int64_t tokens) {
    return efficiency(run, facts.machines, static_cast<double>(tokens) / facts.machines);
  };
  int64_t tokens = std::max(least_tokens, facts.machines * model.context);
  const auto most = static_cast<int64_t>(
      std::min(kMostStepGrowth * static_cast<double>(least_tokens), run_tokens / kEnoughSteps));
  while (2 * tokens <= most && share(tokens) < kGoodEfficiency) tokens *= 2;
  return {tokens, share(tokens) * facts.machines * alone, share(tokens)};
}

uint64_t memory_of(const PlannedRun& run, const PlanFacts& facts) {
  constexpr uint64_t kProgram = 100'000'000;
  const ParameterLayout layout(run.model);
  OptimizerOptions options{.kind = OptimizerKind::kMuon};
  options.muon.head_size = run.model.head_size();
  const Optimizers optimizers = make_optimizers(layout, options);
  const int64_t rows = micro_batch_rows(run.batch, run.model.context, kMicroBatchTokens);
  LoaderOptions loader{.workers = facts.workers};
  loader.assembler.rows = run.batch;
  loader.assembler.buffer.capacity = run.shuffle_buffer;
  loader.assembler.buffer.context = static_cast<uint32_t>(run.model.context);
  loader.assembler.buffer.vocabulary = static_cast<uint32_t>(run.model.vocabulary);
  return plan_memory({run.model, rows, true, Recompute::kCheap, facts.precision}, facts.threads,
                     optimizer_memory_bytes(optimizers, facts.threads))
             .total() +
         plan_loader_memory(loader).total() + kProgram;
}

/// Seconds of a run that no step has: vocabulary, both end evaluations, both end saves.
double fixed_seconds(const PlannedRun& run, const PlanFacts& facts, double evaluation_seconds) {
  constexpr double kCheckpointBytesPerParameter = 12;
  const double save =
      kCheckpointBytesPerParameter * static_cast<double>(run.parameters) / kDiskBytesPerSecond;
  return kStartSeconds + facts.vocabulary_seconds + 2 * evaluation_seconds + 2 * save;
}

/// Steps between evaluations, so that all of them take their share of the time; 0 when that is too little for
/// some. evaluation_is_due() adds a few at the start.
uint64_t evaluation_interval(double evaluations, uint64_t steps) {
  constexpr double kFew = 6, kEarly = 4, kMost = 24;
  if (evaluations < kFew) return 0;
  return std::max<uint64_t>(1, steps / static_cast<uint64_t>(std::min(evaluations, kMost) - kEarly));
}

double shuffle_buffer_of(double tokens, int64_t context) {
  constexpr double kLeast = 1000, kMost = 50'000, kShare = 10;
  return std::clamp(tokens / static_cast<double>(context) / kShare, kLeast, kMost);
}

/// A part of a small text large enough to measure on, and a small one of a large text.
double validation_fraction_of(double text_bytes) {
  constexpr double kEnough = 200'000, kLeast = 0.005, kMost = 0.1;
  return std::round(std::clamp(kEnough / text_bytes, kLeast, kMost) * 1e3) / 1e3;
}

/// Decides everything about a size but whether it fits. Steps are 0 when there is no time for enough of them.
PlannedRun plan_size(const Size& size, const PlanFacts& facts) {
  PlannedRun run{.model = model_of(size, facts.text_bytes)};
  run.parameters = ParameterLayout(run.model).parameter_count();
  run.learning_rate = learning_rate_of(size.width);
  run.validation_fraction = validation_fraction_of(facts.text_bytes);
  const double flops = flops_per_token(run.model);
  const double alone = flops_per_second(facts.speed, flops) / flops;  // tokens a second of one machine
  const double evaluation = facts.validation_tokens / 3 / alone;      // a forward pass
  const double fixed = fixed_seconds(run, facts, evaluation);
  const double time = facts.seconds * (1 - kReserve) - fixed;
  const double training_seconds = time * (1 - kEvaluationShare);

  const double bytes_per_token = facts.yield * english_bytes_per_token(run.model.vocabulary);
  const double epoch_tokens = facts.text_bytes * (1 - run.validation_fraction) / bytes_per_token;
  const double most_tokens = kMostEpochs * epoch_tokens;
  const double ideal_tokens = std::min(training_seconds * alone * facts.machines, most_tokens);
  const StepPace pace = pace_of(run.model, ideal_tokens, alone, facts);
  run.tokens_per_second = pace.tokens_per_second;
  run.efficiency = pace.efficiency;
  const double tokens = std::min(training_seconds * run.tokens_per_second, most_tokens);
  run.batch = std::max<int64_t>(facts.machines, pace.step_tokens / size.context);
  run.shuffle_buffer = static_cast<uint64_t>(shuffle_buffer_of(std::max(tokens, 0.0), size.context));
  run.memory_bytes = memory_of(run, facts);
  const double steps = std::floor(tokens / static_cast<double>(run.batch * size.context));
  if (!(steps >= kLeastSteps)) return run;
  run.steps = static_cast<uint64_t>(steps);
  run.most_steps = std::max(
      run.steps, static_cast<uint64_t>(std::min(
                     kMostSpeedUp * steps, most_tokens / static_cast<double>(run.batch * size.context))));
  run.warmup = std::clamp<uint64_t>(static_cast<uint64_t>(kWarmupShare * steps), 1, kMostWarmup);
  run.evaluate_every = evaluation_interval(time * kEvaluationShare / evaluation, run.steps);
  run.tokens = tokens;
  run.epochs = tokens / epoch_tokens;
  run.seconds = tokens / run.tokens_per_second / (1 - kEvaluationShare) + fixed;
  run.predicted = predict_bits({.parameters = static_cast<double>(run.parameters),
                                .text_bytes = tokens * bytes_per_token,
                                .unique_bytes = epoch_tokens * bytes_per_token,
                                .context_bytes = static_cast<double>(size.context) * bytes_per_token});
  return run;
}

std::string duration_text(double seconds) {
  constexpr double kMost = 9e9;
  return format_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(std::min(std::ceil(seconds), kMost))));
}

[[noreturn]] void refuse(const std::vector<PlannedRun>& sizes, const PlanFacts& facts) {
  const PlannedRun& smallest = sizes.front();
  if (smallest.memory_bytes > facts.memory_bytes) {
    fail(ErrorKind::kUsage,
         "no run fits into {} of memory; the smallest model needs {}: free some, or give a larger --memory",
         format_bytes(facts.memory_bytes), format_bytes(smallest.memory_bytes));
  }
  const double evaluation = facts.validation_tokens / 3 / smallest.tokens_per_second;
  const double steps = kLeastSteps * static_cast<double>(smallest.batch * smallest.model.context);
  const double least = (fixed_seconds(smallest, facts, evaluation) +
                        steps / smallest.tokens_per_second / (1 - kEvaluationShare)) /
                       (1 - kReserve);
  if (facts.seconds < least) {
    fail(ErrorKind::kUsage,
         "no run can be planned for {}: vocabulary, evaluations and {} steps of the smallest model take {} "
         "here; give at least that",
         exact_duration(std::chrono::milliseconds(std::llround(facts.seconds * 1e3))), kLeastSteps,
         duration_text(1.1 * least));
  }
  fail(ErrorKind::kData,
       "the corpus is too small to plan a run: {} of text give fewer than {} steps in {} epochs; add text, "
       "or choose a run with pretrain --model small",
       format_bytes(static_cast<uint64_t>(facts.text_bytes)), kLeastSteps, kMostEpochs);
}

std::string text_of(double value) {
  return write_number(value);
}

}  // namespace

std::vector<PlannedRun> plan_runs(const PlanFacts& facts) {
  std::vector<PlannedRun> all, fitting;
  for (const Size& size : kSizes) all.push_back(plan_size(size, facts));
  for (const PlannedRun& run : all) {
    if (run.steps > 0 && run.memory_bytes <= facts.memory_bytes) fitting.push_back(run);
  }
  if (fitting.empty()) refuse(all, facts);
  const auto overfits = [&](const PlannedRun& run) {
    return static_cast<double>(run.parameters) > kMostParametersForAByte * facts.text_bytes;
  };
  std::ranges::stable_sort(fitting, {}, [&](const PlannedRun& run) {
    return std::pair(overfits(run), run.predicted.bits_per_byte);
  });
  return fitting;
}

KeyValues options_of(const PlannedRun& run) {
  const ModelConfig& model = run.model;
  KeyValues values{{"arch", std::string(name_of(*model.architecture))},
                   {"layers", std::to_string(model.layers)},
                   {"d-model", std::to_string(model.d_model)},
                   {"heads", std::to_string(model.heads)},
                   {"d-ff", std::to_string(model.d_ff)},
                   {"vocab", std::to_string(model.vocabulary)},
                   {"context", std::to_string(model.context)},
                   {"batch", std::to_string(run.batch)},
                   {"optimizer", "muon"},
                   {"learning-rate", text_of(run.learning_rate)},
                   {"warmup", std::to_string(run.warmup)},
                   {"schedule", "wsd"},
                   {"steps", std::to_string(run.steps)},
                   {"shuffle-buffer", std::to_string(run.shuffle_buffer)},
                   {"evaluate-every", std::to_string(run.evaluate_every)},
                   {"validation-fraction", text_of(run.validation_fraction)}};
  if (model.key_value_heads() != model.heads) values["kv-heads"] = std::to_string(model.key_value_heads());
  return values;
}

std::vector<std::string_view> planned_options() {
  return {"model",
          "arch",
          "layers",
          "d-model",
          "heads",
          "kv-heads",
          "head-size",
          "d-ff",
          "context",
          "untied",
          "output-start",
          "rope-theta",
          "norm-epsilon",
          "init-from",
          "vocab",
          "tokenizer-type",
          "tokenizer",
          "batch",
          "accumulate",
          "batch-ramp",
          "optimizer",
          "learning-rate",
          "learning-rate-tokens",
          "warmup",
          "schedule",
          "schedule-steps",
          "cooldown-share",
          "cooldown-start",
          "steps",
          "tokens",
          "epochs",
          "time",
          "shuffle-buffer",
          "evaluate-every",
          "packing"};
}

std::string_view ability(double bits_per_byte) {
  struct Level {
    double least;
    std::string_view text;
  };
  constexpr std::array kLevels{Level{2.6, "strings of letters that look like words"},
                               Level{2.2, "words and short phrases, no sentences"},
                               Level{1.9, "phrases with grammar, sentences without sense"},
                               Level{1.5, "sentences that are right in form, and drift"},
                               Level{1.25, "paragraphs on one topic, with invented facts"},
                               Level{1.05, "fluent paragraphs, some facts right"}};
  for (const Level& level : kLevels) {
    if (bits_per_byte >= level.least) return level.text;
  }
  return "pages that hold together, many facts right";
}

}  // namespace pretrain
