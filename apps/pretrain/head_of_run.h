// SPDX-License-Identifier: Apache-2.0
#pragma once
// The head's side of a run that other machines share: opens its port, refuses machines that would compute other bits, and
// tells the others what they train.

#include <memory>
#include <stop_token>
#include <string>

#include <nlohmann/json.hpp>

#include "apps/pretrain/machines.h"
#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/run_keys.h"
#include "libs/fabric/channel_listener.h"
#include "libs/fabric/mpi_world.h"
#include "libs/train/step_maker.h"
#include "libs/world/head.h"
#include "libs/world/meeting.h"

namespace pretrain {

/// For the port of a head that says `more` about itself: refuses machines that would compute other bits.
ChannelListenerOptions listener_options(const MachinesOptions& machines, const std::string& secret,
                                        const nlohmann::json& more);

/// What a member needs to know about the run, as HeadOfRun sends it.
nlohmann::json run_for_members(const KeyValues& values, int64_t vocabulary);

/// Single-owner; must outlive the trainer.
class HeadOfRun {
 public:
  /// Listens from here on, or takes the other ranks of `job`. `c.model` has the vocabulary of the run.
  /// Requires: c.machines.shared().
  /// Errors: kUsage when the address can't be listened at.
  HeadOfRun(const RunConfiguration& c, const KeyValues& values, MpiWorld* job);

  StepMakerOpener opener(std::stop_token stop);

 private:
  void listen(const RunConfiguration& c, const nlohmann::json& run);
  void take_ranks(const RunConfiguration& c, const nlohmann::json& run, MpiWorld& job);

  HeadOptions options_;
  std::unique_ptr<ChannelSource> source_;
  MeetingOpener open_meeting_;
};

/// Shares the run with the ranks of `job`, if there is one. Fails early as HeadOfRun would, before a vocabulary is trained;
/// does nothing for a run of one machine.
/// Errors: kUsage, also without Gloo.
void check_machines(RunConfiguration& c, const MpiWorld* job = nullptr);

}  // namespace pretrain
