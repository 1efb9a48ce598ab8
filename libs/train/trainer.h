#pragma once
// The training loop: fetch, step, update, record; evaluation, samples and checkpoints when they are due;
// limits and stop requests. Everything a resume needs is in RunState, the parameters, the optimizer and the
// batch source.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/checkpoint/store.h"
#include "libs/checkpoint/writer.h"
#include "libs/data/batch_source.h"
#include "libs/data/evaluation_data.h"
#include "libs/metrics/step_log.h"
#include "libs/model/transformer.h"
#include "libs/optim/adamw.h"
#include "libs/optim/schedule.h"
#include "libs/tensor/peak.h"
#include "libs/train/checkpoint_state.h"
#include "libs/train/evaluation.h"
#include "libs/train/guard.h"
#include "libs/train/step.h"

namespace pretrain {

struct TrainerOptions {
  uint64_t max_steps = 0;                 ///< of the whole run; 0: no limit
  uint64_t max_tokens = 0;                ///< of the whole run; 0: no limit
  std::chrono::milliseconds max_time{0};  ///< of this session; 0: no limit
  uint32_t accumulate = 1;                ///< batches of one step
  Schedule schedule;
  AdamWOptions optimizer;
  std::chrono::milliseconds checkpoint_interval{std::chrono::minutes(10)};  ///< 0: not by time
  uint64_t checkpoint_every = 0;                                            ///< steps; 0: not by steps
  uint64_t evaluate_every = 500;                                            ///< steps; 0: only at both ends
  uint64_t sample_every = 0;                                                ///< steps; 0: only at both ends
  uint64_t log_every = 1;                                                   ///< steps
  int64_t micro_rows = 8;
  Recompute recompute = Recompute::kCheap;
  Precision precision = Precision::kFloat32;
};

/// One finished step.
struct StepRecord {
  uint64_t step = 0;
  uint64_t tokens = 0;       ///< total so far
  uint64_t step_tokens = 0;  ///< of this step
  uint32_t epoch = 0;
  double loss = 0, learning_rate = 0, gradient_norm = 0;
  bool applied = true;  ///< false when the guard passed over it
  double step_seconds = 0, data_wait_seconds = 0, optimizer_seconds = 0, checkpoint_wait_seconds = 0;
  PassSeconds pass;
  double tokens_per_second = 0;
  double utilization = 0;  ///< share of the highest peak measured so far
  uint64_t batch_hash = 0;
};

/// Seconds by what they were spent on, over a session.
struct TimeSplit {
  double forward = 0, backward = 0, loss = 0, optimizer = 0, data_wait = 0, checkpoint = 0, evaluation = 0,
         samples = 0;
};

enum class EndReason { kLimit, kStopped, kStreamEnd };

struct RunSummary {
  EndReason reason = EndReason::kLimit;
  uint64_t first_step = 0, last_step = 0, tokens = 0;  ///< tokens of this session
  uint64_t returns = 0;  ///< times that the run went back to a checkpoint because of non-finite steps
  double seconds = 0;
  double step_seconds = 0;  ///< in steps alone
  TimeSplit split;
  std::optional<EvaluationResult> first_evaluation, last_evaluation;
  SourceStatus source;  ///< at the end
};

/// What a person or a service manager sees of a run. Called from the trainer's thread.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  /// The first batch is there: from here on the run trains.
  virtual void on_ready() {}
  /// A part of the work is done: a micro-batch, or a second of waiting for the disk. While the trainer waits
  /// for batches, or does not come back from a computation, nobody calls this.
  virtual void on_progress() {}
  virtual void on_step(const StepRecord& /*record*/, const SourceStatus& /*source*/) {}
  virtual void on_evaluation(uint64_t /*step*/, const EvaluationResult& /*result*/) {}
  /// Writes a sample with these parameters; ends early when a stop is requested.
  virtual void on_sample(uint64_t /*step*/, const float* /*parameters*/) {}
  virtual void on_save_started(uint64_t /*step*/) {}
  virtual void on_saved(const SaveResult& /*result*/) {}
  /// Training is over; what follows is the last evaluation and the last save.
  virtual void on_finishing(uint64_t /*step*/) {}
};

/// Opens the stream of batches at its beginning, or where a saved state stands.
using SourceOpener = std::function<std::unique_ptr<BatchSource>(const StreamState* state)>;

/// What the trainer is given. References must outlive it.
struct TrainerParts {
  Compute& compute;
  const ModelConfig& model;
  FileSystem& files;
  Path state_folder;
  CheckpointStore& store;
  const EvaluationData& evaluation;                  ///< may be empty
  std::vector<FileContent> fixed_files;              ///< config.json, tokenizer
  nlohmann::json configuration, fingerprint;         ///< for the manifest
  nlohmann::json parent = nlohmann::json::object();  ///< likewise
  FmaPeak& peak;                                     ///< measured again with each evaluation
  SourceOpener open_source;
  std::vector<TrainObserver*> observers;
  std::stop_token stop;
  std::function<bool()> take_save_request;  ///< true once after each request to save now
  TensorProbe probe = {};                   ///< sees the tensors of each training pass
};

/// One training run in this process. Single-owner.
class Trainer {
 public:
  Trainer(TrainerParts parts, const TrainerOptions& options);
  ~Trainer();

  /// A fresh run with seeded parameters.
  void initialize(uint64_t seed);
  /// A run from a checkpoint. Errors: kData.
  void load(const Checkpoint& checkpoint);
  /// A new run from a checkpoint of another one: with its parameters, moments and numbers, and its place in
  /// the stream, or at the beginning of one. Saved before its first step. Errors: kData.
  void branch(const Checkpoint& parent, bool keeps_stream);
  /// A new run with the parameters of a checkpoint and nothing else of it. Errors: kData.
  void initialize_from(const Checkpoint& parent);

  /// Trains until a limit, a stop request or the end of the stream, and saves. Requires: initialize() or
  /// load(). Errors: what ended the source (after a save); kRuntime when the final save fails (naming the
  /// last good step) or the guard gives up.
  RunSummary run();

  const ParameterLayout& layout() const { return model_.layout(); }
  const float* parameters() const { return parameters_.data(); }
  uint64_t step() const { return state_.step; }

 private:
  using Clock = std::chrono::steady_clock;

  template <typename Call>
  void tell(Call call) {
    for (TrainObserver* observer : parts_.observers) call(*observer);
  }
  void tell_progress() {
    tell([](TrainObserver& observer) { observer.on_progress(); });
  }
  void wait_a_second_for_the_disk(std::chrono::seconds waited);

  void train();
  bool limit_reached() const;
  bool fetch();
  StepRecord train_step();
  void apply_update(const StepResult& result, StepRecord& record);
  void finish_record(StepRecord& record, Clock::time_point start, double data_wait) const;
  void note_step(const StepRecord& record);

  void judge(const StepRecord& record);
  void note_passed_over(const StepRecord& record);
  void audit_replay(const StepRecord& record);
  void return_to_checkpoint();
  [[noreturn]] void give_up(const std::string& why);

  void catch_up();
  void do_what_is_due();
  bool checkpoint_is_due();
  void evaluate_now();
  void sample_now();

  void save();
  void save_after_error();
  void wait_for_writer();
  void collect_save_results();
  void report(const SaveResult& result);
  void finish();

  TrainerParts parts_;
  TrainerOptions options_;
  Transformer model_;
  Buffer<float> parameters_, gradients_;
  AdamW optimizer_;
  GradientPass pass_;
  RunState state_;
  StepHistory history_;
  bool fresh_ = true;
  bool ready_ = false;
  bool save_requested_ = false;
  std::unique_ptr<StepLog> log_;
  std::optional<StreamState> loaded_stream_;  // where the source is to be opened
  StreamState saved_stream_;                  // the writer reads it in place
  CheckpointWriter writer_;
  std::unique_ptr<BatchSource> source_;
  std::optional<uint64_t> last_good_step_;
  std::vector<Batch> batches_;
  RunSummary summary_;
  Clock::time_point session_start_, last_save_start_;
  double save_pause_seconds_ = 0;  // that the newest save has cost the trainer so far
  uint64_t last_sampled_ = UINT64_MAX;
};

}  // namespace pretrain
