// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/plan_survey.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>
#include <tbb/global_control.h>

#include "apps/pretrain/bench_step.h"
#include "apps/pretrain/bytes_per_token.h"
#include "apps/pretrain/report.h"
#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/process.h"
#include "libs/base/quantity.h"
#include "libs/base/rng.h"
#include "libs/base/units.h"
#include "libs/model/parameters.h"
#include "pipeline/corpus/sample.h"
#include "pipeline/corpus/scan.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr uint64_t kSampleSeedPurpose = 0x706c616e;  // "plan"
/// The vocabulary of the run is trained on at most so much text.
constexpr double kVocabularySampleBytes = 10e6;

/// How tokens of a small vocabulary compare with those of English, and how long a large one takes to train.
struct Yield {
  double ratio = 1;
  double vocabulary_seconds = 0;
};

uint64_t bytes_of(const std::vector<std::string>& documents) {
  uint64_t bytes = 0;
  for (const std::string& document : documents) bytes += document.size();
  return bytes;
}

/// Trains a small vocabulary on every second document and measures it on the others.
Yield measure_yield(const std::vector<std::string>& documents, double text_bytes,
                    const std::stop_token& stop) {
  constexpr VocabularyOptions kSmall{.pieces = 2048};
  // The whole sample is larger than this one, and its vocabulary too, whose pieces are found one by one.
  constexpr double kMorePieces = 2;
  std::vector<std::string> halves[2];
  for (size_t i = 0; i < documents.size(); ++i) halves[i % 2].push_back(documents[i]);
  if (halves[1].empty()) halves[1] = halves[0];
  const auto start = Clock::now();
  const auto tokenizer = Tokenizer::from_serialized(train_vocabulary(
      halves[0], kSmall, [](const std::string&) {}, stop));
  const double seconds = seconds_since(start);
  const TokenStatistics measured = measure_tokens(halves[1], tokenizer, 128, bytes_of(halves[1]));
  const double english = english_bytes_per_token(static_cast<int64_t>(tokenizer.vocabulary_size()));
  const double trained_on = static_cast<double>(std::max<uint64_t>(bytes_of(halves[0]), 1));
  return {.ratio = static_cast<double>(measured.bytes) /
                   static_cast<double>(std::max<uint64_t>(measured.tokens, 1)) / english,
          .vocabulary_seconds = kMorePieces * seconds *
                                std::max(1.0, std::min(text_bytes, kVocabularySampleBytes) / trained_on)};
}

/// Times models from small to large, as long as the next one is likely to take less than its share.
nlohmann::json time_models(int threads, Precision precision, const StopSignal& stop) {
  constexpr int kSteps = 3;
  constexpr double kMostSeconds = 12;  // of one model
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
  Compute compute(threads);
  nlohmann::json rows = nlohmann::json::array();
  double seconds_per_flop = 0;
  for (const char* name : {"qwen3-1m", "qwen3-5m", "qwen3-15m"}) {
    const Preset preset = *find_preset(name);
    const int64_t context = preset.context;
    const BenchModel model{model_config(preset, kEnglishCharacters), std::max<int64_t>(1, 2048 / context),
                           precision, OptimizerKind::kMuon};
    const double flops = 2048 * flops_per_token(model.config);
    if ((kSteps + 1) * flops * seconds_per_flop > kMostSeconds) break;
    const auto start = Clock::now();
    const nlohmann::json step = measure_step(compute, model, kSteps, stop);
    seconds_per_flop = seconds_since(start) / flops / (kSteps + 1);
    rows.push_back({flops_per_token(model.config),
                    flops_per_token(model.config) * step["tokens_per_second"].get<double>()});
  }
  return rows;
}

}  // namespace

std::vector<MeasuredSpeed> measure_speed(int threads, Precision precision, const StopSignal& stop) {
  const std::string text = run_in_child([&] { return time_models(threads, precision, stop).dump(); },
                                        [](std::string_view) {}, stop.token());
  std::vector<MeasuredSpeed> speed;
  for (const nlohmann::json& row : parse_json(text))
    speed.push_back(
        {.flops_per_token = row.at(0).get<double>(), .flops_per_second = row.at(1).get<double>()});
  return speed;
}

PlanFacts survey(const RunConfiguration& config, std::vector<MeasuredSpeed> speed, const StopSignal& stop) {
  constexpr uint64_t kSampleBytes = 1'500'000;
  const Catalog catalog = scan_corpus(config.corpus, nullptr, ScanHooks{.stop = stop.token()});
  const TextSample sample = sample_text(config.corpus, catalog, kSampleBytes,
                                        derive_seed(config.seed, kSampleSeedPurpose), stop.token());
  const double text_bytes = estimate_text_bytes(catalog, sample);
  if (sample.documents.empty() || text_bytes < 1)
    fail(ErrorKind::kData, "the corpus has no text to train on; give other files with --corpus");
  log_info("counting: {} with about {} of text", format_counted(catalog.shards.size(), "file"),
           format_bytes(round_estimate(text_bytes)));
  const Yield yield = measure_yield(sample.documents, text_bytes, stop.token());
  if (speed.empty()) {
    log_info("measuring: some steps of one to three models");
    speed = measure_speed(config.threads, config.trainer.precision, stop);
  }
  return {.speed = std::move(speed),
          .memory_bytes = inspect_machine().available_bytes,
          .threads = config.threads,
          .workers = config.workers,
          .precision = config.trainer.precision,
          .text_bytes = text_bytes,
          .yield = yield.ratio,
          .vocabulary_seconds = yield.vocabulary_seconds,
          .validation_tokens = static_cast<double>(config.validation_tokens)};
}

}  // namespace pretrain
