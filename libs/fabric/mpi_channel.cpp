// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/mpi_channel.h"

#include <deque>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/base/local_socket.h"
#include "libs/base/text.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using Fault = ChannelError::Fault;

/// Where the head waits for members.
constexpr uint64_t kArrivals = 1;
constexpr int kHead = 0;
/// Each end says that it is there this often within the patience of the other, as over TCP.
constexpr int kSignsWithinPatience = 4;

enum Kind : uint32_t {
  kHello = 1,  ///< of a member: its introduction; the tag is its endpoint
  kWelcome,    ///< the head's, likewise
  kRefusal,    ///< the head's reason
  kMessage,    ///< the tag is its kind
  kAlive,
  kClosed,
};

std::string text_of(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class MpiChannel final : public Channel, private MpiWorld::Endpoint {
 public:
  /// Needs the world's lock. Without a peer's endpoint it waits for the answer of the head.
  MpiChannel(MpiWorld& world, const ChannelOptions& options, int rank);
  ~MpiChannel() override { MpiChannel::close(); }

  uint64_t endpoint() const { return number_; }
  /// From here on, messages go there.
  void connect(uint64_t endpoint, Introduction peer);
  bool is_connected() const { return peer_endpoint_ != 0; }
  const std::optional<std::string>& refusal() const { return refusal_; }

  const Introduction& peer() const override { return peer_; }
  const std::string& peer_host() const override { return peer_host_; }
  const std::string& own_host() const override { return own_host_; }
  const std::string& session() const override { return session_; }
  int descriptor() const override { return readable_.descriptor(); }
  void send(uint32_t kind, std::span<const std::byte> payload) override;
  bool flush(milliseconds patience) override;
  std::optional<Frame> try_receive() override;
  std::optional<Frame> receive(milliseconds patience, const std::stop_token& stop) override;
  std::optional<std::string> lost() const override;
  void close() override;

 private:
  void take(int rank, const MpiLabel& label, std::span<const std::byte> content) override;
  void take_message(const MpiLabel& label, std::span<const std::byte> content);
  void tick() override;
  void say(Kind kind, uint64_t tag, std::string content);
  void lose(const std::string& reason);
  std::optional<Frame> pop();

  MpiWorld& world_;
  const int rank_;  // of the other end
  const std::string peer_host_, own_host_;
  FrameLimits limits_;
  milliseconds patience_;
  uint64_t number_ = 0, peer_endpoint_ = 0;  // the world's lock guards all from here
  Introduction peer_;
  std::string session_;
  std::optional<std::string> refusal_, lost_;
  std::optional<Frame> partial_;
  std::deque<Frame> inbox_;
  WakeUp readable_;
  Clock::time_point heard_ = Clock::now(), spoke_ = Clock::now();
};

MpiChannel::MpiChannel(MpiWorld& world, const ChannelOptions& options, int rank)
    : world_(world),
      rank_(rank),
      peer_host_(fmt::format("rank {}", rank)),
      own_host_(fmt::format("rank {}", world.rank())),
      limits_(options.limits),
      patience_(options.patience),
      number_(world.open(*this)) {}

void MpiChannel::connect(uint64_t endpoint, Introduction peer) {
  peer_endpoint_ = endpoint;
  peer_ = std::move(peer);
  if (rank_ == kHead && peer_.patience.count() > 0) patience_ = peer_.patience;
  const bool is_head = world_.rank() == kHead;
  session_ = fmt::format("rank {}, endpoints {} and {}", is_head ? rank_ : world_.rank(),
                         is_head ? number_ : endpoint, is_head ? endpoint : number_);
  heard_ = Clock::now();
}

void MpiChannel::say(Kind kind, uint64_t tag, std::string content) {
  spoke_ = Clock::now();
  world_.send(rank_, {.endpoint = peer_endpoint_, .kind = kind, .tag = tag}, std::move(content));
}

void MpiChannel::take(int rank, const MpiLabel& label, std::span<const std::byte> content) {
  if (rank != rank_ || lost_) return;
  heard_ = Clock::now();
  if (label.kind == kClosed) lose("it has closed the connection");
  if (label.kind == kRefusal) refusal_ = text_of(content);
  if (label.kind == kMessage) take_message(label, content);
  if (label.kind != kWelcome || is_connected()) return;
  try {
    connect(label.tag, read_introduction(text_of(content)));
  } catch (const Error& error) {
    lose(fmt::format("it introduces itself wrongly: {}", error.what()));
  }
}

void MpiChannel::take_message(const MpiLabel& label, std::span<const std::byte> content) {
  const auto kind = static_cast<uint32_t>(label.tag);
  const auto limit = limits_.find(kind);
  if (limit == limits_.end() || label.bytes > limit->second)
    return lose(fmt::format("it sent a message of unknown kind or length ({}, {} bytes)", kind, label.bytes));
  if (label.offset == 0) partial_ = Frame{.kind = kind, .payload = ""};
  if (!partial_ || partial_->payload.size() != label.offset)
    return lose("it sent a message without its start");
  partial_->payload += text_of(content);
  if (partial_->payload.size() < label.bytes) return;
  inbox_.push_back(*std::exchange(partial_, std::nullopt));
  readable_.wake();
}

/// Says that this end is there, and notices when the other one is not.
void MpiChannel::tick() {
  if (lost_) return;
  if (world_.has_ended(rank_)) return lose("it has ended");
  if (!is_connected()) return;
  const auto now = Clock::now();
  if (now - heard_ >= patience_) return lose(fmt::format("it was silent for {}", format_duration(patience_)));
  if (now - spoke_ >= patience_ / kSignsWithinPatience) say(kAlive, 0, "");
}

void MpiChannel::lose(const std::string& reason) {
  if (!lost_) lost_ = reason;
  readable_.wake();
}

void MpiChannel::send(uint32_t kind, std::span<const std::byte> payload) {
  PRETRAIN_CHECK(kind < kChannelKinds, "kind {}", kind);
  const auto lock = world_.lock();
  if (!lost_ && is_connected()) say(kMessage, kind, text_of(payload));
}

/// MPI has a message once it is queued: the world sends all before it ends.
bool MpiChannel::flush(milliseconds /*patience*/) {
  const auto lock = world_.lock();
  return !lost_;
}

std::optional<Frame> MpiChannel::pop() {
  if (inbox_.empty() && lost_) {
    throw ChannelError(Fault::kLost, fmt::format("lost the connection to {} ({}): {}", printable(peer_.name),
                                                 peer_host_, *lost_));
  }
  if (inbox_.empty()) return std::nullopt;
  Frame frame = std::move(inbox_.front());
  inbox_.pop_front();
  if (inbox_.empty() && !lost_) readable_.clear();
  return frame;
}

std::optional<Frame> MpiChannel::try_receive() {
  const auto lock = world_.lock();
  return pop();
}

std::optional<Frame> MpiChannel::receive(milliseconds patience, const std::stop_token& stop) {
  auto lock = world_.lock();
  world_.changed().wait_for(lock, stop, patience, [&] { return lost_ || !inbox_.empty(); });
  auto frame = pop();
  if (!frame && stop.stop_requested()) throw Stopped();
  return frame;
}

std::optional<std::string> MpiChannel::lost() const {
  const auto lock = world_.lock();
  return lost_;
}

void MpiChannel::close() {
  const auto lock = world_.lock();
  const uint64_t number = std::exchange(number_, 0);
  if (number == 0) return;
  world_.close(number);
  if (is_connected()) say(kClosed, 0, "");
  lose("closed here");
  world_.changed().notify_all();
}

}  // namespace

MpiArrivals::MpiArrivals(MpiWorld& world, const ChannelOptions& options, Handshake::Refusal refusal,
                         std::function<void(const std::string&)> on_refused)
    : world_(world), options_(options), refusal_(std::move(refusal)), on_refused_(std::move(on_refused)) {
  const auto lock = world_.lock();
  world_.open_as(kArrivals, *this);
}

MpiArrivals::~MpiArrivals() {
  const auto lock = world_.lock();
  world_.close(kArrivals);
}

std::unique_ptr<Channel> MpiArrivals::take() {
  const auto lock = world_.lock();
  if (arrived_.empty()) return nullptr;
  std::unique_ptr<Channel> first = std::move(arrived_.front());
  arrived_.erase(arrived_.begin());
  return first;
}

void MpiArrivals::take(int rank, const MpiLabel& label, std::span<const std::byte> content) {
  if (label.kind == kHello) welcome(rank, label.tag, text_of(content));
}

void MpiArrivals::welcome(int rank, uint64_t endpoint, const std::string& introduction) {
  std::string reason;
  Introduction peer;
  try {
    peer = read_introduction(introduction);
    reason = refusal_ ? refusal_(peer).value_or("") : "";
  } catch (const Error& error) {
    reason = fmt::format("it introduces itself wrongly: {}", error.what());
  }
  if (!reason.empty()) {
    world_.send(rank, {.endpoint = endpoint, .kind = kRefusal}, reason);
    if (on_refused_) on_refused_(fmt::format("refused {} (rank {}): {}", printable(peer.name), rank, reason));
    return;
  }
  Introduction own = options_.introduction;
  own.patience = options_.patience;
  auto channel = std::make_unique<MpiChannel>(world_, options_, rank);
  world_.send(rank, {.endpoint = endpoint, .kind = kWelcome, .tag = channel->endpoint()}, to_json_text(own));
  channel->connect(endpoint, std::move(peer));
  arrived_.push_back(std::move(channel));
}

std::unique_ptr<Channel> join_by_mpi(MpiWorld& world, const ChannelOptions& options) {
  std::unique_ptr<MpiChannel> channel;  // closes without the lock
  auto lock = world.lock();
  channel = std::make_unique<MpiChannel>(world, options, kHead);
  world.send(kHead, {.endpoint = kArrivals, .kind = kHello, .tag = channel->endpoint()},
             to_json_text(options.introduction));
  world.changed().wait(
      lock, [&] { return channel->is_connected() || channel->refusal() || world.has_ended(kHead); });
  if (!channel->is_connected() && !channel->refusal()) return nullptr;
  lock.unlock();
  if (channel->refusal())
    throw ChannelError(Fault::kRejected, fmt::format("the head refuses: {}", printable(*channel->refusal())));
  return channel;
}

}  // namespace pretrain
