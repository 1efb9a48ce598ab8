// SPDX-License-Identifier: Apache-2.0
#pragma once
// A machine that takes part in the run of another one, the head: it takes model and options from the head, and keeps the
// state of the run while the head is away.

#include <functional>
#include <memory>

#include "libs/fabric/channel.h"
#include "libs/world/checkpoint_copy.h"
#include "libs/world/meeting.h"
#include "libs/world/member.h"

namespace pretrain {

class TrainingMachine;

/// Single-owner.
class MemberOfRun {
 public:
  /// With so many threads; 0: one for each core.
  explicit MemberOfRun(int threads);
  ~MemberOfRun();
  MemberOfRun(const MemberOfRun&) = delete;
  MemberOfRun& operator=(const MemberOfRun&) = delete;

  /// Of this machine, for the head.
  Introduction introduction(bool keeps_copies) const;

  struct Place {
    MeetingOpener open_meeting;
    std::stop_token stop;
    std::function<void()> on_progress = {};
    std::function<void(const MemberStatus&)> on_step = {};
    CopyKeeper* copies = nullptr;
  };
  /// Until the run ends, or this machine leaves. Keeps the state of before if the head still trains the same run.
  /// Errors: kUsage without the memory for the run; as Member::serve().
  Member::Outcome take_part(Channel& channel, const Place& place);

 private:
  int threads_;
  std::unique_ptr<TrainingMachine> machine_;
};

}  // namespace pretrain
