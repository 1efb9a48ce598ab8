// SPDX-License-Identifier: Apache-2.0
#pragma once
// The console output of a running session: a live line on a terminal or a plain line at intervals elsewhere,
// text samples, and the results of saves.

#include <functional>
#include <stop_token>
#include <string>

#include "apps/pretrain/status_pace.h"
#include "libs/base/file.h"
#include "libs/model/generation.h"
#include "libs/train/trainer.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

struct ConsoleOptions {
  uint64_t sample_tokens = 120;
  uint64_t seed = 1;
  std::stop_token stop = {};               ///< ends a sample early
  std::function<void()> on_progress = {};  ///< called after each token of a sample
};

/// Single-owner; lives on the trainer's thread.
class Console : public TrainObserver {
 public:
  Console(Compute& compute, const ModelConfig& model, const ParameterLayout& layout,
          const Tokenizer& tokenizer, const ConsoleOptions& options);
  ~Console() override;

  void on_step(const StepRecord& record, const RunSnapshot& run) override;
  void on_evaluation(uint64_t step, const EvaluationResult& result) override;
  void on_sample(uint64_t step, const float* parameters) override;
  void on_saved(const SaveResult& result) override;
  void on_finishing(uint64_t step) override;

 private:
  std::string write_sample(uint64_t step, const float* parameters);
  void tell_epoch_time(const RunSnapshot& run);
  void show(const RunSnapshot& run) const;

  Compute& compute_;
  const ModelConfig& model_;
  const ParameterLayout& layout_;
  const Tokenizer& tokenizer_;
  ConsoleOptions options_;
  bool live_;
  StatusPace pace_;
  bool epoch_time_told_ = false;
};

}  // namespace pretrain
