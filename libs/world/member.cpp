// SPDX-License-Identifier: Apache-2.0
#include "libs/world/member.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/world/replica_state.h"

namespace pretrain {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Member::Member(Parts parts)
    : parts_(std::move(parts)), exchange_(buckets_of(parts_.replica.model.layout().backward_parts())) {}

Member::~Member() {
  leave_fabric();
}

Member::Outcome Member::serve() {
  constexpr std::chrono::milliseconds kLook(200);  // for a stop request
  const MemberMemory& memory = parts_.memory;
  parts_.channel.send(kReady, ReadyMessage{.state = memory.state, .step = memory.step}.pack());
  for (;;) {
    const std::optional<Frame> frame = parts_.channel.receive(kLook, {});
    // One that is to stop takes no part in a new generation.
    if (frame && (frame->kind != kForm || !parts_.stop.stop_requested())) {
      if (auto outcome = obey(*frame)) return *std::move(outcome);
      continue;
    }
    if (parts_.on_progress) parts_.on_progress();
    if (!parts_.stop.stop_requested()) continue;
    parts_.channel.send(kLeave, "");
    parts_.channel.close();
    return {.end = End::kLeft, .reason = ""};
  }
}

std::optional<Member::Outcome> Member::obey(const Frame& frame) {
  switch (frame.kind) {
    case kForm:
      form(FormMessage::unpack(frame.payload));
      break;
    case kMeet:
      meet(MeetMessage::unpack(frame.payload));
      break;
    case kTakeState:
      take(TakeStateMessage::unpack(frame.payload));
      break;
    case kTellSteps:
      tell_steps(TellStepsMessage::unpack(frame.payload));
      break;
    case kGiveState:
      give(GiveStateMessage::unpack(frame.payload));
      break;
    case kCopyPart:
      if (parts_.copies != nullptr) parts_.copies->take(CopyPart::unpack(frame.payload));
      break;
    case kMakeStep:
      make_step(StepMessage::unpack(frame.payload, {.slots = parts_.replica.pass.slots(),
                                                    .rank = place_.rank,
                                                    .vocabulary = parts_.vocabulary,
                                                    .positions = parts_.positions}));
      break;
    case kCommit:
      if (leaving_) return Outcome{.end = End::kLeft, .reason = ""};
      commit();
      break;
    case kWait:
      log_info("stand-by: the run has {} machines; this one joins when another leaves", frame.payload);
      break;
    case kEnd:
      return Outcome{.end = End::kRunEnded, .reason = frame.payload};
    case kDismiss:
      fail(ErrorKind::kRuntime, "the head has dismissed this machine: {}", frame.payload);
    default:
      fail(ErrorKind::kData, "the head sent a message of unknown kind {}", frame.kind);
  }
  return std::nullopt;
}

void Member::leave_fabric() {
  if (fabric_) fabric_->close();
  fabric_.reset();
  meeting_.reset();
}

/// A step that the head did not commit is forgotten: it is made again.
void Member::form(const FormMessage& order) {
  leave_fabric();
  pending_.reset();
  leaving_ = false;
  place_ = order;
  meeting_ = parts_.open_meeting({.place = {.rank = static_cast<int>(order.rank),
                                            .size = static_cast<int>(order.size),
                                            .generation = order.generation},
                                  .key_name = order.key_name,
                                  .patience = order.patience,
                                  .stop = parts_.stop});
  parts_.channel.send(kPorts,
                      PortsMessage{.generation = order.generation, .ports = meeting_->ports()}.pack());
}

void Member::meet(const MeetMessage& order) {
  if (meeting_ == nullptr || order.generation != place_.generation) return;
  try {
    fabric_ = meeting_->connect(order.ports);
    parts_.channel.send(
        kConnected, ConnectedMessage{.generation = order.generation, .state = parts_.memory.state}.pack());
    log_info("machine {} of {}", place_.rank + 1, place_.size);
  } catch (const PeerLost& lost) {
    report_failure(lost);
  }
  meeting_.reset();
}

/// Without a state until all of it is there.
void Member::take(const TakeStateMessage& order) {
  if (fabric_ == nullptr) return;
  parts_.memory = {};
  try {
    take_state(parts_.replica, *fabric_, 0, order.patience);
  } catch (const PeerLost& lost) {
    return report_failure(lost);
  }
  parts_.replica.optimizer.set_updates(order.updates);
  parts_.replica.model.use_parameters(parts_.replica.parameters.data());
  parts_.memory.state = order.state;
  parts_.memory.step = order.step;
  parts_.memory.made.replace(order.steps);
}

void Member::tell_steps(const TellStepsMessage& order) {
  parts_.channel.send(kSteps, StepsMessage{.generation = order.generation,
                                           .state = parts_.memory.state,
                                           .updates = parts_.replica.optimizer.updates(),
                                           .steps = parts_.memory.made.after(order.after)}
                                  .pack());
}

void Member::give(const GiveStateMessage& order) {
  if (fabric_ == nullptr || order.generation != place_.generation) return;
  try {
    give_state(parts_.replica, *fabric_, 0, order.patience);
  } catch (const PeerLost& lost) {
    report_failure(lost);
  }
}

void Member::make_step(StepMessage order) {
  if (fabric_ == nullptr || order.generation != place_.generation) return;
  const auto start = std::chrono::steady_clock::now();
  GradientPass& pass = parts_.replica.pass;
  const SlotRange slots = order.ranges[place_.rank];
  pass.gradient().watch(order.watched == kNoSlot ? std::nullopt : std::optional(order.watched));
  const GlobalBatch batch(order.batches);
  double computed = 0;
  ExchangeTimes exchanged;
  try {
    exchanged = exchange_.run(
        {.fabric = *fabric_, .ranges = order.ranges, .patience = order.patience, .gradient = pass.gradient()},
        [&](const OnGradientPart& on_part) {
          pass.run_slots(batch, slots, order.targets, parts_.on_progress, on_part);
          computed = seconds_since(start);
        });
  } catch (const PeerLost& lost) {
    return report_failure(lost);
  }
  const uint64_t watched = pass.gradient().watched_hash().value_or(0);
  const StepResult result = pass.conclude(pass.gradient().total_loss(), order.targets);
  const uint64_t state = next_state_id(parts_.memory.state, result, order.batch_hash);
  pending_ = Pending{.state = state,
                     .made = made_step(order.step, result, order.batch_hash),
                     .learning_rate = order.learning_rate,
                     .result = result,
                     .status = {.step = order.step,
                                .loss = result.loss,
                                .machines = place_.size,
                                .slots = slots,
                                .seconds = computed,
                                .exchange_seconds = exchanged.seconds,
                                .exchange_hidden_seconds = exchanged.hidden_seconds}};
  leaving_ = parts_.stop.stop_requested();
  parts_.channel.send(kDone, DoneMessage{.generation = order.generation,
                                         .step = order.step,
                                         .state = state,
                                         .parameters = order.audit ? hash_of_parameters(parts_.replica) : 0,
                                         .watched = watched,
                                         .seconds = computed,
                                         .leaves = leaving_}
                                 .pack());
}

void Member::commit() {
  if (!pending_) return;
  const Pending step = *std::exchange(pending_, std::nullopt);
  if (step.result.finite) {
    update(parts_.replica, step.result, step.learning_rate);
    parts_.replica.model.use_parameters(parts_.replica.parameters.data());
  }
  parts_.memory.state = step.state;
  parts_.memory.step = step.made.step;
  parts_.memory.made.push(step.made);
  if (parts_.on_step) parts_.on_step(step.status);
}

/// The head decides what to do. It sees at once that the fabric is closed here.
void Member::report_failure(const PeerLost& lost) {
  leave_fabric();
  parts_.channel.send(
      kFailed,
      FailedMessage{.generation = place_.generation, .rank = lost.rank(), .why = lost.what()}.pack());
}

}  // namespace pretrain
