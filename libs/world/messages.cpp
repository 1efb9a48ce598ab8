// SPDX-License-Identifier: Apache-2.0
#include "libs/world/messages.h"

#include <algorithm>

#include "libs/base/error.h"
#include "libs/world/wire.h"

namespace pretrain {
namespace {

constexpr uint64_t kSmall = 4096;
constexpr uint64_t kMostMachines = 1024, kMostBatches = 4096;
constexpr uint64_t kMostPorts = 65536;
/// Rows of one step: eight bytes a position. Two billion bytes are far more than a machine computes in a step.
constexpr uint64_t kMostRows = uint64_t{2} << 30;

uint64_t milliseconds(std::chrono::milliseconds time) {
  return static_cast<uint64_t>(time.count());
}

std::chrono::milliseconds read_patience(WireReader& reader) {
  constexpr uint64_t kDays = uint64_t{7} * 24 * 3600 * 1000;
  return std::chrono::milliseconds(reader.count(kDays));
}

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
std::vector<SlotRange> read_ranges(WireReader& reader, const StepReceiver& receiver) {
  std::vector<SlotRange> ranges(reader.count(kMostMachines));
  uint32_t next = 0;
  for (SlotRange& range : ranges) {
    range.first = reader.get<uint32_t>();
    range.last = reader.get<uint32_t>();
    if (range.first != next || range.last < range.first || range.last > receiver.slots)
      fail(ErrorKind::kData, "the head hands out slots {} to {} of {}", range.first, range.last,
           receiver.slots);
    next = range.last;
  }
  if (next != receiver.slots || receiver.rank >= ranges.size())
    fail(ErrorKind::kData, "the head hands out {} of {} slots", next, receiver.slots);
  return ranges;
}

/// Batches without their content.
std::vector<Batch> read_shapes(WireReader& reader, const StepReceiver& receiver) {
  std::vector<Batch> batches(reader.count(kMostBatches));
  int64_t left = receiver.positions;
  for (Batch& batch : batches) {
    batch.rows = reader.get<int64_t>();
    batch.context = reader.get<int64_t>();
    if (batch.rows < 1 || batch.context < 1 || batch.rows > left / batch.context)
      fail(ErrorKind::kData, "the head names a batch of {} rows of {} tokens", batch.rows, batch.context);
    left -= batch.rows * batch.context;
  }
  return batches;
}

void check_tokens(const Batch& batch, int64_t vocabulary) {
  const auto is_input = [&](uint32_t token) { return token < vocabulary; };
  const auto is_target = [&](int32_t token) { return token >= -1 && token < vocabulary; };
  if (std::ranges::all_of(batch.inputs, is_input) && std::ranges::all_of(batch.targets, is_target)) return;
  fail(ErrorKind::kData, "the head sent a token outside of the vocabulary of {}", vocabulary);
}

}  // namespace

FrameLimits messages_of_head() {
  return {{kForm, kSmall},      {kMeet, kMostMachines * kMostPorts},
          {kTakeState, kSmall}, {kMakeStep, kMostRows},
          {kCommit, kSmall},    {kWait, kSmall},
          {kEnd, kSmall},       {kDismiss, kSmall}};
}

FrameLimits messages_of_member() {
  return {{kReady, kSmall},     {kPorts, kMostPorts + kSmall},
          {kConnected, kSmall}, {kFailed, kSmall},
          {kDone, kSmall},      {kLeave, kSmall}};
}

std::string FormMessage::pack() const {
  WireWriter writer;
  writer.put(generation).put(rank).put(size).put(std::string_view(key_name)).put(milliseconds(patience));
  return writer.take();
}

FormMessage FormMessage::unpack(std::string_view bytes) {
  WireReader reader(bytes);
  FormMessage m;
  m.generation = reader.get<uint64_t>();
  m.rank = reader.get<uint32_t>();
  m.size = reader.get<uint32_t>();
  if (m.size > kMostMachines || m.rank >= m.size)
    fail(ErrorKind::kData, "the head names machine {} of {}", m.rank, m.size);
  m.key_name = reader.text();
  m.patience = read_patience(reader);
  reader.end();
  return m;
}

std::string PortsMessage::pack() const {
  WireWriter writer;
  writer.put(generation).put(std::string_view(ports));
  return writer.take();
}

PortsMessage PortsMessage::unpack(std::string_view bytes) {
  WireReader reader(bytes);
  PortsMessage m;
  m.generation = reader.get<uint64_t>();
  m.ports = reader.text();
  reader.end();
  return m;
}

std::string MeetMessage::pack() const {
  WireWriter writer;
  writer.put(generation).put(static_cast<uint64_t>(ports.size()));
  for (const std::string& port : ports) writer.put(std::string_view(port));
  return writer.take();
}

MeetMessage MeetMessage::unpack(std::string_view bytes) {
  WireReader reader(bytes);
  MeetMessage m;
  m.generation = reader.get<uint64_t>();
  m.ports.resize(reader.count(kMostMachines));
  for (std::string& port : m.ports) port = reader.text();
  reader.end();
  return m;
}

std::string ConnectedMessage::pack() const {
  WireWriter writer;
  writer.put(generation).put(state);
  return writer.take();
}

ConnectedMessage ConnectedMessage::unpack(std::string_view bytes) {
  WireReader reader(bytes);
  ConnectedMessage m;
  m.generation = reader.get<uint64_t>();
  m.state = reader.get<uint64_t>();
  reader.end();
  return m;
}

std::string FailedMessage::pack() const {
  constexpr size_t kMostText = 1000;
  WireWriter writer;
  writer.put(generation).put(rank).put(std::string_view(why).substr(0, kMostText));
  return writer.take();
}

FailedMessage FailedMessage::unpack(std::string_view bytes) {
  WireReader reader(bytes);
  FailedMessage m;
  m.generation = reader.get<uint64_t>();
  m.rank = reader.get<int32_t>();
  m.why = reader.text();
  reader.end();
  return m;
}

std::string TakeStateMessage::pack() const {
  WireWriter writer;
  writer.put(state).put(updates).put(milliseconds(patience));
  return writer.take();
}

TakeStateMessage TakeStateMessage::unpack(std::string_view bytes) {
  WireReader reader(bytes);
  TakeStateMessage m;
  m.state = reader.get<uint64_t>();
  m.updates = reader.get<uint64_t>();
  m.patience = read_patience(reader);
  reader.end();
  return m;
}

std::string StepMessage::pack(const GlobalBatch& batch, uint32_t slots, size_t rank) const {
  WireWriter writer;
  writer.put(generation).put(step).put(learning_rate).put(milliseconds(patience));
  writer.put(static_cast<uint32_t>(audit ? 1 : 0)).put(watched).put(targets).put(batch_hash);
  writer.put(static_cast<uint64_t>(ranges.size()));
  for (const SlotRange& range : ranges) writer.put(range.first).put(range.last);
  const std::span<const Batch> all = batch.batches();
  writer.put(static_cast<uint64_t>(all.size()));
  for (const Batch& one : all) writer.put(one.rows).put(one.context);
  for_each_part(all, rows_of(ranges[rank], slots, batch.row_count()), [&](const Batch& one, RowRange rows) {
    const auto first = static_cast<size_t>(rows.first * one.context);
    const auto count = static_cast<size_t>(rows.size() * one.context);
    writer.put_array(one.inputs.data() + first, count).put_array(one.targets.data() + first, count);
  });
  return writer.take();
}

StepMessage StepMessage::unpack(std::string_view bytes, const StepReceiver& receiver) {
  WireReader reader(bytes);
  StepMessage m;
  m.generation = reader.get<uint64_t>();
  m.step = reader.get<uint64_t>();
  m.learning_rate = reader.get<double>();
  m.patience = read_patience(reader);
  m.audit = reader.get<uint32_t>() != 0;
  m.watched = reader.get<uint32_t>();
  m.targets = reader.get<uint64_t>();
  m.batch_hash = reader.get<uint64_t>();
  m.ranges = read_ranges(reader, receiver);
  m.batches = read_shapes(reader, receiver);
  const RowRange rows = rows_of(m.ranges[receiver.rank], receiver.slots, GlobalBatch(m.batches).row_count());
  for_each_part(m.batches, rows, [&](Batch& batch, RowRange part) {
    const auto first = static_cast<size_t>(part.first * batch.context);
    const auto count = static_cast<size_t>(part.size() * batch.context);
    batch.inputs.resize(static_cast<size_t>(batch.rows * batch.context));
    batch.targets.resize(batch.inputs.size());
    reader.get_array(batch.inputs.data() + first, count);
    reader.get_array(batch.targets.data() + first, count);
    check_tokens(batch, receiver.vocabulary);
  });
  reader.end();
  return m;
}

std::string DoneMessage::pack() const {
  WireWriter writer;
  writer.put(generation).put(step).put(state).put(parameters).put(watched).put(seconds);
  writer.put(static_cast<uint32_t>(leaves ? 1 : 0));
  return writer.take();
}

DoneMessage DoneMessage::unpack(std::string_view bytes) {
  WireReader reader(bytes);
  DoneMessage m;
  m.generation = reader.get<uint64_t>();
  m.step = reader.get<uint64_t>();
  m.state = reader.get<uint64_t>();
  m.parameters = reader.get<uint64_t>();
  m.watched = reader.get<uint64_t>();
  m.seconds = reader.get<double>();
  m.leaves = reader.get<uint32_t>() != 0;
  reader.end();
  return m;
}

uint64_t generation_of(std::string_view bytes) {
  return WireReader(bytes).get<uint64_t>();
}

}  // namespace pretrain
