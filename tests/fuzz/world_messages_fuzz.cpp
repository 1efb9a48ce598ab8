// SPDX-License-Identifier: Apache-2.0
// What the machines of a run say to each other, from a machine that has the secret: each message is refused with one line
// or read within the bounds of its reader, and what was read is written and read again without a difference.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/world/messages.h"

namespace {

using namespace pretrain;

constexpr StepReceiver kReceiver{.slots = 6, .rank = 1, .vocabulary = 300, .positions = 4096};

/// Written and read again, it is written the same.
template <typename Message>
void read_plain(std::string_view bytes) {
  const std::string once = Message::unpack(bytes).pack();
  PRETRAIN_CHECK(Message::unpack(once).pack() == once, "{} bytes", bytes.size());
}

bool is_input(uint32_t token) {
  return token < kReceiver.vocabulary;
}

void check_batch(const Batch& batch) {
  const auto positions = static_cast<size_t>(batch.rows * batch.context);
  PRETRAIN_CHECK(batch.inputs.size() == batch.targets.size(), "{} inputs, {} targets", batch.inputs.size(),
                 batch.targets.size());
  PRETRAIN_CHECK(batch.inputs.empty() || batch.inputs.size() == positions, "{} inputs", batch.inputs.size());
  PRETRAIN_CHECK(std::ranges::all_of(batch.inputs, is_input), "a token outside of the vocabulary");
}

void read_step(std::string_view bytes) {
  const StepMessage step = StepMessage::unpack(bytes, kReceiver);
  PRETRAIN_CHECK(step.ranges.size() > kReceiver.rank, "{} ranges", step.ranges.size());
  PRETRAIN_CHECK(step.ranges.back().last == kReceiver.slots, "{} slots", step.ranges.back().last);
  int64_t positions = 0;
  for (const Batch& batch : step.batches) {
    positions += batch.rows * batch.context;
    check_batch(batch);
  }
  PRETRAIN_CHECK(positions <= kReceiver.positions, "{} positions", positions);
}

using Reader = void (*)(std::string_view);
constexpr std::array<Reader, 15> kReaders{read_plain<FormMessage>,
                                          read_plain<PortsMessage>,
                                          read_plain<MeetMessage>,
                                          read_plain<ConnectedMessage>,
                                          read_plain<FailedMessage>,
                                          read_plain<TakeStateMessage>,
                                          read_step,
                                          read_plain<DoneMessage>,
                                          read_plain<ReadyMessage>,
                                          read_plain<TellStepsMessage>,
                                          read_plain<StepsMessage>,
                                          read_plain<GiveStateMessage>,
                                          read_plain<CopyOffer>,
                                          read_plain<CopyPart>,
                                          read_plain<CopyAnswer>};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    kReaders[data[0] % kReaders.size()](bytes);
  } catch (const Error& error) {
    PRETRAIN_CHECK(error.kind() == ErrorKind::kData && std::string_view(error.what()).size() < 1000, "{}",
                   error.what());
  }
  return 0;
}
