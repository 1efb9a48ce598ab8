// SPDX-License-Identifier: Apache-2.0
#pragma once
// The head's side of a run that other machines share: opens its port, refuses machines that would compute other bits, and
// tells the others what they train.

#include <memory>
#include <stop_token>
#include <string>

#include <nlohmann/json.hpp>

#include "apps/pretrain/machines.h"
#include "apps/pretrain/options.h"
#include "apps/pretrain/run_configuration.h"
#include "libs/fabric/channel_listener.h"
#include "libs/train/step_maker.h"
#include "libs/world/head.h"

namespace pretrain {

/// For the port of a head that says `more` about itself: refuses machines that would compute other bits.
ChannelListenerOptions listener_options(const MachinesOptions& machines, const std::string& secret,
                                        const nlohmann::json& more);

/// What a member needs to know about the run, as HeadOfRun sends it.
nlohmann::json run_for_members(const KeyValues& values, int64_t vocabulary);

/// Single-owner; must outlive the trainer.
class HeadOfRun {
 public:
  /// Listens from here on. `c.model` has the vocabulary of the run.
  /// Requires: c.machines.shared().
  /// Errors: kUsage when the address can't be listened at.
  HeadOfRun(const RunConfiguration& c, const KeyValues& values);

  StepMakerOpener opener(std::stop_token stop);

 private:
  std::string secret_;
  HeadOptions options_;
  ChannelListener listener_;
};

/// Fails early as HeadOfRun would, before a vocabulary is trained; does nothing for a run of one machine.
/// Errors: kUsage, also without Gloo.
void check_machines(const RunConfiguration& c);

}  // namespace pretrain
