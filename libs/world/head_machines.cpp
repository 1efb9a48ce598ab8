// SPDX-License-Identifier: Apache-2.0
// Which machines take part: who joins, who is gone, and the fabric of each generation of them.

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/fabric/secret.h"
#include "libs/world/head.h"
#include "libs/world/replica_state.h"

namespace pretrain {
namespace {

/// As the user calls it: "b (192.168.1.11)".
std::string name_of(const Channel& channel) {
  const std::string& name = channel.peer().name;
  return name.empty() ? channel.peer_host() : fmt::format("{} ({})", name, channel.peer_host());
}

double threads_of(const Channel& channel) {
  const nlohmann::json& more = channel.peer().more;
  const auto found = more.find("threads");
  return found != more.end() && found->is_number_unsigned() ? std::max(1.0, found->get<double>()) : 1.0;
}

bool keeps_copies(const Channel& channel) {
  const auto found = channel.peer().more.find("keeps_copies");
  return found != channel.peer().more.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

/// Only at the start: a run that has lost machines continues with what it has.
void Head::wait_for_machines(const std::function<void()>& on_progress) {
  if (std::exchange(started_, true)) return;
  constexpr std::chrono::milliseconds kLook(100);
  uint32_t told = 0;
  for (;;) {
    look_around();
    const auto ready = std::ranges::count_if(waiting_, [](const auto& machine) { return machine->ready; });
    const auto here = machines() + static_cast<uint32_t>(ready);
    if (here >= options_.least) return;
    if (parts_.stop.stop_requested()) {
      started_ = false;
      throw Stopped();
    }
    if (told != here)
      log_info("waiting for machines: {} of {} are here; {}", here, options_.least, options_.how_to_join);
    told = here;
    if (on_progress) on_progress();
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, parts_.stop, kLook, [] { return false; });
  }
}

/// Between steps: takes note of what has happened since the last one.
void Head::look_around() {
  welcome_newcomers();
  for (const auto& machine : members_) listen_to(*machine);
  part_with_the_gone();
  continue_copy();
  const bool has_place = machines() < options_.most;
  for (const auto& machine : waiting_) {
    if (!machine->ready) continue;
    if (has_place) changed_ = true;
    if (has_place || std::exchange(machine->told_to_wait, true)) continue;
    machine->channel->send(kWait, fmt::format("{} of {}", machines(), options_.most));
    log_info("{} waits as stand-by: the run has {} of {} machines", machine->name, machines(), options_.most);
  }
}

void Head::welcome_newcomers() {
  while (auto channel = parts_.source.take()) {
    auto machine = std::make_unique<Machine>();
    machine->name = name_of(*channel);
    machine->threads = threads_of(*channel);
    machine->keeps_copies = keeps_copies(*channel);
    machine->channel = std::move(channel);
    waiting_.push_back(std::move(machine));
  }
  for (const auto& machine : waiting_) listen_to(*machine);
  std::erase_if(waiting_, [](const auto& machine) {
    if (machine->gone.empty()) return false;
    log_info("{} does not join after all: {}", machine->name, machine->gone);
    return true;
  });
}

/// What a machine says between steps.
void Head::listen_to(Machine& machine) {
  try {
    while (const auto frame = machine.channel->try_receive()) {
      if (frame->kind == kReady) {
        machine.step = ReadyMessage::unpack(frame->payload).step;
        machine.ready = true;
      }
      if (frame->kind == kCopied) note_copied(machine, *frame);
      if (frame->kind == kLeave) {
        machine.gone = "it was stopped";
        machine.left = true;
      }
    }
  } catch (const Error& error) {  // lost, or damaged
    if (machine.gone.empty()) machine.gone = error.what();
  }
}

void Head::part_with_the_gone() {
  Machines gone;
  for (auto& machine : members_) {
    if (!machine->gone.empty()) gone.push_back(std::move(machine));
  }
  if (gone.empty()) return;
  std::erase(members_, nullptr);
  changed_ = true;
  for (const auto& machine : gone) {
    machine->channel->close();
    auto kind = machine->left ? MachineEvent::Kind::kLeft : MachineEvent::Kind::kLost;
    if (machine->wrong) kind = MachineEvent::Kind::kWrong;
    note(kind, machine->name, machine->gone);
  }
  if (options_.may_lose_machines) return;
  fail(
      ErrorKind::kRuntime,
      "lost {}: {}; a job has to keep all its machines: start it again, and it continues from its last checkpoint",
      gone.front()->name, gone.front()->gone);
}

void Head::note(MachineEvent::Kind kind, const std::string& machine, const std::string& why) {
  if (parts_.on_machine)
    parts_.on_machine({.kind = kind, .machine = machine, .why = why, .machines = machines()});
}

/// Until it works: each failure costs a machine sooner or later, and one alone needs no fabric. A stop request ends it at
/// once, because nothing was made yet.
void Head::form() {
  while (!try_to_form()) {
  }
  changed_ = false;
  failures_ = 0;
  note_slots();
  for (const auto& machine : members_) machine->suspect = false;
}

bool Head::try_to_form() {
  if (parts_.stop.stop_requested()) throw Stopped();
  if (fabric_) fabric_->close();
  fabric_.reset();
  look_around();
  put_source_first();
  admit();
  plan_slots();
  if (members_.empty()) return true;
  ++generation_;
  const int size = static_cast<int>(machines());
  const std::string key_name = fmt::format("generation {} {}", generation_, hex64(new_state_id()));
  const auto meeting = parts_.open_meeting({.place = {.rank = 0, .size = size, .generation = generation_},
                                            .key_name = key_name,
                                            .patience = meeting_patience(),
                                            .stop = parts_.stop});
  FormMessage order{.generation = generation_,
                    .size = static_cast<uint32_t>(size),
                    .key_name = key_name,
                    .patience = meeting_patience()};
  for (const auto& machine : members_) {
    ++order.rank;
    machine->channel->send(kForm, order.pack());
  }
  std::vector<std::string> ports;
  return gather_ports(*meeting, ports) && connect(*meeting, ports) && give_state_to_others();
}

void Head::admit() {
  for (auto& machine : waiting_) {
    if (!machine->ready || machines() >= options_.most) continue;
    members_.push_back(std::move(machine));
    note(MachineEvent::Kind::kJoined, members_.back()->name, "");
  }
  std::erase(waiting_, nullptr);
}

bool Head::gather_ports(Meeting& meeting, std::vector<std::string>& ports) {
  const size_t ranks = machines();  // of this generation; one that is lost needs another
  ports.push_back(meeting.ports());
  for (const auto& machine : members_) {
    const auto frame = answer_of(*machine, {kPorts}, parts_.stop);
    if (frame) ports.push_back(PortsMessage::unpack(frame->payload).ports);
  }
  part_with_the_gone();
  if (ports.size() != ranks) return false;
  const MeetMessage order{.generation = generation_, .ports = ports};
  for (const auto& machine : members_) machine->channel->send(kMeet, order.pack());
  return true;
}

bool Head::connect(Meeting& meeting, const std::vector<std::string>& ports) {
  std::vector<int> accused;
  try {
    fabric_ = meeting.connect(ports);
  } catch (const PeerLost& lost) {
    if (parts_.stop.stop_requested()) throw Stopped();
    log_warning("{}", lost.what());
    accused.push_back(lost.rank());
  }
  bool all = fabric_ != nullptr;
  for (const auto& machine : members_) {
    const auto frame = answer_of(*machine, {kConnected, kFailed}, parts_.stop);
    if (frame && frame->kind == kConnected) {
      machine->state = ConnectedMessage::unpack(frame->payload).state;
      continue;
    }
    all = false;
    if (frame) accused.push_back(FailedMessage::unpack(frame->payload).rank);
  }
  const size_t before = members_.size();
  part_with_the_gone();
  if (!all && members_.size() == before) blame(accused);
  return all;
}

/// All are there, but some can't reach each other: after a few attempts the machine that most complain of goes.
void Head::blame(const std::vector<int>& accused) {
  constexpr int kAttempts = 3;
  if (++failures_ < kAttempts) return;
  std::map<int, int> complaints;
  for (const int rank : accused) ++complaints[rank];
  int worst = static_cast<int>(members_.size());  // the newest, if they accuse nobody
  int most = 0;
  for (const auto& [rank, count] : complaints) {
    if (rank < 1 || rank > static_cast<int>(members_.size()) || count < most) continue;
    worst = rank;
    most = count;
  }
  members_[static_cast<size_t>(worst) - 1]->gone =
      "the other machines can't connect to it; check the network between them";
  failures_ = 0;
  part_with_the_gone();
}

bool Head::give_state_to_others() {
  const std::stop_callback<std::function<void()>> closing(parts_.stop, [this] { fabric_->close(); });
  try {
    take_state_of_source();
  } catch (const PeerLost&) {
    if (parts_.stop.stop_requested()) throw Stopped();
    throw;
  }
  for (size_t i = 0; i < members_.size(); ++i) {
    Machine& machine = *members_[i];
    if (machine.state == state_) continue;
    machine.channel->send(kTakeState, TakeStateMessage{.state = state_,
                                                       .updates = parts_.replica.optimizer.updates(),
                                                       .patience = patience(),
                                                       .step = step_,
                                                       .steps = made_.all()}
                                          .pack());
    try {
      give_state(parts_.replica, *fabric_, static_cast<int>(i) + 1, patience());
    } catch (const PeerLost& lost) {
      if (parts_.stop.stop_requested()) throw Stopped();
      log_warning("{} did not take the state: {}", machine.name, lost.what());
      if (++failures_ > 2) machine.gone = "it does not take the state of the run";
      part_with_the_gone();
      return false;
    }
    machine.state = state_;
  }
  return true;
}

/// The next message of one of these kinds and of this generation; others are of an attempt that failed. Empty when the
/// machine is gone.
/// Errors: Stopped.
std::optional<Frame> Head::answer_of(Machine& machine, std::initializer_list<WorldMessage> kinds,
                                     const std::stop_token& stop) {
  if (!machine.gone.empty()) return std::nullopt;
  // One that was waited for in vain gets less time: all others wait for it again.
  constexpr std::chrono::milliseconds kForSuspects(5000);
  const auto time = machine.suspect ? std::min(kForSuspects, patience()) : patience();
  const auto until = Clock::now() + time;
  try {
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
      auto frame = machine.channel->receive(std::max(left, std::chrono::milliseconds(0)), stop);
      if (!frame) {
        machine.gone = fmt::format("it did not answer for {}", format_duration(time));
        return std::nullopt;
      }
      if (frame->kind == kLeave) {
        machine.left = true;
        machine.gone = "it was stopped";
        return std::nullopt;
      }
      if (frame->kind == kCopied) note_copied(machine, *frame);
      if (std::ranges::find(kinds, frame->kind) == kinds.end()) continue;
      if (generation_of(frame->payload) == generation_) return frame;
    }
  } catch (const Error& error) {  // lost, or damaged
    machine.gone = error.what();
    return std::nullopt;
  }
}

/// Machines that are asked to connect have nothing else to do.
std::chrono::milliseconds Head::meeting_patience() const {
  constexpr std::chrono::milliseconds kMost(10'000);
  return std::min(kMost, options_.patience);
}

}  // namespace pretrain
