// SPDX-License-Identifier: Apache-2.0
#pragma once
// A member of a run: a machine that has the model and its state, computes the slots that the head gives it, takes part in
// the exchange, and updates when the head says so. It decides nothing and saves nothing.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "libs/fabric/channel.h"
#include "libs/fabric/fabric.h"
#include "libs/train/step_maker.h"
#include "libs/world/checkpoint_copy.h"
#include "libs/world/made_steps.h"
#include "libs/world/meeting.h"
#include "libs/world/messages.h"
#include "libs/world/slot_exchange.h"

namespace pretrain {

/// How a member is doing, for its user.
struct MemberStatus {
  uint64_t step = 0;
  double loss = 0;
  uint32_t machines = 0;
  SlotRange slots;
  double seconds = 0;                                        ///< that its slots of the step took
  double exchange_seconds = 0, exchange_hidden_seconds = 0;  ///< as in StepResult
};

/// What a machine knows of the state in its replica. Both outlive a connection: a head that was lost and comes back can
/// take them.
struct MemberMemory {
  uint64_t state = 0;  ///< id; 0: none
  uint64_t step = 0;
  MadeSteps made;  ///< those before it that the head's checkpoint lacked
};

/// Single-owner.
class Member {
 public:
  struct Parts {
    Replica replica;
    MemberMemory& memory;
    Channel& channel;
    MeetingOpener open_meeting;
    int64_t vocabulary = 0;  ///< tokens that the model has
    int64_t positions = 0;   ///< of all sequences of a step, at most
    std::stop_token stop;
    std::function<void()> on_progress = {};
    std::function<void(const MemberStatus&)> on_step = {};  ///< after each update
    CopyKeeper* copies = nullptr;                           ///< null: keeps none
  };
  explicit Member(Parts parts);
  ~Member();

  enum class End {
    kRunEnded,  ///< the head says so
    kLeft,      ///< on request
  };
  struct Outcome {
    End end = End::kRunEnded;
    std::string reason;  ///< of the head
  };
  /// Takes part until the end.
  /// Errors: ChannelError when the head is lost; kRuntime when the head says that this machine is wrong; kData for
  /// messages that make no sense.
  Outcome serve();

 private:
  std::optional<Outcome> obey(const Frame& frame);
  void form(const FormMessage& order);
  void meet(const MeetMessage& order);
  void take(const TakeStateMessage& order);
  void tell_steps(const TellStepsMessage& order);
  void give(const GiveStateMessage& order);
  void make_step(StepMessage order);
  void commit();
  void report_failure(const PeerLost& lost);
  void leave_fabric();

  Parts parts_;
  SlotExchange exchange_;
  FormMessage place_;  // in the newest generation
  std::unique_ptr<Meeting> meeting_;
  std::unique_ptr<Fabric> fabric_;
  /// The step that waits for the head's word.
  struct Pending {
    uint64_t state = 0;
    MadeStep made;
    double learning_rate = 0;
    StepResult result;
    MemberStatus status;
  };
  std::optional<Pending> pending_;
  bool leaving_ = false;
};

}  // namespace pretrain
