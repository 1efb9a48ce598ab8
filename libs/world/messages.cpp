// SPDX-License-Identifier: Apache-2.0
#include "libs/world/messages.h"

#include <algorithm>
#include <concepts>
#include <span>
#include <type_traits>

#include "libs/base/error.h"
#include "libs/world/made_steps.h"
#include "libs/world/wire.h"

namespace pretrain {
namespace {

constexpr uint64_t kSmall = 4096;
constexpr uint64_t kMostMachines = 1024, kMostBatches = 4096;
constexpr uint64_t kMostPorts = 65536;
constexpr uint64_t kMostCopyPart = uint64_t{1} << 20;
/// 44 bytes each.
constexpr uint64_t kMostSteps = 44 * MadeSteps::kMost;
/// Rows of one step: eight bytes a position. Two billion bytes are far more than a machine computes in a step.
constexpr uint64_t kMostRows = uint64_t{2} << 30;

RowRange rows_of(const SlotRange& slots, uint32_t all_slots, int64_t rows) {
  if (slots.size() == 0) return {};
  return {rows_of_slot(rows, all_slots, slots.first).first,
          rows_of_slot(rows, all_slots, slots.last - 1).last};
}

/// Calls f(batch index, rows within the batch) for the parts of a range of rows.
template <typename Batches, typename F>
void for_each_part(Batches& batches, const RowRange& rows, const F& f) {
  int64_t before = 0;
  for (auto& batch : batches) {
    const int64_t first = std::max<int64_t>(rows.first - before, 0);
    const int64_t last = std::min(rows.last - before, batch.rows);
    if (first < last) f(batch, RowRange{first, last});
    before += batch.rows;
  }
}

/// Consecutive ranges that cover all slots.
void check_ranges(const std::vector<SlotRange>& ranges, const StepReceiver& receiver) {
  uint32_t next = 0;
  for (const SlotRange& range : ranges) {
    if (range.first != next || range.last < range.first || range.last > receiver.slots)
      fail(ErrorKind::kData, "the head hands out slots {} to {} of {}", range.first, range.last,
           receiver.slots);
    next = range.last;
  }
  if (next != receiver.slots || receiver.rank >= ranges.size())
    fail(ErrorKind::kData, "the head hands out {} of {} slots", next, receiver.slots);
}

void check_shapes(const std::vector<Batch>& batches, const StepReceiver& receiver) {
  int64_t left = receiver.positions;
  for (const Batch& batch : batches) {
    if (batch.rows < 1 || batch.context < 1 || batch.rows > left / batch.context)
      fail(ErrorKind::kData, "the head names a batch of {} rows of {} tokens", batch.rows, batch.context);
    left -= batch.rows * batch.context;
  }
}

void check_tokens(const Batch& batch, int64_t vocabulary) {
  const auto is_input = [&](uint32_t token) { return token < vocabulary; };
  const auto is_target = [&](int32_t token) { return token >= -1 && token < vocabulary; };
  if (std::ranges::all_of(batch.inputs, is_input) && std::ranges::all_of(batch.targets, is_target)) return;
  fail(ErrorKind::kData, "the head sent a token outside of the vocabulary of {}", vocabulary);
}

/// A message that is read, or a constant one that is written.
template <typename M, typename Message>
concept Is = std::same_as<std::remove_const_t<M>, Message>;

// The fields of each message, in their order on the wire. `wire` writes or reads them.

/// Steps that were made.
void made_steps(auto& wire, auto& steps) {
  wire.list(steps, MadeSteps::kMost, [&](auto& made) {
    wire(made.step, made.targets, made.batch_hash, made.loss, made.gradient_norm, made.finite);
  });
}

void fields(auto& wire, Is<ReadyMessage> auto& m) {
  wire(m.state, m.step);
}

void fields(auto& wire, Is<TellStepsMessage> auto& m) {
  wire(m.generation, m.after);
}

void fields(auto& wire, Is<StepsMessage> auto& m) {
  wire(m.generation, m.state, m.updates);
  made_steps(wire, m.steps);
}

void fields(auto& wire, Is<GiveStateMessage> auto& m) {
  wire(m.generation, m.patience);
}

void fields(auto& wire, Is<CopyOffer> auto& m) {
  wire(m.has, m.step);
}

void fields(auto& wire, Is<CopyPart> auto& m) {
  wire(m.step, m.file, m.file_bytes, m.offset, m.is_last, m.bytes);
}

void fields(auto& wire, Is<CopyAnswer> auto& m) {
  wire(m.step, m.is_complete, m.problem);
}

void fields(auto& wire, Is<FormMessage> auto& m) {
  wire(m.generation, m.rank, m.size, m.key_name, m.patience);
}

void fields(auto& wire, Is<PortsMessage> auto& m) {
  wire(m.generation, m.ports);
}

void fields(auto& wire, Is<MeetMessage> auto& m) {
  wire(m.generation);
  wire.list(m.ports, kMostMachines, [&](auto& ports) { wire(ports); });
}

void fields(auto& wire, Is<ConnectedMessage> auto& m) {
  wire(m.generation, m.state);
}

void fields(auto& wire, Is<FailedMessage> auto& m) {
  wire(m.generation, m.rank, m.why);
}

void fields(auto& wire, Is<TakeStateMessage> auto& m) {
  wire(m.state, m.updates, m.patience, m.step);
  made_steps(wire, m.steps);
}

void fields(auto& wire, Is<StepMessage> auto& m) {
  wire(m.generation, m.step, m.learning_rate, m.patience, m.audit, m.watched, m.targets, m.batch_hash);
  wire.list(m.ranges, kMostMachines, [&](auto& range) { wire(range.first, range.last); });
}

/// Batches without their content.
void shapes(auto& wire, auto& batches) {
  wire.list(batches, kMostBatches, [&](auto& batch) { wire(batch.rows, batch.context); });
}

/// The content of these rows.
void tokens(auto& wire, auto& batch, RowRange rows) {
  const auto first = static_cast<size_t>(rows.first * batch.context);
  const auto count = static_cast<size_t>(rows.size() * batch.context);
  wire.array(batch.inputs.data() + first, count);
  wire.array(batch.targets.data() + first, count);
}

void fields(auto& wire, Is<DoneMessage> auto& m) {
  wire(m.generation, m.step, m.state, m.parameters, m.watched, m.seconds, m.leaves);
}

template <typename Message>
std::string packed(const Message& message) {
  WireWriter writer;
  fields(writer, message);
  return writer.take();
}

template <typename Message>
Message unpacked(std::string_view bytes) {
  WireReader reader(bytes);
  Message message;
  fields(reader, message);
  reader.end();
  return message;
}

}  // namespace

FrameLimits messages_of_head() {
  return {{kForm, kSmall},        {kMeet, kMostMachines * kMostPorts},
          {kMakeStep, kMostRows}, {kTakeState, kMostSteps + kSmall},
          {kCommit, kSmall},      {kWait, kSmall},
          {kEnd, kSmall},         {kDismiss, kSmall},
          {kTellSteps, kSmall},   {kGiveState, kSmall},
          {kSendCopy, kSmall},    {kCopyPart, kMostCopyPart + kSmall},
          {kCopied, kSmall}};
}

FrameLimits messages_of_member() {
  return {{kReady, kSmall},
          {kPorts, kMostPorts + kSmall},
          {kConnected, kSmall},
          {kFailed, kSmall},
          {kDone, kSmall},
          {kLeave, kSmall},
          {kSteps, kMostSteps + kSmall},
          {kOfferCopy, kSmall},
          {kCopyPart, kMostCopyPart + kSmall},
          {kCopied, kSmall}};
}

std::string ReadyMessage::pack() const {
  return packed(*this);
}

ReadyMessage ReadyMessage::unpack(std::string_view bytes) {
  return unpacked<ReadyMessage>(bytes);
}

std::string TellStepsMessage::pack() const {
  return packed(*this);
}

TellStepsMessage TellStepsMessage::unpack(std::string_view bytes) {
  return unpacked<TellStepsMessage>(bytes);
}

std::string StepsMessage::pack() const {
  return packed(*this);
}

StepsMessage StepsMessage::unpack(std::string_view bytes) {
  return unpacked<StepsMessage>(bytes);
}

std::string GiveStateMessage::pack() const {
  return packed(*this);
}

GiveStateMessage GiveStateMessage::unpack(std::string_view bytes) {
  return unpacked<GiveStateMessage>(bytes);
}

std::string CopyOffer::pack() const {
  return packed(*this);
}

CopyOffer CopyOffer::unpack(std::string_view bytes) {
  return unpacked<CopyOffer>(bytes);
}

std::string CopyPart::pack() const {
  return packed(*this);
}

CopyPart CopyPart::unpack(std::string_view bytes) {
  auto m = unpacked<CopyPart>(bytes);
  if (m.offset > m.file_bytes || m.bytes.size() > m.file_bytes - m.offset)
    fail(ErrorKind::kData, "a part of a checkpoint lies beyond its file");
  return m;
}

std::string CopyAnswer::pack() const {
  constexpr size_t kMostText = 1000;
  CopyAnswer bounded = *this;
  if (bounded.problem.size() > kMostText) bounded.problem.resize(kMostText);
  return packed(bounded);
}

CopyAnswer CopyAnswer::unpack(std::string_view bytes) {
  return unpacked<CopyAnswer>(bytes);
}

std::string FormMessage::pack() const {
  return packed(*this);
}

FormMessage FormMessage::unpack(std::string_view bytes) {
  auto m = unpacked<FormMessage>(bytes);
  if (m.size > kMostMachines || m.rank >= m.size)
    fail(ErrorKind::kData, "the head names machine {} of {}", m.rank, m.size);
  return m;
}

std::string PortsMessage::pack() const {
  return packed(*this);
}

PortsMessage PortsMessage::unpack(std::string_view bytes) {
  return unpacked<PortsMessage>(bytes);
}

std::string MeetMessage::pack() const {
  return packed(*this);
}

MeetMessage MeetMessage::unpack(std::string_view bytes) {
  return unpacked<MeetMessage>(bytes);
}

std::string ConnectedMessage::pack() const {
  return packed(*this);
}

ConnectedMessage ConnectedMessage::unpack(std::string_view bytes) {
  return unpacked<ConnectedMessage>(bytes);
}

std::string FailedMessage::pack() const {
  constexpr size_t kMostText = 1000;
  FailedMessage bounded = *this;
  if (bounded.why.size() > kMostText) bounded.why.resize(kMostText);
  return packed(bounded);
}

FailedMessage FailedMessage::unpack(std::string_view bytes) {
  return unpacked<FailedMessage>(bytes);
}

std::string TakeStateMessage::pack() const {
  return packed(*this);
}

TakeStateMessage TakeStateMessage::unpack(std::string_view bytes) {
  return unpacked<TakeStateMessage>(bytes);
}

std::string StepMessage::pack(const GlobalBatch& batch, uint32_t slots, size_t rank) const {
  WireWriter writer;
  fields(writer, *this);
  const std::span<const Batch> all = batch.batches();
  shapes(writer, all);
  for_each_part(all, rows_of(ranges[rank], slots, batch.row_count()),
                [&](const Batch& one, RowRange rows) { tokens(writer, one, rows); });
  return writer.take();
}

StepMessage StepMessage::unpack(std::string_view bytes, const StepReceiver& receiver) {
  WireReader reader(bytes);
  StepMessage m;
  fields(reader, m);
  check_ranges(m.ranges, receiver);
  shapes(reader, m.batches);
  check_shapes(m.batches, receiver);
  const RowRange rows = rows_of(m.ranges[receiver.rank], receiver.slots, GlobalBatch(m.batches).row_count());
  for_each_part(m.batches, rows, [&](Batch& batch, RowRange part) {
    batch.inputs.resize(static_cast<size_t>(batch.rows * batch.context));
    batch.targets.resize(batch.inputs.size());
    tokens(reader, batch, part);
    check_tokens(batch, receiver.vocabulary);
  });
  reader.end();
  return m;
}

std::string DoneMessage::pack() const {
  return packed(*this);
}

DoneMessage DoneMessage::unpack(std::string_view bytes) {
  return unpacked<DoneMessage>(bytes);
}

uint64_t generation_of(std::string_view bytes) {
  uint64_t generation = 0;
  WireReader reader(bytes);
  reader(generation);
  return generation;
}

}  // namespace pretrain
