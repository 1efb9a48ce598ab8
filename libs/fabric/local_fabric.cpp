// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/local_fabric.h"

#include <algorithm>
#include <compare>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/base/rng.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

/// What a send and a receive must have in common.
struct Lane {
  int from = 0, to = 0;
  uint32_t tag = 0;
  uint64_t bytes = 0;

  auto operator<=>(const Lane&) const = default;
};

struct Sending {
  const std::byte* data = nullptr;
  Clock::time_point arrives;
};

struct Queues {
  std::deque<Sending> sends;
  std::deque<std::byte*> receives;
};

enum class State {
  kUp,
  kSilent,  ///< nothing comes from it or reaches it, which nobody is told
  kGone,
};

struct Member {
  State state = State::kUp;
  uint64_t operations = 0;
  uint64_t messages = 0;         ///< sent
  std::map<int, uint64_t> open;  ///< operations started and not done, by peer
};

}  // namespace

/// What all ranks share. Thread-safe.
class LocalNetwork::Switch {
 public:
  explicit Switch(const LocalNetworkOptions& options)
      : options_(options), members_(static_cast<size_t>(options.size)) {
    PRETRAIN_CHECK(options.size > 0, "{} ranks", options.size);
  }

  const LocalNetworkOptions& options() const { return options_; }
  void take(int rank);
  void send(int from, int to, uint32_t tag, std::span<const std::byte> data);
  void receive(int to, int from, uint32_t tag, std::span<std::byte> data);
  void wait(int rank, std::chrono::milliseconds patience);
  void close(int rank);

 private:
  Member& member(int rank) { return members_.at(static_cast<size_t>(rank)); }
  void count_operation(int rank);
  void leave(int rank, State state);
  void deliver(const Lane& lane, Queues& queues);
  /// Hands over what has arrived; returns when the next message arrives.
  std::optional<Clock::time_point> deliver_arrived();
  void throw_if_lost(int rank, Clock::time_point since);
  uint64_t open_operations(int rank);

  const LocalNetworkOptions options_;
  std::mutex mutex_;  // guards all below, and the memory of all operations
  std::condition_variable changed_;
  std::vector<Member> members_;
  std::vector<int> taken_;
  std::map<Lane, Queues> lanes_;
};

void LocalNetwork::Switch::take(int rank) {
  const std::lock_guard lock(mutex_);
  PRETRAIN_CHECK(std::ranges::find(taken_, rank) == taken_.end(), "rank {} was taken before", rank);
  taken_.push_back(rank);
}

void LocalNetwork::Switch::leave(int rank, State state) {
  member(rank).state = state;
  member(rank).open.clear();
  for (auto& [lane, queues] : lanes_) {
    if (lane.from == rank) queues.sends.clear();
    if (lane.to == rank) queues.receives.clear();
  }
  std::erase_if(
      lanes_, [](const auto& entry) { return entry.second.sends.empty() && entry.second.receives.empty(); });
  changed_.notify_all();
}

/// Lets the rank die where the test wants that.
void LocalNetwork::Switch::count_operation(int rank) {
  if (member(rank).state != State::kUp) throw PeerLost({.what = "closed here"});
  const uint64_t operation = member(rank).operations++;
  for (const LocalLoss& loss : options_.losses) {
    if (loss.rank != rank || loss.operation != operation) continue;
    leave(rank, loss.manner == LocalLoss::Manner::kKilled ? State::kGone : State::kSilent);
    throw LocalDeath();
  }
}

void LocalNetwork::Switch::send(int from, int to, uint32_t tag, std::span<const std::byte> data) {
  const std::lock_guard lock(mutex_);
  count_operation(from);
  const uint64_t number = member(from).messages++;
  const uint64_t place = static_cast<uint64_t>(from) << 32 | static_cast<uint64_t>(to);
  const auto most = static_cast<uint64_t>(options_.longest_delay.count());
  const uint64_t random = derive_seed(derive_seed(options_.seed, place), number);
  const std::chrono::microseconds delay(most == 0 ? 0 : random % (most + 1));
  lanes_[{from, to, tag, data.size()}].sends.push_back(
      {.data = data.data(), .arrives = Clock::now() + delay});
  ++member(from).open[to];
  changed_.notify_all();
}

void LocalNetwork::Switch::receive(int to, int from, uint32_t tag, std::span<std::byte> data) {
  const std::lock_guard lock(mutex_);
  count_operation(to);
  lanes_[{from, to, tag, data.size()}].receives.push_back(data.data());
  ++member(to).open[from];
  changed_.notify_all();
}

void LocalNetwork::Switch::deliver(const Lane& lane, Queues& queues) {
  std::copy_n(queues.sends.front().data, lane.bytes, queues.receives.front());
  queues.sends.pop_front();
  queues.receives.pop_front();
  --member(lane.from).open[lane.to];
  --member(lane.to).open[lane.from];
  changed_.notify_all();
}

std::optional<Clock::time_point> LocalNetwork::Switch::deliver_arrived() {
  const Clock::time_point now = Clock::now();
  std::optional<Clock::time_point> next;
  for (auto& [lane, queues] : lanes_) {
    while (!queues.sends.empty() && !queues.receives.empty() && queues.sends.front().arrives <= now)
      deliver(lane, queues);
    if (queues.sends.empty() || queues.receives.empty()) continue;
    next = std::min(next.value_or(Clock::time_point::max()), queues.sends.front().arrives);
  }
  std::erase_if(
      lanes_, [](const auto& entry) { return entry.second.sends.empty() && entry.second.receives.empty(); });
  return next;
}

uint64_t LocalNetwork::Switch::open_operations(int rank) {
  uint64_t count = 0;
  for (const auto& [peer, open] : member(rank).open) count += open;
  return count;
}

void LocalNetwork::Switch::throw_if_lost(int rank, Clock::time_point since) {
  if (member(rank).state != State::kUp) throw PeerLost({.what = "closed here"});
  const double seconds = std::chrono::duration<double>(Clock::now() - since).count();
  for (const auto& [peer, open] : member(rank).open) {
    if (open > 0 && member(peer).state == State::kGone)
      throw PeerLost({.rank = peer, .seconds = seconds, .what = "it has closed the connection"});
  }
}

void LocalNetwork::Switch::wait(int rank, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  count_operation(rank);
  const Clock::time_point start = Clock::now();
  Clock::time_point progress = start;
  uint64_t open_before = open_operations(rank);
  while (true) {
    const auto next = deliver_arrived();
    const uint64_t open = open_operations(rank);
    if (open == 0 && member(rank).state == State::kUp) return;
    throw_if_lost(rank, start);
    if (open < std::exchange(open_before, open)) progress = Clock::now();
    const Clock::time_point end = progress + patience;
    if (Clock::now() >= end) {
      const auto first = std::ranges::find_if(member(rank).open, [](const auto& e) { return e.second > 0; });
      const double seconds = std::chrono::duration<double>(patience).count();
      throw PeerLost({.rank = first->first, .seconds = seconds, .what = "it is silent"});
    }
    changed_.wait_until(lock, next ? std::min(*next, end) : end);
  }
}

void LocalNetwork::Switch::close(int rank) {
  const std::lock_guard lock(mutex_);
  if (member(rank).state == State::kUp) leave(rank, State::kGone);
}

namespace {

class LocalFabric final : public Fabric {
 public:
  LocalFabric(const Place& place, std::shared_ptr<LocalNetwork::Switch> network)
      : Fabric(place), switch_(std::move(network)) {}
  ~LocalFabric() override { LocalFabric::close(); }

  void close() override { switch_->close(rank()); }

 private:
  void start_send(int to, uint32_t tag, std::span<const std::byte> data) override {
    switch_->send(rank(), to, tag, data);
  }
  void start_receive(int from, uint32_t tag, std::span<std::byte> data) override {
    switch_->receive(rank(), from, tag, data);
  }
  void wait_for_all(std::chrono::milliseconds patience) override { switch_->wait(rank(), patience); }

  std::shared_ptr<LocalNetwork::Switch> switch_;
};

}  // namespace

LocalNetwork::LocalNetwork(const LocalNetworkOptions& options) : switch_(std::make_shared<Switch>(options)) {}

LocalNetwork::~LocalNetwork() = default;

std::unique_ptr<Fabric> LocalNetwork::take_fabric(int rank) {
  const LocalNetworkOptions& options = switch_->options();
  switch_->take(rank);
  return std::make_unique<LocalFabric>(
      Fabric::Place{.rank = rank, .size = options.size, .generation = options.generation}, switch_);
}

}  // namespace pretrain
