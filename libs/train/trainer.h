// SPDX-License-Identifier: Apache-2.0
#pragma once
// The training loop: fetches batches, computes and applies steps, evaluates, samples and saves when due, and
// handles limits, stop requests and the return to a checkpoint. A resume needs RunState, the parameters, the
// optimizer and the batch source. RunRecorder records and reports; BackgroundSaver saves.
//
//   Trainer trainer(parts, options);
//   checkpoint ? trainer.load(*checkpoint) : trainer.initialize(seed);
//   const RunSummary summary = trainer.run();

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/checkpoint/store.h"
#include "libs/data/batch_source.h"
#include "libs/data/evaluation_data.h"
#include "libs/model/initialization.h"
#include "libs/model/transformer.h"
#include "libs/optim/optimizer_set.h"
#include "libs/optim/schedule.h"
#include "libs/tensor/peak.h"
#include "libs/train/background_saver.h"
#include "libs/train/bad_stretch.h"
#include "libs/train/checkpoint_state.h"
#include "libs/train/diverged.h"
#include "libs/train/evaluation.h"
#include "libs/train/guard.h"
#include "libs/train/machine_use.h"
#include "libs/train/observer.h"
#include "libs/train/run_control.h"
#include "libs/train/run_recorder.h"
#include "libs/train/skip_ranges.h"
#include "libs/train/step.h"
#include "libs/train/step_maker.h"
#include "libs/train/summary.h"
#include "libs/train/time_budget.h"

namespace pretrain {

struct TrainerOptions {
  uint64_t max_steps = 0;                 ///< of the whole run; 0: no limit
  uint64_t max_tokens = 0;                ///< of the whole run; 0: no limit
  std::chrono::milliseconds max_time{0};  ///< of this session; 0: no limit
  TimeBudget budget;                      ///< of the whole run; while it is open, max_steps is only the plan
  uint32_t accumulate = 1;                ///< batches of one step, unless the schedule has a ramp
  uint32_t slots = 1;                     ///< of one step (slot_plan.h)
  Precision exchange = Precision::kFloat32;  ///< of the slots' gradients (step_gradient.h)
  Schedule schedule;
  OptimizerOptions optimizer;
  OutputStart output_start = OutputStart::kSmall;                           ///< of a new run
  std::chrono::milliseconds checkpoint_interval{std::chrono::minutes(10)};  ///< 0: not by time
  uint64_t checkpoint_every = 0;                                            ///< steps; 0: not by steps
  uint64_t evaluate_every = 500;                                            ///< steps; 0: only at both ends
  uint64_t sample_every = 0;                                                ///< steps; 0: only at both ends
  uint64_t log_every = 1;                                                   ///< steps
  int64_t micro_rows = 8;
  Recompute recompute = Recompute::kCheap;
  Precision precision = Precision::kFloat32;
  SkipRanges skips;  ///< steps to skip, in addition to those of the checkpoint
  /// Whether other machines of the run that have made more steps than the checkpoint, from it on, give this one their
  /// state. Not after the user has gone back to an older checkpoint.
  bool keeps_newer_state = true;
  /// Where the stream ends, as far as it is known, to foresee the end of the run. 0: nowhere, not known.
  uint64_t max_epochs = 0, epoch_tokens = 0;

  uint32_t batches_of(uint64_t step) const {
    return schedule.ramp.steps > 0 ? schedule.ramp.at(step) : accumulate;
  }
};

/// Opens the stream of batches at its beginning, or at a saved state.
using SourceOpener = std::function<std::unique_ptr<BatchSource>(const StreamState* state)>;

/// Writes samples with these parameters; ends early when a stop is requested.
using SampleWriter = std::function<std::vector<Sample>(uint64_t step, const float* parameters)>;

/// The parts that the trainer works with. References must outlive it.
struct TrainerParts {
  Compute& compute;
  const ModelConfig& model;
  FileSystem& files;
  Path state_folder;
  CheckpointStore& store;
  EvaluationSet evaluation;                          ///< may be empty
  std::vector<FileContent> fixed_files;              ///< config.json, tokenizer
  nlohmann::json configuration, fingerprint;         ///< for the manifest
  nlohmann::json parent = nlohmann::json::object();  ///< likewise
  FmaPeak& peak;                                     ///< measured again with each evaluation
  SourceOpener open_source;
  std::vector<TrainObserver*> observers;
  std::stop_token stop;
  std::function<bool()> take_save_request;  ///< true once after each request to save now
  SampleWriter write_samples = {};          ///< may be empty: no samples
  RunControl* control = nullptr;            ///< requests from other threads; null: none
  /// For the record of the session: facts that the trainer does not know, and the options that changed since
  /// the checkpoint, as RunRecorder::note_settings() takes them.
  nlohmann::json session_facts = nlohmann::json::object(), changed_options = nlohmann::json::object();
  TensorProbe probe = {};                ///< sees the tensors of each training pass
  StepMakerOpener open_step_maker = {};  ///< may be empty: steps are made in this process
  /// Called when the steps of a run with a budget are fixed; returns the configuration with them. Must be given
  /// if the budget is open.
  std::function<nlohmann::json(const FixedSteps&)> fix_steps = {};
  MachineUseReader machine_use = {};   ///< for the record; empty: the machine shows nothing
  std::function<double()> clock = {};  ///< seconds, for the budget; empty: the time
};

/// One training run in this process. Single-owner.
class Trainer {
 public:
  Trainer(TrainerParts parts, const TrainerOptions& options);
  ~Trainer();

  /// Prepares a new run with seeded parameters.
  void initialize(uint64_t seed);
  /// Prepares a run from a checkpoint.
  /// Errors: kData.
  void load(const Checkpoint& checkpoint);
  /// What a branch takes from its parent besides parameters and numbers.
  struct Inheritance {
    bool stream = true;     ///< its position in the stream; else a new one begins
    bool optimizer = true;  ///< the state of its optimizers; else that starts as zeros
  };
  /// Prepares a branch from a checkpoint of another run. It is saved before its first step.
  /// Errors: kData.
  void branch(const Checkpoint& parent, const Inheritance& taken);
  /// Prepares a new run with only the parameters of a checkpoint.
  /// Errors: kData.
  void initialize_from(const Checkpoint& parent);
  /// Prepares a new run with parameters that `fill` writes: all of layout().flat_size() floats.
  /// Errors: those of `fill`.
  void initialize_with(const std::function<void(float* parameters)>& fill);

  /// Trains until a limit, a stop request or the end of the stream, then saves.
  /// Requires: initialize() or load().
  /// Errors: the error that ended training, after a save; kRuntime when the final save fails (naming the last
  /// good step); Diverged, without a save.
  RunSummary run();

  const ParameterLayout& layout() const { return model_.layout(); }
  const float* parameters() const { return parameters_.data(); }
  uint64_t step() const { return state_.step; }

 private:
  using Clock = std::chrono::steady_clock;

  Replica replica();
  void note_loaded(const Checkpoint& checkpoint);
  RunSummary run_to_end();
  void begin_session();
  void record_session();
  void record_end(const std::string& reason, const std::string& error);
  void open_log();
  EndReason train();
  EndReason loop();
  ReachedLimits reached_limits() const;
  bool fetch();
  void step();
  StepRecord train_step();
  void apply(const StepResult& result, StepRecord& record);
  void count_step(bool applied, uint64_t targets);
  void finish_record(StepRecord& record) const;
  void skip_step();

  void begin_budget();
  void note_first_step();
  void fix_steps_when_due();
  void fix_steps(uint64_t steps);
  double clock_seconds() const;
  double spent_seconds() const;
  void keep_spent_seconds();

  void obey_requests();
  void change_settings();
  void pause(const RunControl::Pause& pause);
  void stand_still(RunControl::Pause known);
  bool save_is_requested();

  void judge(const StepRecord& record);
  void note_bad_step(uint64_t step);
  std::vector<std::string> documents() const;
  void audit_replay(uint64_t step, uint64_t digest);
  std::optional<Checkpoint> checkpoint_to_return_to();
  void return_to_checkpoint();
  [[noreturn]] void give_up(const std::string& why);

  void take_newer_state();
  bool count_made_step(const MadeStep& made);
  void reload_checkpoint();

  void catch_up();
  void do_what_is_due();
  void evaluate_between_steps();
  void evaluate_now(const std::stop_token& stop);
  void evaluate_within(double most_seconds, const std::stop_token& stop);
  void evaluate_if_quick();
  double expected_evaluation_seconds() const;
  void tell_left_out();
  void sample_now();

  void save();
  bool save_at_end();
  bool give_back_batches();
  CheckpointContent capture(StreamState& stream);
  void save_after_error();
  EndReason conclude(EndReason reason);
  void finish();

  TrainerParts parts_;
  TrainerOptions options_;
  Transformer model_;
  Buffer<float> parameters_;
  OptimizerSet optimizer_;
  GradientPass pass_;
  RunState state_;
  StepHistory history_;
  BadStretch bad_stretch_;
  std::optional<uint64_t> on_disk_;                                // step of the checkpoint that was loaded
  std::optional<std::chrono::system_clock::time_point> saved_at_;  // when it was made
  std::optional<StreamState> loaded_stream_;                       // where to open the source
  std::unique_ptr<BatchSource> source_;
  std::vector<Batch> batches_;
  bool skipping_ = false;         // the last step was skipped on the user's request
  bool batches_pending_ = false;  // taken from the source, but their step is not finished
  /// Whether parameters, moments, numbers and source are of the same step. An exception while they are not
  /// leaves a mixture, which is never saved.
  bool whole_ = true;
  bool left_out_told_ = false;  // that there is no time for evaluations
  uint64_t last_sampled_ = UINT64_MAX;
  double evaluation_seconds_ = 0;  // of the last evaluation
  double forward_seconds_ = 0;     // of the last step
  // Of the budget: the clock at the start of the session (later by its pauses), what earlier sessions spent, and
  // what passed before the first steps of all sessions.
  double clock_start_ = 0, spent_before_ = 0, start_seconds_ = 0;
  bool stepping_ = false;  // the first step of the session has its batches
  Clock::time_point session_start_, step_start_;
  RunRecorder recorder_;
  std::unique_ptr<StepMaker> step_maker_;
  BackgroundSaver saver_;  // last, so that its writer ends before the data that it reads
};

}  // namespace pretrain
