// SPDX-License-Identifier: Apache-2.0
#include "libs/world/head.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/world/replica_state.h"

namespace pretrain {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Moving averages, so that one disturbed step moves no slot.
void average(double& value, double newest) {
  value = value == 0 ? newest : 0.8 * value + 0.2 * newest;
}

}  // namespace

Head::Head(Parts parts, const HeadOptions& options)
    : parts_(std::move(parts)),
      options_(options),
      exchange_(buckets_of(parts_.replica.model.layout().backward_parts())),
      ranges_{{0, parts_.replica.pass.slots()}},
      state_(new_state_id()) {
  PRETRAIN_CHECK(options_.most <= parts_.replica.pass.slots(), "{} machines for {} slots", options_.most,
                 parts_.replica.pass.slots());
}

Head::~Head() {
  if (fabric_) fabric_->close();
}

void Head::note_replaced_state(uint64_t state) {
  state_is_known_ = state != kNoState;
  state_ = state_is_known_ ? state : new_state_id();
  made_.replace({});
  changed_ = !members_.empty();
}

void Head::end(const std::string& reason) {
  if (!parts_.stop.stop_requested()) finish_copy();
  welcome_newcomers();
  for (Machines* machines : {&members_, &waiting_}) {
    for (const auto& machine : *machines) {
      machine->channel->send(kEnd, reason);
      machine->channel->close();
    }
    machines->clear();
  }
}

StepResult Head::make(const StepOrder& order, const std::function<void()>& on_progress) {
  step_ = order.step - 1;
  wait_for_machines(on_progress);
  for (;;) {
    look_around();
    if (changed_) form();
    try {
      return members_.empty() ? alone(order, on_progress) : together(order, on_progress);
    } catch (const PeerLost& lost) {
      log_warning("step {} is made again: {}", order.step, lost.what());
      changed_ = true;
      const auto rank = static_cast<size_t>(std::max(lost.rank(), 0));
      if (rank > 0 && rank <= members_.size()) members_[rank - 1]->suspect = true;
    }
  }
}

/// One machine needs no others. Its states have ids, too, because others may join later.
StepResult Head::alone(const StepOrder& order, const std::function<void()>& on_progress) {
  const auto start = Clock::now();
  StepResult result = parts_.replica.pass.run(order.batches, on_progress);
  result.machines = 1;
  longest_step_ = std::max(longest_step_, seconds_since(start));
  average(pace_, parts_.replica.pass.slots() / seconds_since(start));
  note_made(order.step, result, GlobalBatch(order.batches).hash());
  return result;
}

StepResult Head::together(const StepOrder& order, const std::function<void()>& on_progress) {
  const auto start = Clock::now();
  const GlobalBatch batch(order.batches);
  if (plan_slots()) note_slots();
  GradientPass& pass = parts_.replica.pass;
  const std::optional<Audit> audited = audit(order, batch);
  hand_out(order, batch, audited);
  const auto handed_out = Clock::now();
  double computed = 0;
  const ExchangeTimes exchanged = exchange_.run(
      {.fabric = *fabric_, .ranges = ranges_, .patience = patience(), .gradient = pass.gradient()},
      [&](const OnGradientPart& on_part) {
        pass.run_slots(batch, ranges_.front(), batch.targets(), on_progress, on_part);
        computed = seconds_since(handed_out);
      });
  StepResult result = pass.conclude(pass.gradient().total_loss(), batch.targets());
  const uint64_t state = next_state_id(state_, result, batch.hash());
  compare(order, batch, state, audited);
  commit();
  note_made(order.step, result, batch.hash());
  if (ranges_.front().size() > 0) average(pace_, ranges_.front().size() / computed);
  longest_step_ = std::max(longest_step_, seconds_since(start));
  result.machines = machines();
  result.exchange_seconds = exchanged.seconds;
  result.exchange_hidden_seconds = exchanged.hidden_seconds;
  return result;
}

void Head::note_made(uint64_t step, const StepResult& result, uint64_t batch_hash) {
  made_.push(made_step(step, result, batch_hash));
  state_ = next_state_id(state_, result, batch_hash);
}

/// The machines take turns, and so do their slots.
std::optional<Head::Audit> Head::audit(const StepOrder& order, const GlobalBatch& batch) {
  if (options_.audit_every == 0 || order.step % options_.audit_every != 0) return std::nullopt;
  const uint64_t turn = order.step / options_.audit_every;
  Audit audit{.parameters = hash_of_parameters(parts_.replica), .member = turn % members_.size()};
  const SlotRange& slots = ranges_[audit.member + 1];
  if (slots.size() == 0) return audit;
  audit.slot = slots.first + static_cast<uint32_t>(turn / members_.size() % slots.size());
  audit.gradient = gradient_hash_of(audit.slot, batch);
  return audit;
}

uint64_t Head::gradient_hash_of(uint32_t slot, const GlobalBatch& batch) {
  GradientPass& pass = parts_.replica.pass;
  pass.gradient().watch(slot);
  pass.run_slots(batch, {slot, slot + 1}, batch.targets());
  pass.gradient().watch(std::nullopt);
  return pass.gradient().watched_hash().value_or(0);
}

void Head::hand_out(const StepOrder& order, const GlobalBatch& batch, const std::optional<Audit>& audit) {
  const StepMessage message{.generation = generation_,
                            .step = order.step,
                            .learning_rate = order.learning_rate,
                            .patience = patience(),
                            .audit = audit.has_value(),
                            .watched = audit ? audit->slot : kNoSlot,
                            .targets = batch.targets(),
                            .batch_hash = batch.hash(),
                            .ranges = ranges_,
                            .batches = {}};
  for (size_t i = 0; i < members_.size(); ++i)
    members_[i]->channel->send(kMakeStep, message.pack(batch, parts_.replica.pass.slots(), i + 1));
}

/// Errors: PeerLost, when one has no answer.
std::vector<DoneMessage> Head::gather_answers() {
  std::vector<DoneMessage> answers;
  for (const auto& machine : members_) {
    const auto frame = answer_of(*machine, {kDone, kFailed});
    if (!frame) {
      const std::string why = fmt::format("{}: {}", machine->name, machine->gone);
      part_with_the_gone();
      throw PeerLost({.what = why});
    }
    if (frame->kind == kFailed) {
      const FailedMessage failed = FailedMessage::unpack(frame->payload);
      throw PeerLost({.rank = failed.rank, .what = fmt::format("{}: {}", machine->name, failed.why)});
    }
    answers.push_back(DoneMessage::unpack(frame->payload));
  }
  return answers;
}

/// With several others that agree among themselves, this machine is the one that is wrong.
/// Errors: kRuntime.
void Head::check_own_result(uint64_t step, uint64_t state, const std::vector<DoneMessage>& answers) {
  const bool others_agree =
      answers.size() > 1 && std::ranges::all_of(answers, [&](const DoneMessage& answer) {
        return answer.state != state && answer.state == answers.front().state;
      });
  if (!others_agree) return;
  fail(
      ErrorKind::kRuntime,
      "step {}: all {} other machines agree on another result than this one, which has computed a wrong one (check "
      "memory, processor, overclocking); continue from the last checkpoint",
      step, answers.size());
}

/// All machines must have got the same. One that has not is dismissed, and the step is made again without it.
void Head::compare(const StepOrder& order, const GlobalBatch& batch, uint64_t state,
                   const std::optional<Audit>& audit) {
  const std::vector<DoneMessage> answers = gather_answers();
  check_own_result(order.step, state, answers);
  bool wrong = false;
  for (size_t i = 0; i < answers.size(); ++i) {
    Machine& machine = *members_[i];
    const DoneMessage& answer = answers[i];
    bool agrees = answer.state == state && (!audit || answer.parameters == audit->parameters);
    if (agrees && audit && audit->member == i && audit->slot != kNoSlot &&
        answer.watched != audit->gradient) {
      // Computed a second time, so that a wrong result of this machine dismisses no other. The sum is lost.
      agrees = gradient_hash_of(audit->slot, batch) != audit->gradient;
      if (agrees)
        log_error(
            "step {}: this machine computed slot {} twice with different results: check its memory, "
            "processor and overclocking",
            order.step, audit->slot);
      wrong = true;
    }
    if (agrees) {
      const uint32_t slots = ranges_[i + 1].size();
      if (slots > 0 && answer.seconds > 0) average(machine.pace, slots / answer.seconds);
      if (!answer.leaves) continue;
      machine.left = true;
      machine.gone = "it was stopped";  // after this step
      continue;
    }
    wrong = true;
    const std::string why = fmt::format(
        "step {} came out differently there: check its memory, processor and overclocking", order.step);
    machine.channel->send(kDismiss, why);
    machine.gone = why;
    machine.wrong = true;
  }
  if (!wrong) return;
  part_with_the_gone();
  throw PeerLost({.what = "a machine computed a wrong result"});
}

/// A machine that does not get this is lost, and gets the state when it comes back.
void Head::commit() {
  for (const auto& machine : members_) machine->channel->send(kCommit, "");
}

/// Slots a second. A machine that was not timed yet gets the mean of a thread of the others.
std::vector<double> Head::speeds() const {
  double timed = 0, threads = 0;
  const auto count = [&](double pace, double of_threads) {
    if (pace <= 0) return;
    timed += pace;
    threads += of_threads;
  };
  const double own_threads = parts_.replica.compute.threads();
  count(pace_, own_threads);
  for (const auto& machine : members_) count(machine->pace, machine->threads);
  const double of_a_thread = threads > 0 ? timed / threads : 1;
  std::vector<double> speeds{pace_ > 0 ? pace_ : of_a_thread * own_threads};
  for (const auto& machine : members_)
    speeds.push_back(machine->pace > 0 ? machine->pace : of_a_thread * machine->threads);
  return speeds;
}

/// True when they move, which they do only if it is worth it: moving costs memory, and a changed plan is noise in the log.
bool Head::plan_slots() {
  constexpr uint64_t kStepsBetweenPlans = 20;
  constexpr double kWorthIt = 0.9;
  const uint32_t slots = parts_.replica.pass.slots();
  if (!changed_ && ++steps_since_plan_ < kStepsBetweenPlans) return false;
  steps_since_plan_ = 0;
  const std::vector<double> speed = speeds();
  std::vector<SlotRange> planned = ranges_of(slots, speed);
  const auto time = [&](const std::vector<SlotRange>& ranges) {
    double longest = 0;
    for (size_t i = 0; i < ranges.size(); ++i) longest = std::max(longest, ranges[i].size() / speed[i]);
    return longest;
  };
  if (ranges_.size() == planned.size() && time(planned) > kWorthIt * time(ranges_)) return false;
  ranges_ = std::move(planned);
  return true;
}

void Head::note_slots() {
  MachineEvent event{.kind = MachineEvent::Kind::kSlots, .machine = "", .why = "", .machines = machines()};
  event.shares.push_back(
      {.machine = options_.name, .slots = ranges_.front().size(), .slots_per_second = pace_});
  for (size_t i = 0; i < members_.size(); ++i)
    event.shares.push_back({.machine = members_[i]->name,
                            .slots = ranges_[i + 1].size(),
                            .slots_per_second = members_[i]->pace});
  if (parts_.on_machine) parts_.on_machine(event);
}

/// The first step is of unknown length.
std::chrono::milliseconds Head::patience() const {
  constexpr int kUnknown = 10, kLongest = 3;
  if (longest_step_ == 0) return kUnknown * options_.patience;
  const std::chrono::duration<double> longest(kLongest * longest_step_);
  return std::max(options_.patience, std::chrono::duration_cast<std::chrono::milliseconds>(longest));
}

}  // namespace pretrain
