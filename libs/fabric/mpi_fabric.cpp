// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/mpi_fabric.h"

#include <algorithm>
#include <compare>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/number.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

enum Kind : uint32_t {
  kReady = 1,  ///< for a message of this tag and length
  kData,
  kClosed,
};

/// What a send and a receive must have in common.
struct Lane {
  int peer = 0;
  uint64_t tag = 0, bytes = 0;

  auto operator<=>(const Lane&) const = default;
};

struct Receiving {
  std::byte* data = nullptr;
  size_t received = 0;
};

struct Peer {
  int rank = 0;           // in the job
  uint64_t endpoint = 0;  // there
  bool closed = false;
  uint64_t open = 0;  // operations started and not done
};

/// Of a rank, as text: "RANK ENDPOINT".
std::string write_address(int rank, uint64_t endpoint) {
  return fmt::format("{} {}", rank, endpoint);
}

Peer read_address(std::string_view text, int ranks) {
  const size_t blank = text.find(' ');
  const auto rank = parse_number<int>(text.substr(0, blank));
  const auto endpoint =
      blank == std::string_view::npos ? std::nullopt : parse_number<uint64_t>(text.substr(blank + 1));
  if (!rank || !endpoint || *rank < 0 || *rank >= ranks)
    fail(ErrorKind::kData, "a machine's address in the MPI job is none");
  return {.rank = *rank, .endpoint = *endpoint};
}

}  // namespace

/// The world's lock guards all state, and the memory of all operations.
class MpiFabric final : public Fabric, private MpiWorld::Endpoint {
 public:
  MpiFabric(MpiWorld& world, const Place& place);
  ~MpiFabric() override { MpiFabric::close(); }

  std::string address() const { return write_address(world_.rank(), number_); }
  void meet(const std::vector<std::string>& all);
  void close() override;

 private:
  void start_send(int to, uint32_t tag, std::span<const std::byte> data) override;
  void start_receive(int from, uint32_t tag, std::span<std::byte> data) override;
  void wait_for_all(std::chrono::milliseconds patience) override;
  void take(int rank, const MpiLabel& label, std::span<const std::byte> content) override;
  void note_sent(int rank, const MpiLabel& label) override;

  Peer& peer(int rank) { return peers_[static_cast<size_t>(rank)]; }
  MpiLabel label_for(const Lane& lane, Kind kind) const;
  void say(const Lane& lane, Kind kind);
  void send_data(const Lane& lane, std::span<const std::byte> data);
  void take_data(const Lane& lane, uint64_t offset, std::span<const std::byte> content);
  void check_open(int rank);
  std::optional<int> awaited() const;

  MpiWorld& world_;
  uint64_t number_ = 0;  // of the endpoint
  std::vector<Peer> peers_;
  std::map<Lane, std::deque<std::span<const std::byte>>> unready_;  // to be sent, in order
  std::map<Lane, uint64_t> ready_;                                  // receives that have no send yet
  std::map<Lane, std::deque<Receiving>> receives_;
  uint64_t done_ = 0;  // operations
  bool closed_ = false;
};

MpiFabric::MpiFabric(MpiWorld& world, const Place& place)
    : Fabric(place), world_(world), peers_(static_cast<size_t>(place.size)) {
  const auto lock = world_.lock();
  number_ = world_.open(*this);
}

/// Frames of those that have met earlier may have come already.
void MpiFabric::meet(const std::vector<std::string>& all) {
  const auto lock = world_.lock();
  for (int rank = 0; rank < size(); ++rank) {
    const Peer found = read_address(all[static_cast<size_t>(rank)], world_.size());
    peer(rank).rank = found.rank;
    peer(rank).endpoint = found.endpoint;
  }
}

MpiLabel MpiFabric::label_for(const Lane& lane, Kind kind) const {
  return {.endpoint = peers_[static_cast<size_t>(lane.peer)].endpoint,
          .kind = kind,
          .from = static_cast<uint32_t>(rank()),
          .tag = lane.tag << 40 | lane.bytes};
}

void MpiFabric::say(const Lane& lane, Kind kind) {
  world_.send(peer(lane.peer).rank, label_for(lane, kind), "");
}

void MpiFabric::send_data(const Lane& lane, std::span<const std::byte> data) {
  world_.send_from(number_, peer(lane.peer).rank, label_for(lane, kData), data);
}

void MpiFabric::close() {
  const auto lock = world_.lock();
  if (std::exchange(closed_, true)) return;
  world_.close(number_);
  for (int rank = 0; rank < size(); ++rank) {
    if (rank != this->rank() && peer(rank).endpoint != 0) say({.peer = rank}, kClosed);
  }
  world_.changed().notify_all();
}

void MpiFabric::check_open(int rank) {
  if (closed_) throw PeerLost({.what = "closed here"});
  if (peer(rank).closed) throw PeerLost({.rank = rank, .what = "it has closed the connection"});
}

void MpiFabric::start_send(int to, uint32_t tag, std::span<const std::byte> data) {
  const auto lock = world_.lock();
  check_open(to);
  ++peer(to).open;
  const Lane lane{.peer = to, .tag = tag, .bytes = data.size()};
  const auto ready = ready_.find(lane);
  if (ready == ready_.end()) return unready_[lane].push_back(data);
  if (--ready->second == 0) ready_.erase(ready);
  send_data(lane, data);
}

void MpiFabric::start_receive(int from, uint32_t tag, std::span<std::byte> data) {
  const auto lock = world_.lock();
  check_open(from);
  ++peer(from).open;
  const Lane lane{.peer = from, .tag = tag, .bytes = data.size()};
  receives_[lane].push_back({.data = data.data()});
  say(lane, kReady);
}

void MpiFabric::take(int /*rank*/, const MpiLabel& label, std::span<const std::byte> content) {
  if (label.from >= peers_.size()) return;
  const Lane lane{
      .peer = static_cast<int>(label.from), .tag = label.tag >> 40, .bytes = label.tag & kMostBytes};
  if (label.kind == kClosed) peer(lane.peer).closed = true;
  if (label.kind == kData) take_data(lane, label.offset, content);
  if (label.kind != kReady) return;
  const auto waiting = unready_.find(lane);
  if (waiting == unready_.end()) {
    ++ready_[lane];
    return;
  }
  const auto data = waiting->second.front();
  waiting->second.pop_front();
  if (waiting->second.empty()) unready_.erase(waiting);
  send_data(lane, data);
}

void MpiFabric::take_data(const Lane& lane, uint64_t offset, std::span<const std::byte> content) {
  const auto found = receives_.find(lane);
  const bool is_awaited = found != receives_.end() && found->second.front().received == offset &&
                          content.size() <= lane.bytes - offset;
  if (!is_awaited) {
    peer(lane.peer).closed = true;  // it speaks another language
    return;
  }
  Receiving& one = found->second.front();
  std::ranges::copy(content, one.data + offset);
  one.received += content.size();
  if (one.received < lane.bytes) return;
  found->second.pop_front();
  if (found->second.empty()) receives_.erase(found);
  --peer(lane.peer).open;
  ++done_;
}

void MpiFabric::note_sent(int rank, const MpiLabel& label) {
  for (Peer& one : peers_) {
    if (one.rank != rank || one.endpoint != label.endpoint) continue;
    --one.open;
    ++done_;
  }
}

/// The first peer with an operation that is not done; one that has closed comes first.
std::optional<int> MpiFabric::awaited() const {
  std::optional<int> found;
  for (int rank = 0; rank < size(); ++rank) {
    const Peer& one = peers_[static_cast<size_t>(rank)];
    if (one.open == 0) continue;
    if (one.closed) return rank;
    if (!found) found = rank;
  }
  return found;
}

void MpiFabric::wait_for_all(std::chrono::milliseconds patience) {
  auto lock = world_.lock();
  auto since = Clock::now();
  uint64_t done = done_;
  for (;;) {
    if (closed_) throw PeerLost({.what = "closed here"});
    const auto rank = awaited();
    if (!rank) return;
    const std::chrono::duration<double> waited = Clock::now() - since;
    if (peer(*rank).closed)
      throw PeerLost({.rank = *rank, .seconds = waited.count(), .what = "it has closed the connection"});
    if (waited >= patience)
      throw PeerLost({.rank = *rank, .seconds = waited.count(), .what = "it is silent"});
    world_.changed().wait_until(lock, since + patience);
    if (std::exchange(done, done_) != done_) since = Clock::now();
  }
}

MpiPorts::MpiPorts(MpiWorld& world, const Fabric::Place& place)
    : fabric_(std::make_unique<MpiFabric>(world, place)), addresses_(fabric_->address()) {}

MpiPorts::~MpiPorts() = default;

std::unique_ptr<Fabric> MpiPorts::connect(const std::vector<std::string>& all) {
  PRETRAIN_CHECK(fabric_ != nullptr && all.size() == static_cast<size_t>(fabric_->size()), "{} addresses",
                 all.size());
  fabric_->meet(all);
  return std::move(fabric_);
}

}  // namespace pretrain
