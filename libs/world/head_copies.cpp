// SPDX-License-Identifier: Apache-2.0
// A second copy of each checkpoint, sent between steps to a member that keeps copies.

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/world/head.h"

namespace pretrain {

void Head::note_saved(uint64_t step) {
  made_.forget_up_to(step);
  if (options_.copies > 1) to_copy_ = step;
}

/// Sends what the receiver has asked for. One that is lost leaves the copy to the next.
void Head::continue_copy() {
  const auto gets = [](const auto& machine) { return machine->gets_copy; };
  if (copying_ && std::ranges::none_of(members_, gets)) {
    if (!to_copy_) to_copy_ = copying_->step();
    copying_.reset();
  }
  try {
    if (!copying_) start_copy();
    if (!copying_) return;
    Machine& machine = **std::ranges::find_if(members_, gets);
    while (const auto part = copying_->next()) machine.channel->send(kCopyPart, part->pack());
  } catch (const Error& error) {  // such as a checkpoint that was removed, because newer ones are there
    log_warning("no copy of this checkpoint on another machine: {}", error.what());
    copying_.reset();
  }
}

void Head::start_copy() {
  if (!to_copy_) return;
  const auto keeper =
      std::ranges::find_if(members_, [](const auto& machine) { return machine->keeps_copies; });
  if (keeper == members_.end()) return;
  const uint64_t step = *std::exchange(to_copy_, std::nullopt);
  for (const auto& machine : members_) machine->gets_copy = false;
  copying_.emplace(checkpoints_folder(options_.state_folder) / checkpoint_name(step), step);
  (*keeper)->gets_copy = true;
}

void Head::note_copied(Machine& machine, const Frame& frame) {
  const CopyAnswer answer = CopyAnswer::unpack(frame.payload);
  if (!copying_ || !machine.gets_copy || answer.step != copying_->step()) return;
  copying_->note_answer();
  if (answer.problem.empty() && !answer.is_complete) return continue_copy();
  copying_.reset();
  if (answer.is_complete) {
    log_info("{} has a copy of the checkpoint of step {}", machine.name, format_count(answer.step));
  } else {
    log_warning(
        "{} can't keep a copy of the checkpoint of step {}: {}; training continues, the next one is tried again",
        machine.name, format_count(answer.step), answer.problem);
  }
}

/// The last checkpoint of a run that has ended is the one that is wanted most.
void Head::finish_copy() {
  constexpr std::chrono::milliseconds kLook(20);
  constexpr std::chrono::minutes kMost(2);
  const auto until = Clock::now() + kMost;
  while (continue_copy(), copying_ && Clock::now() < until && !parts_.stop.stop_requested()) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, parts_.stop, kLook, [] { return false; });
    for (const auto& machine : members_) listen_to(*machine);
    std::erase_if(members_, [](const auto& machine) { return !machine->gone.empty(); });
  }
}

}  // namespace pretrain
