// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/fabric.h"

#include <utility>

#include <fmt/format.h>

#include "libs/base/check.h"

namespace pretrain {
namespace {

std::string message_of(const PeerLost::Details& details) {
  if (details.rank == PeerLost::kUnknownRank) return fmt::format("lost the other machines: {}", details.what);
  return fmt::format("lost machine {} after {:.1f} s: {}", details.rank, details.seconds, details.what);
}

}  // namespace

PeerLost::PeerLost(Details details)
    : Error(ErrorKind::kRuntime, message_of(details)), details_(std::move(details)) {}

Fabric::Fabric(const Place& place) : place_(place) {
  PRETRAIN_CHECK(place.size > 0 && place.rank >= 0 && place.rank < place.size, "rank {} of {}", place.rank,
                 place.size);
}

Fabric::Traffic Fabric::traffic() const {
  return {.sent_bytes = sent_bytes_, .received_bytes = received_bytes_};
}

void Fabric::check(int peer, uint32_t tag, uint64_t bytes) const {
  PRETRAIN_CHECK(peer >= 0 && peer < size() && peer != rank(), "peer {} of {}, at rank {}", peer, size(),
                 rank());
  PRETRAIN_CHECK(tag < kTags && bytes <= kMostBytes, "tag {}, {} bytes", tag, bytes);
}

/// A peer that waits for this rank would learn of the loss only after its own patience otherwise.
template <typename Operation>
void Fabric::closing_at_a_loss(const Operation& operation) {
  try {
    operation();
  } catch (const PeerLost&) {
    close();
    throw;
  }
}

void Fabric::send(int to, uint32_t tag, std::span<const std::byte> data) {
  check(to, tag, data.size());
  closing_at_a_loss([&] { start_send(to, tag, data); });
  sending_bytes_ += data.size();
}

void Fabric::receive(int from, uint32_t tag, std::span<std::byte> data) {
  check(from, tag, data.size());
  closing_at_a_loss([&] { start_receive(from, tag, data); });
  receiving_bytes_ += data.size();
}

void Fabric::wait(std::chrono::milliseconds patience) {
  closing_at_a_loss([&] { wait_for_all(patience); });
  sent_bytes_ += std::exchange(sending_bytes_, 0);
  received_bytes_ += std::exchange(receiving_bytes_, 0);
}

}  // namespace pretrain
