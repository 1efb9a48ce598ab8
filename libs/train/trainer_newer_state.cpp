// SPDX-License-Identifier: Apache-2.0
// The start of a trainer that was the head of several machines and was lost: the others have made steps that it has no
// checkpoint of. It takes their state, and reads the text of these steps again without training on it, so that the stream
// continues where the state does.

#include <utility>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/train/global_batch.h"
#include "libs/train/trainer.h"

namespace pretrain {
namespace {

bool due(uint64_t every, uint64_t step) {
  return every > 0 && step % every == 0;
}

}  // namespace

/// Until all of it is there the state is a mixture (whole_ is false), which is never saved.
void Trainer::take_newer_state() {
  if (!on_disk_) return;
  const std::vector<MadeStep> made =
      step_maker_->find_newer_steps(state_.step, [this] { recorder_.note_progress(); });
  if (made.empty()) return;
  const uint64_t from = state_.step;
  log_info(
      "other machines have made {} since the checkpoint of step {}; reading the text of these steps again",
      format_counted(uint64_t{made.size()}, "step"), format_count(from));
  bool fits = true;
  for (size_t i = 0; fits && i < made.size(); ++i) {
    while (fits && state_.step + 1 < made[i].step) {
      fits = state_.skips.range_of(state_.step + 1).has_value() && fetch();
      if (fits) skip_step();
      whole_ = false;
    }
    fits = fits && count_made_step(made[i]);
  }
  if (!fits)
    log_warning("the text or the options have changed since; continuing from the checkpoint of step {}",
                from);
  saver_.wait_until_sources_read();
  if (!fits || !step_maker_->take_newer_state()) return reload_checkpoint();
  whole_ = true;
  log_info("continuing from step {}: nothing that other machines have made is lost",
           format_count(state_.step));
  if (!bad_stretch_.open()) save();
}

/// Consumes the batches of a step that another machine has made. False if they are others, or if the run has to return to a
/// checkpoint after it.
bool Trainer::count_made_step(const MadeStep& made) {
  whole_ = false;
  if (!fetch() || state_.step + 1 != made.step || state_.skips.range_of(made.step)) return false;
  const GlobalBatch global(batches_);
  if (global.hash() != made.batch_hash || global.targets() != made.targets) return false;
  StepRecord record{.step = made.step,
                    .step_tokens = made.targets,
                    .epoch = batches_.back().epoch,
                    .loss = made.loss,
                    .learning_rate = options_.schedule.at(made.step),
                    .gradient_norm = made.gradient_norm,
                    .applied = made.finite,
                    .batch_hash = made.batch_hash};
  count_step(made.finite, made.targets);
  record.tokens = state_.tokens;
  recorder_.note_made_step(record, source_->status(), due(options_.log_every, made.step));
  if (!made.finite) note_bad_step(made.step);
  return state_.guard.record(made.finite, made.step, batches_.front().number) == GuardVerdict::kGoOn;
}

/// The state of the checkpoint from which the session started.
void Trainer::reload_checkpoint() {
  const std::optional<Checkpoint> checkpoint = parts_.store.newest_verified();
  if (!checkpoint) fail(ErrorKind::kData, "{}: no checkpoint can be read", parts_.state_folder.native());
  whole_ = false;
  source_.reset();
  batches_pending_ = false;
  load(*checkpoint);
  open_log();
  source_ = parts_.open_source(&*loaded_stream_);
  loaded_stream_.reset();
  whole_ = true;
}

}  // namespace pretrain
