// SPDX-License-Identifier: Apache-2.0
#pragma once
// A training run small enough for a test: a tiny model, seeded batches from a stream that can be saved and
// resumed, and sessions that start from what is on disk, as the program does.

#include <cmath>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include "libs/train/trainer.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {

/// The token that TestRun::poison makes non-finite; batches hold it only when told so.
constexpr uint32_t kPoisonToken = 22;

ModelConfig tiny_model();

/// A batch of random tokens below kPoisonToken; one in `masked_in` targets does not count (0: all count).
Batch random_batch(const ModelConfig& model, int64_t rows, uint64_t seed, uint64_t masked_in = 5);

/// Two batches one after the other.
Batch joined(const Batch& a, const Batch& b);

struct FakeSourceOptions {
  int64_t rows = 3;
  uint64_t batches = UINT64_MAX;  ///< where the stream ends
  uint64_t batches_in_epoch = UINT64_MAX;
  bool same_batch = false;                          ///< the first one again and again
  std::set<uint64_t> poisoned = {};                 ///< numbers of batches with kPoisonToken
  std::optional<uint64_t> fails_at = std::nullopt;  ///< from this batch on, next() throws kData
  bool state_fails_too = false;                     ///< then state() throws as well
  std::function<void(uint64_t)> before_batch = {};
  std::function<void()> when_opened = {};  ///< the source, at the start or a return
};

/// Batch n depends on n alone; the state is the number of the next one.
class FakeSource : public BatchSource {
 public:
  FakeSource(const ModelConfig& model, FakeSourceOptions options, const StreamState* state = nullptr);

  std::optional<Batch> next(const std::stop_token& stop) override;
  void give_back(std::vector<Batch> batches) override;
  StreamState state(const std::stop_token& stop) override;
  std::vector<std::string> documents_of(const Batch& batch) const override {
    return {fmt::format("document {}", batch.number)};
  }
  SourceStatus status() const override { return {.buffered_sequences = 5, .queued_batches = 2}; }

 private:
  ModelConfig model_;
  FakeSourceOptions options_;
  uint64_t next_ = 0;
};

/// Keeps what it is told, and can be given something to do.
class RecordingObserver : public TrainObserver {
 public:
  void on_ready() override { ++ready; }
  void on_progress() override {
    ++progress;
    if (at_progress) at_progress();
  }
  void on_phase(RunPhase phase) override { phases.push_back(phase); }
  void on_step(const StepRecord& record, const RunSnapshot& run) override {
    steps.push_back(record);
    snapshots.push_back(run);
    if (after_step) after_step(record.step);
  }
  void on_evaluation(const StepEvaluation& evaluation, const RunSnapshot&) override {
    evaluations.push_back(evaluation.step);
  }
  void on_sample(const Sample& sample) override { samples.push_back(sample.step); }
  void on_finishing(uint64_t) override { ++finishing; }
  void on_save_started(uint64_t step) override {
    if (before_save) before_save(step);
  }
  void on_saved(const SaveResult& result) override {
    saves.push_back(result);
    if (after_save) after_save(result);
  }

  std::vector<StepRecord> steps;
  std::vector<RunSnapshot> snapshots;
  std::vector<RunPhase> phases;
  std::vector<uint64_t> evaluations, samples;
  std::vector<SaveResult> saves;
  uint64_t ready = 0, progress = 0, finishing = 0;
  std::function<void()> at_progress;
  std::function<void(uint64_t)> after_step, before_save;
  std::function<void(const SaveResult&)> after_save;
};

/// One run in a temporary state folder, over any number of sessions.
class TestRun {
 public:
  TestRun();

  /// Trains as a new process would: from the newest checkpoint, or from the seed. Threads as in `threads`.
  RunSummary train(TrainerOptions options);

  /// A checkpoint of step 0 whose model turns batches with kPoisonToken, and only those, into NaN.
  void poison();

  /// A checkpoint with the parameters of the last session, as earlier versions saved it after these bad
  /// steps.
  void save_between_bad_steps(uint64_t step, const std::vector<GuardedStep>& bad_steps);
  /// A checkpoint with other parameters that verifies, and can't be loaded in full.
  void save_without_optimizer(uint64_t step);

  /// The parameters after the last session.
  const std::vector<float>& parameters() const { return parameters_; }
  std::vector<uint64_t> checkpoint_steps() const;
  /// Hashes of model, moments and stream in the newest checkpoint.
  std::vector<std::string> newest_hashes() const;
  /// The records of metrics.jsonl.
  std::vector<nlohmann::json> log() const;
  Path state_folder() const { return folder_.path(); }

  ModelConfig model = tiny_model();
  OptimizerOptions optimizer = {};  ///< whose state the checkpoints that are made here have
  FaultyFileSystem files;
  FakeSourceOptions source;
  EvaluationData evaluation;
  RecordingObserver observer;
  std::stop_source stop;
  std::function<bool()> take_save_request;
  RunControl* control = nullptr;
  TensorProbe probe;
  StepMakerOpener open_step_maker;
  std::function<nlohmann::json(const FixedSteps&)> fix_steps;
  std::function<double()> clock;
  int threads = 1;
  uint64_t keep = 100;

 private:
  /// The files of a checkpoint with these parameters, no moments and the stream after `step` batches.
  std::vector<FileContent> content(const RunState& state, const ParameterLayout& layout,
                                   const float* parameters);

  TempFolder folder_;
  std::unique_ptr<OptimizerSet> saved_optimizer_;  // that content() shows
  StreamState saved_stream_;
  std::vector<float> parameters_;
};

/// Steps alone decide: no saves by time, no evaluation in between.
TrainerOptions steps_only(uint64_t steps);

/// The error that `action` must end with.
template <typename Action>
std::optional<Error> error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

inline bool contains(const std::optional<Error>& error, const std::string& text) {
  return error && std::string(error->what()).find(text) != std::string::npos;
}

inline bool all_finite(const std::vector<float>& values) {
  for (const float value : values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace pretrain::test
