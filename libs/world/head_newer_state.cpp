// SPDX-License-Identifier: Apache-2.0
// A head that was lost and comes back: its members have kept the state of the last committed step, which is newer than its
// checkpoint. The steps of a member must follow from the checkpoint, one id after the other, so that nobody's state
// but that of this run is taken.

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/world/head.h"
#include "libs/world/replica_state.h"

namespace pretrain {
namespace {

/// Whether the steps lead from one state to the other.
bool lead(uint64_t from, uint64_t to, uint64_t step, const std::vector<MadeStep>& steps) {
  for (const MadeStep& made : steps) {
    if (made.step <= step) return false;
    step = made.step;
    from = next_state_id(from, made);
  }
  return !steps.empty() && from == to;
}

}  // namespace

/// Members try to reach a lost head every second, so that all that are alive have come back by then. Between the two,
/// nothing else has to be done.
void Head::wait_for_returning(const std::function<void()>& on_progress) {
  constexpr std::chrono::milliseconds kLook(50), kReturn(3000);
  const auto until = Clock::now() + kReturn;
  const auto ready = [&] {
    return static_cast<uint32_t>(
        std::ranges::count_if(waiting_, [](const auto& machine) { return machine->ready; }));
  };
  while (look_around(), machines() + ready() < options_.most && Clock::now() < until) {
    if (parts_.stop.stop_requested()) throw Stopped();
    if (on_progress) on_progress();
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, parts_.stop, kLook, [] { return false; });
  }
}

std::vector<MadeStep> Head::find_newer_steps(uint64_t step, const std::function<void()>& on_progress) {
  newer_.reset();
  if (!state_is_known_) return {};
  wait_for_machines(on_progress);
  wait_for_returning(on_progress);
  std::vector<Machine*> ahead;
  for (const auto& machine : waiting_) {
    if (machine->ready && machine->step > step) ahead.push_back(machine.get());
  }
  std::ranges::stable_sort(ahead, [](const Machine* a, const Machine* b) { return a->step > b->step; });
  for (Machine* machine : ahead) {
    newer_ = newer_state_of(*machine, step);
    if (!newer_) continue;
    machine->is_source = true;
    return newer_->steps;
  }
  return {};
}

/// Empty when the machine is gone, or its state is of another run or another past.
std::optional<StepsMessage> Head::newer_state_of(Machine& machine, uint64_t step) {
  machine.channel->send(kTellSteps, TellStepsMessage{.generation = generation_, .after = step}.pack());
  const std::optional<Frame> frame = answer_of(machine, {kSteps}, parts_.stop);
  if (!frame) return std::nullopt;
  try {
    StepsMessage found = StepsMessage::unpack(frame->payload);
    if (lead(state_, found.state, step, found.steps)) return found;
    log_info(
        "{} has made step {}, which does not follow from the checkpoint of step {}; it gets the state of this one",
        machine.name, format_count(machine.step), format_count(step));
  } catch (const Error& error) {  // damaged
    machine.gone = error.what();
  }
  return std::nullopt;
}

bool Head::take_newer_state() {
  if (!newer_) return false;
  try {
    form();
    return true;
  } catch (const PeerLost& lost) {
    log_warning("the newer state is lost: {}", lost.what());
  }
  newer_.reset();
  for (Machines* machines : {&members_, &waiting_}) {
    for (const auto& machine : *machines) machine->is_source = false;
  }
  changed_ = true;
  return false;
}

/// The machine with the newer state needs a place.
void Head::put_source_first() {
  if (!newer_) return;
  const auto is_source = [](const auto& machine) { return machine->is_source; };
  if (std::ranges::none_of(members_, is_source) && std::ranges::none_of(waiting_, is_source))
    throw PeerLost({.what = "its machine is gone"});
  std::ranges::stable_partition(waiting_, is_source);
}

/// Errors: PeerLost; parameters and moments are a mixture then.
void Head::take_state_of_source() {
  if (!newer_) return;
  const auto source = std::ranges::find_if(members_, [](const auto& machine) { return machine->is_source; });
  if (source == members_.end()) throw PeerLost({.what = "its machine is gone"});
  Machine& machine = **source;
  const auto rank = static_cast<int>(source - members_.begin()) + 1;
  machine.channel->send(kGiveState,
                        GiveStateMessage{.generation = generation_, .patience = patience()}.pack());
  take_state(parts_.replica, *fabric_, rank, patience());
  parts_.replica.optimizer.set_updates(newer_->updates);
  parts_.replica.model.use_parameters(parts_.replica.parameters.data());
  log_info("took the state of step {} from {}", format_count(newer_->steps.back().step), machine.name);
  step_ = newer_->steps.back().step;
  state_ = machine.state = newer_->state;
  made_.replace(newer_->steps);
  machine.is_source = false;
  newer_.reset();
}

}  // namespace pretrain
