#pragma once
// The console output of a running session: a live line on a terminal or a plain line at intervals elsewhere,
// text samples, and the results of saves.

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "apps/pretrain/live_line.h"
#include "libs/base/file.h"
#include "libs/model/generation.h"
#include "libs/train/trainer.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Facts from before this session.
struct KnownBefore {
  std::optional<EvaluationResult> evaluation = {};                  ///< the newest
  std::optional<std::chrono::system_clock::time_point> saved = {};  ///< time of the newest checkpoint
};

struct ConsoleOptions {
  uint64_t max_steps = 0, max_tokens = 0, max_epochs = 0;
  uint64_t epoch_tokens = 0;  ///< estimated; 0: not known
  std::chrono::milliseconds max_time{0};
  uint64_t sample_tokens = 120;
  uint64_t seed = 1;
  std::stop_token stop = {};               ///< ends a sample early
  std::function<void()> on_progress = {};  ///< called after each token of a sample
  KnownBefore before = {};
};

/// Single-owner; lives on the trainer's thread.
class Console : public TrainObserver {
 public:
  Console(Compute& compute, const ModelConfig& model, const ParameterLayout& layout,
          const Tokenizer& tokenizer, const ConsoleOptions& options);
  ~Console() override;

  void on_step(const StepRecord& record, const SourceStatus& source) override;
  void on_evaluation(uint64_t step, const EvaluationResult& result) override;
  void on_sample(uint64_t step, const float* parameters) override;
  void on_saved(const SaveResult& result) override;
  void on_finishing(uint64_t step) override;

 private:
  using Clock = std::chrono::steady_clock;

  std::string write_sample(uint64_t step, const float* parameters);
  LiveStatus status_of(const StepRecord& record) const;
  std::optional<std::chrono::nanoseconds> time_left(const StepRecord& record) const;
  void tell_epoch_time();
  void show(const std::string& line);

  Compute& compute_;
  const ModelConfig& model_;
  const ParameterLayout& layout_;
  const Tokenizer& tokenizer_;
  ConsoleOptions options_;
  bool live_;
  Clock::duration interval_;  // between two status lines
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> last_shown_;
  std::optional<Clock::time_point> last_saved_;
  std::optional<EvaluationResult> evaluation_;
  bool epoch_time_told_ = false;
  double smooth_loss_ = 0, smooth_rate_ = 0, smooth_utilization_ = 0;
  double wait_seconds_ = 0, step_seconds_ = 0;
  uint64_t steps_seen_ = 0;
};

}  // namespace pretrain
