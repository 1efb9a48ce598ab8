// SPDX-License-Identifier: Apache-2.0
#pragma once
// The messages between the head and the members of a run, on their control connections. FORMAT.md describes when each
// is sent. What takes a generation belongs to the fabric of that number: one machine may still send messages of an older
// one, which the head ignores.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/data/batch.h"
#include "libs/fabric/frame.h"
#include "libs/train/global_batch.h"
#include "libs/train/slot_plan.h"
#include "libs/train/step_maker.h"

namespace pretrain {

enum WorldMessage : uint32_t {
  // From the head.
  kForm = 1,   ///< open ports for a new fabric
  kMeet,       ///< connect to these ports
  kTakeState,  ///< the head's state comes over the fabric
  kMakeStep,   ///< compute these slots of a step and exchange
  kCommit,     ///< all have the sum of the step: update
  kWait,       ///< stand-by: the run has as many machines as it takes
  kEnd,        ///< the run has ended
  kDismiss,    ///< this machine is wrong
  kTellSteps,  ///< which steps it has made after one
  kGiveState,  ///< its state is newer than the head's: send it over the fabric
  kSendCopy,   ///< of a checkpoint, which the head has lost
  // From a member.
  kReady = 64,  ///< has its memory, takes part from the next step on
  kPorts,       ///< the ports it has opened
  kConnected,   ///< to all others; with its state
  kFailed,      ///< to connect, or to exchange
  kDone,        ///< has the sum of the step; with its digest
  kLeave,       ///< wants to end
  kSteps,       ///< the steps it was asked for
  kOfferCopy,   ///< of a checkpoint, to a head that has lost its own
  // From both.
  kCopyPart = 96,  ///< of a checkpoint
  kCopied,         ///< the part is written, or the copy has failed
};

/// For the control connections: the most bytes of each kind.
FrameLimits messages_of_head();
FrameLimits messages_of_member();

struct ReadyMessage {
  uint64_t state = 0, step = 0;  ///< from a run with the head that was lost; 0: none

  std::string pack() const;
  static ReadyMessage unpack(std::string_view bytes);
};

struct TellStepsMessage {
  uint64_t generation = 0, after = 0;

  std::string pack() const;
  static TellStepsMessage unpack(std::string_view bytes);
};

/// At most MadeSteps::kMost, the newest ones.
struct StepsMessage {
  uint64_t generation = 0;
  uint64_t state = 0, updates = 0;  ///< after all of them
  std::vector<MadeStep> steps;

  std::string pack() const;
  static StepsMessage unpack(std::string_view bytes);
};

struct GiveStateMessage {
  uint64_t generation = 0;
  std::chrono::milliseconds patience{0};

  std::string pack() const;
  static GiveStateMessage unpack(std::string_view bytes);
};

/// A copy of the checkpoint of this step; of none, if `has` is false.
struct CopyOffer {
  bool has = false;
  uint64_t step = 0;

  std::string pack() const;
  static CopyOffer unpack(std::string_view bytes);
};

/// A part of a file of a checkpoint, at most a mebibyte. All files follow each other, each from its beginning.
struct CopyPart {
  uint64_t step = 0;
  std::string file;
  uint64_t file_bytes = 0, offset = 0;
  bool is_last = false;  ///< of the checkpoint
  std::string bytes;

  std::string pack() const;
  /// Errors: kData, also for a part beyond its file.
  static CopyPart unpack(std::string_view bytes);
};

struct CopyAnswer {
  uint64_t step = 0;
  bool is_complete = false;
  std::string problem;  ///< not empty: the copy has failed

  std::string pack() const;
  static CopyAnswer unpack(std::string_view bytes);
};

struct FormMessage {
  uint64_t generation = 0;
  uint32_t rank = 0, size = 0;
  std::string key_name;  ///< never used twice: the key of the fabric is derived from it
  std::chrono::milliseconds patience{0};

  std::string pack() const;
  static FormMessage unpack(std::string_view bytes);
};

struct PortsMessage {
  uint64_t generation = 0;
  std::string ports;

  std::string pack() const;
  static PortsMessage unpack(std::string_view bytes);
};

struct MeetMessage {
  uint64_t generation = 0;
  std::vector<std::string> ports;  ///< by rank

  std::string pack() const;
  static MeetMessage unpack(std::string_view bytes);
};

struct ConnectedMessage {
  uint64_t generation = 0;
  uint64_t state = 0;  ///< as ReplicaState::id

  std::string pack() const;
  static ConnectedMessage unpack(std::string_view bytes);
};

struct FailedMessage {
  uint64_t generation = 0;
  int32_t rank = -1;  ///< the peer it waited for; negative: none in particular
  std::string why;

  std::string pack() const;
  static FailedMessage unpack(std::string_view bytes);
};

struct TakeStateMessage {
  uint64_t state = 0, updates = 0;
  std::chrono::milliseconds patience{0};
  uint64_t step = 0;            ///< of the state
  std::vector<MadeStep> steps;  ///< before it, those that the head's checkpoint lacks

  std::string pack() const;
  static TakeStateMessage unpack(std::string_view bytes);
};

/// What a machine knows of the steps that it gets, so that no message makes it take more memory.
struct StepReceiver {
  uint32_t slots = 1;
  size_t rank = 0;
  int64_t vocabulary = 0;  ///< of its model
  int64_t positions = 0;   ///< of all sequences of a step, at most
};

inline constexpr uint32_t kNoSlot = UINT32_MAX;

/// A step, and the rows of the receiver's slots.
struct StepMessage {
  uint64_t generation = 0, step = 0;
  double learning_rate = 0;
  std::chrono::milliseconds patience{0};
  bool audit = false;          ///< whether the answer has a hash of the parameters
  uint32_t watched = kNoSlot;  ///< of this slot, the answer of its machine has a hash of the gradient
  uint64_t targets = 0, batch_hash = 0;
  std::vector<SlotRange> ranges;  ///< by rank
  std::vector<Batch> batches;     ///< of the whole step, but with zeros outside of the receiver's slots

  /// For the receiver of this rank.
  /// Requires: `batches` is not used.
  std::string pack(const GlobalBatch& batch, uint32_t slots, size_t rank) const;
  /// Errors: kData, also for a token that the model does not have.
  static StepMessage unpack(std::string_view bytes, const StepReceiver& receiver);
};

struct DoneMessage {
  uint64_t generation = 0, step = 0;
  uint64_t state = 0;       ///< after the step
  uint64_t parameters = 0;  ///< hash before the step, at an audit
  uint64_t watched = 0;     ///< hash of the gradient of the watched slot, from its machine
  double seconds = 0;       ///< that its slots took
  bool leaves = false;

  std::string pack() const;
  static DoneMessage unpack(std::string_view bytes);
};

/// The first number of every message that has a generation.
uint64_t generation_of(std::string_view bytes);

}  // namespace pretrain
