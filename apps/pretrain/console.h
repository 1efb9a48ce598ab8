#pragma once
// What a person sees while a run trains: one live line on a terminal, plain lines now and then elsewhere,
// samples, and what became of checkpoints.

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "libs/base/file.h"
#include "libs/model/generation.h"
#include "libs/train/trainer.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

struct ConsoleOptions {
  uint64_t max_steps = 0, max_tokens = 0;
  std::chrono::milliseconds max_time{0};
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

  void on_step(const StepRecord& record, const SourceStatus& source) override;
  void on_evaluation(uint64_t step, const EvaluationResult& result) override;
  void on_sample(uint64_t step, const float* parameters) override;
  void on_saved(const SaveResult& result) override;

  /// The first and the last sample, for the summary.
  const std::string& first_sample() const { return first_sample_; }
  const std::string& last_sample() const { return last_sample_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::string write_sample(uint64_t step, const float* parameters);
  std::string status_line(const StepRecord& record, const SourceStatus& source);
  std::string time_left(const StepRecord& record) const;
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
  std::optional<double> validation_loss_;
  double smooth_loss_ = 0, smooth_rate_ = 0, smooth_utilization_ = 0;
  double wait_seconds_ = 0, step_seconds_ = 0;
  uint64_t steps_seen_ = 0;
  std::string first_sample_, last_sample_;
};

}  // namespace pretrain
