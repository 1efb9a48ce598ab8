// SPDX-License-Identifier: Apache-2.0
// The trainer's handling of trouble: steps that are not finite, the return to a checkpoint, and the last save
// of a run that ends in the middle of something.

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/base/io_advice.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/train/trainer.h"

namespace pretrain {
namespace {

/// A digest that a replay of the step must reproduce. All steps that are not finite count as equal, because
/// NaN has many bit patterns.
uint64_t digest_of(const StepRecord& record) {
  const std::array<double, 2> numbers =
      record.applied ? std::array{record.loss, record.gradient_norm} : std::array{0.0, -1.0};
  return hash64(std::as_bytes(std::span(numbers)), record.batch_hash);
}

/// The first few documents, for a message; the log has all.
std::string first_documents(const std::vector<std::string>& documents) {
  constexpr size_t kShown = 3;
  const auto shown = std::span(documents).first(std::min(kShown, documents.size()));
  return fmt::format("{}{}", fmt::join(shown, ", "), documents.size() > kShown ? ", ..." : "");
}

}  // namespace

/// Decides what to do after a step that may not be finite.
void Trainer::judge(const StepRecord& record) {
  if (!record.applied) note_bad_step(record.step);
  audit_replay(record.step, digest_of(record));
  switch (state_.guard.record(record.applied, record.step, batches_.front().number)) {
    case GuardVerdict::kGoOn:
      break;
    case GuardVerdict::kReturn:
      return_to_checkpoint();
      break;
    case GuardVerdict::kStop:
      give_up("also when they were repeated from a checkpoint");
  }
}

void Trainer::note_bad_step(uint64_t step) {
  log_warning(
      "step {}: loss or gradient is not finite; the step was skipped (batch {}, documents in metrics.jsonl)",
      step, batches_.front().number);
  recorder_.note_bad_step(step, batches_, documents());
}

/// The same step from the same state must give the same numbers; if not, the hardware failed.
void Trainer::audit_replay(uint64_t step, uint64_t digest) {
  if (history_.agrees(step, digest)) return;
  log_error(
      "step {} came out differently when it was repeated: this machine produced a wrong result once (check memory, "
      "processor, overclocking); training continues with the second result",
      step);
  recorder_.note_hardware_fault(step);
}

/// The newest checkpoint. If an earlier version saved it between bad steps, the newest one before them,
/// because the replay would fail again otherwise.
std::optional<Checkpoint> Trainer::checkpoint_to_return_to() {
  std::optional<Checkpoint> newest = parts_.store.newest_verified();
  if (!newest || !is_of_a_run_in_trouble(newest->folder)) return newest;
  for (const CheckpointEntry& entry : parts_.store.list()) {
    if (entry.step >= newest->step) continue;
    Checkpoint older = verify_checkpoint(entry.folder);
    if (is_of_a_run_in_trouble(older.folder)) continue;
    parts_.store.abandon_newer_than(older.step);
    return older;
  }
  return std::nullopt;
}

/// Until the source is open again the state is a mixture (whole_ is false): a stop or an error then ends the
/// run without a save, and a resume continues from the checkpoint.
void Trainer::return_to_checkpoint() {
  saver_.wait();
  const std::optional<Checkpoint> checkpoint = checkpoint_to_return_to();
  if (!checkpoint) give_up("and there is no checkpoint to return to");
  const NonFiniteGuard guard = state_.guard;
  const uint64_t from = state_.step;
  log_warning("{} consecutive steps were not finite; returning from step {} to the checkpoint of step {}",
              guard.in_a_row.size(), from, checkpoint->step);
  recorder_.summary().source = source_->status();
  whole_ = false;
  source_.reset();
  saver_.return_to(checkpoint->step);
  load(*checkpoint);
  state_.guard.remember(guard);
  open_log();
  recorder_.note_return(from, state_.step, guard.in_a_row);
  source_ = parts_.open_source(&*loaded_stream_);
  loaded_stream_.reset();
  whole_ = true;
}

/// Saves nothing: a resume trains the steps since the newest checkpoint again, and a state from which every
/// step fails must not replace a good one.
void Trainer::give_up(const std::string& why) {
  saver_.wait();
  const std::vector<GuardedStep>& steps = state_.guard.in_a_row;
  throw Diverged(
      fmt::format("training stopped: {} consecutive steps were not finite, {} (steps {} to {}, batches {} to "
                  "{}, the last with text from {}; all documents are in {})",
                  steps.size(), why, steps.front().step, steps.back().step, steps.front().batch,
                  steps.back().batch, first_documents(source_->documents_of(batches_.back())),
                  (parts_.state_folder / "metrics.jsonl").native()),
      {.first_step = steps.front().step,
       .last_step = steps.back().step,
       .checkpoint_step = saver_.last_good_step()});
}

/// The last save, of the last step that changed something. Batches taken from the stream since are put back.
/// False if that state is no longer in memory.
bool Trainer::save_at_end() {
  if (!whole_) {
    log_warning(
        "nothing is saved after step {}, because the run was changing its state; continue from the newest checkpoint "
        "with resume",
        recorder_.summary().last_step);
    return false;
  }
  if (!give_back_batches()) return false;
  saver_.save(
      state_.step, [this](StreamState& stream) { return capture(stream); }, SaveKind::kLast);
  saver_.wait();
  return true;
}

/// False if the stretch was too long to keep its batches.
bool Trainer::give_back_batches() {
  std::vector<Batch> batches;
  if (bad_stretch_.open()) {
    if (!bad_stretch_.holds_all()) {
      log_warning("the steps after {} were not finite, and too many to return to it; nothing is saved",
                  bad_stretch_.before().step);
      return false;
    }
    batches = bad_stretch_.take_batches();
    state_ = bad_stretch_.before();
    recorder_.summary().ended_amid_bad_steps = true;
  }
  if (std::exchange(batches_pending_, false)) std::ranges::move(batches_, std::back_inserter(batches));
  if (!batches.empty()) source_->give_back(std::move(batches));
  return true;
}

/// Saves what was trained after an error. Errors of this save are only logged, because the first error is the
/// one to report.
void Trainer::save_after_error() {
  try {
    const bool is_to_be_saved = save_at_end();
    if (is_to_be_saved && saver_.last_good_step() != state_.step)
      log_error("{}", recorder_.snapshot().failed_save);
  } catch (const std::exception& error) {
    log_error("checkpoint of step {} failed: {}", format_count(state_.step), message_with_advice(error));
  } catch (...) {
    log_error("checkpoint of step {} failed", format_count(state_.step));
  }
}

}  // namespace pretrain
