// SPDX-License-Identifier: Apache-2.0
#pragma once
// The head of a run with several machines: it has the batches, decides, and is the only one whose state counts. For each
// step it hands out slots and rows, computes its own slots, takes part in the exchange, and compares what all have got.
// Only then is the step committed and every machine updates. When a machine is lost before that, the head forms a new
// generation of the others and makes the same step again from the same state, so a loss changes no bit.
//
// Machines join between steps: they get the head's parameters and moments. A machine whose state is not the head's (it
// is new, missed a step, or the head has returned to a checkpoint) gets them, too.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/fabric/channel.h"
#include "libs/fabric/fabric.h"
#include "libs/train/step_maker.h"
#include "libs/world/checkpoint_copy.h"
#include "libs/world/made_steps.h"
#include "libs/world/meeting.h"
#include "libs/world/messages.h"
#include "libs/world/slot_exchange.h"

namespace pretrain {

struct HeadOptions {
  uint32_t least = 1;  ///< machines, this one included, before the first step
  uint32_t most = 1;   ///< machines; others wait until one leaves
  /// A machine is lost that does not answer for so long, or for three times the longest step, if that is more.
  std::chrono::milliseconds patience{30'000};
  std::string name = "head";  ///< of this machine, for records of slots
  std::string how_to_join;    ///< ends the line that asks for more machines
  /// Steps between audits: the parameters of all machines are compared, and one slot of one of them is computed here as
  /// well. 0: never.
  uint64_t audit_every = 100;
  /// Of each checkpoint, this machine's included: 2: a member that keeps copies gets one.
  uint32_t copies = 1;
  Path state_folder = {};  ///< of the checkpoints
  /// Whether the run continues without a machine that is lost. One that a scheduler has started does not.
  bool may_lose_machines = true;
};

/// Single-owner.
class Head : public StepMaker {
 public:
  struct Parts {
    Replica replica;
    ChannelSource& source;
    MeetingOpener open_meeting;
    OnMachine on_machine;
    std::stop_token stop;
  };
  /// Requires: at least as many slots as machines.
  Head(Parts parts, const HeadOptions& options);
  ~Head() override;

  /// Waits for the least number of machines before the first step.
  /// Errors: Stopped; kRuntime when all others agree on another result than this machine's, or when a machine is lost that
  /// may not be.
  StepResult make(const StepOrder& order, const std::function<void()>& on_progress) override;
  void note_replaced_state(uint64_t state) override;
  uint64_t state_id() const override { return state_; }
  void note_saved(uint64_t step) override;
  std::vector<MadeStep> find_newer_steps(uint64_t step, const std::function<void()>& on_progress) override;
  bool take_newer_state() override;
  void end(const std::string& reason) override;

  /// That train now, this one included.
  uint32_t machines() const { return static_cast<uint32_t>(members_.size()) + 1; }

 private:
  using Clock = std::chrono::steady_clock;

  struct Machine {
    std::unique_ptr<Channel> channel;
    std::string name;
    bool ready = false;  // has sent kReady
    bool told_to_wait = false;
    uint64_t state = 0;      // as it said when it connected
    uint64_t step = 0;       // of its state when it joined; 0: none
    bool is_source = false;  // its state is newer than the head's
    bool keeps_copies = false;
    bool gets_copy = false;  // the one that copying_ reads
    double threads = 1;
    double pace = 0;        // slots a second; 0: not timed yet
    bool suspect = false;   // an operation waited for it in vain
    std::string gone = {};  // why it does not take part any more
    bool left = false;      // by its own wish
    bool wrong = false;     // has computed something else than the others
  };
  using Machines = std::vector<std::unique_ptr<Machine>>;

  void wait_for_machines(const std::function<void()>& on_progress);
  void look_around();
  void welcome_newcomers();
  void listen_to(Machine& machine);
  void part_with_the_gone();

  void wait_for_returning(const std::function<void()>& on_progress);
  std::optional<StepsMessage> newer_state_of(Machine& machine, uint64_t step);
  void put_source_first();
  void take_state_of_source();

  void continue_copy();
  void start_copy();
  void note_copied(Machine& machine, const Frame& frame);
  void finish_copy();

  void form();
  bool try_to_form();
  void admit();
  bool gather_ports(Meeting& meeting, std::vector<std::string>& ports);
  bool connect(Meeting& meeting, const std::vector<std::string>& ports);
  bool give_state_to_others();
  void blame(const std::vector<int>& accused);

  StepResult alone(const StepOrder& order, const std::function<void()>& on_progress);
  void note_made(uint64_t step, const StepResult& result, uint64_t batch_hash);
  StepResult together(const StepOrder& order, const std::function<void()>& on_progress);
  /// What the head computes of another machine's work, to compare it.
  struct Audit {
    uint64_t parameters = 0;
    size_t member = 0;  ///< whose slot it is
    uint32_t slot = kNoSlot;
    uint64_t gradient = 0;
  };
  std::optional<Audit> audit(const StepOrder& order, const GlobalBatch& batch);
  uint64_t gradient_hash_of(uint32_t slot, const GlobalBatch& batch);
  void hand_out(const StepOrder& order, const GlobalBatch& batch, const std::optional<Audit>& audit);
  std::vector<DoneMessage> gather_answers();
  void check_own_result(uint64_t step, uint64_t state, const std::vector<DoneMessage>& answers);
  void compare(const StepOrder& order, const GlobalBatch& batch, uint64_t state,
               const std::optional<Audit>& audit);
  void commit();
  std::vector<double> speeds() const;
  bool plan_slots();
  void note_slots();

  std::optional<Frame> answer_of(Machine& machine, std::initializer_list<WorldMessage> kinds,
                                 const std::stop_token& stop = {});
  std::chrono::milliseconds patience() const;
  std::chrono::milliseconds meeting_patience() const;
  void note(MachineEvent::Kind kind, const std::string& machine, const std::string& why);

  Parts parts_;
  HeadOptions options_;
  SlotExchange exchange_;
  Machines members_;  // in order of rank, from 1
  Machines waiting_;  // newcomers
  std::unique_ptr<Fabric> fabric_;
  std::vector<SlotRange> ranges_;  // by rank
  uint64_t generation_ = 0;
  uint64_t step_ = 0;            // before which the state is
  uint64_t state_;               // id of the head's state
  bool state_is_known_ = false;  // it was when its checkpoint was saved, so that others may follow from it
  std::optional<StepsMessage> newer_;  // of the machine whose state is to be taken
  std::optional<uint64_t> to_copy_;    // the step of the newest checkpoint without a copy
  std::optional<CopySource> copying_;
  MadeSteps made_;           // since the newest checkpoint
  double pace_ = 0;          // as Machine::pace
  double longest_step_ = 0;  // seconds
  uint64_t steps_since_plan_ = 0;
  int failures_ = 0;  // to form, since the last success
  bool started_ = false;
  bool changed_ = false;  // a new generation is needed
};

}  // namespace pretrain
