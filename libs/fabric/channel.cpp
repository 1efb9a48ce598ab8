// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/channel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/base/local_socket.h"
#include "libs/base/text.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Each end says that it is there this often within the patience of the other: three of four messages may be late.
constexpr int kSignsWithinPatience = 4;
/// Messages that nobody takes are left with the operating system above this.
constexpr size_t kMostInboxBytes = size_t{256} << 20;
constexpr size_t kReadBytes = size_t{256} << 10;
constexpr milliseconds kLastWords{1000};

/// That of the head, at both ends.
milliseconds patience_of(const Handshake& handshake, const ChannelOptions& options) {
  const milliseconds named = handshake.peer().patience;
  return handshake.side() == Handshake::Side::kMember && named.count() > 0 ? named : options.patience;
}

milliseconds until(Clock::time_point end) {
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(end - Clock::now()));
}

/// The connection, its queues and its thread.
class TcpChannel final : public Channel {
 public:
  TcpChannel(TcpConnection connection, Handshake handshake, const ChannelOptions& options,
             std::string unsent);
  ~TcpChannel() override { TcpChannel::close(); }

  const Introduction& peer() const override { return handshake_.peer(); }
  const std::string& session() const override { return handshake_.session(); }
  const std::string& peer_host() const override { return peer_host_; }
  const std::string& own_host() const override { return own_host_; }
  int descriptor() const override { return readable_.descriptor(); }

  void send(uint32_t kind, std::span<const std::byte> payload) override;
  bool flush(milliseconds patience) override;
  std::optional<Frame> try_receive() override;
  std::optional<Frame> receive(milliseconds patience, const std::stop_token& stop) override;
  std::optional<std::string> lost() const override;
  void close() override;

 private:
  void run();
  bool serve_once(std::vector<std::byte>& block);
  void read(std::vector<std::byte>& block);
  void take_frames(std::span<const std::byte> bytes);
  void write();
  void keep_alive();
  void hang_up(std::vector<std::byte>& block);
  void lose(const std::string& reason);
  bool is_over() const { return lost_ || (closing_ && (outbox_.empty() || Clock::now() >= close_by_)); }
  std::optional<Frame> pop();

  const milliseconds patience_;
  Handshake handshake_;       // its reader is the thread's; its writer is guarded by mutex_
  TcpConnection connection_;  // the thread's
  const std::string peer_host_, own_host_;
  Clock::time_point heard_ = Clock::now();  // the thread's
  WakeUp wake_, readable_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable_any changed_;
  std::deque<Frame> inbox_;
  size_t inbox_bytes_ = 0;
  std::string outbox_;
  size_t written_ = 0;  // of outbox_
  Clock::time_point spoke_ = Clock::now();
  std::optional<std::string> lost_;
  bool closing_ = false;
  Clock::time_point close_by_;
  std::once_flag joined_;
  std::thread thread_;
};

TcpChannel::TcpChannel(TcpConnection connection, Handshake handshake, const ChannelOptions& options,
                       std::string unsent)
    : patience_(patience_of(handshake, options)),
      handshake_(std::move(handshake)),
      connection_(std::move(connection)),
      peer_host_(connection_.peer().host),
      own_host_(connection_.own().host),
      outbox_(std::move(unsent)) {
  FrameLimits limits = options.limits;
  limits[kAliveKind] = 0;
  handshake_.reader().set_limits(std::move(limits));
  thread_ = std::thread([this] { run(); });
}

void TcpChannel::run() {
  std::vector<std::byte> block(kReadBytes);
  try {
    take_frames({});  // that came with the last bytes of the start
    while (serve_once(block)) {
    }
  } catch (const IoError& error) {
    lose(std::generic_category().message(error.code()));
  } catch (const BadFrame& bad) {
    lose(fmt::format("it sent {}", bad.what()));
  }
  if (!lost()) hang_up(block);
  connection_.reset();
  const std::lock_guard lock(mutex_);
  if (!lost_) lost_ = "closed here";
  readable_.wake();
  changed_.notify_all();
}

/// Lets the last messages arrive: closing while something is unread would drop them.
void TcpChannel::hang_up(std::vector<std::byte>& block) {
  try {
    connection_.end_writing();
    while (Clock::now() < close_by_) {
      const std::array awaited{Awaited{.descriptor = connection_.descriptor()}};
      wait_for_any(awaited, until(close_by_));
      if (connection_.read_some(block) == size_t{0}) return;
    }
  } catch (const IoError&) {
    // the other end is gone, too
  }
}

/// Waits for the network or an order, and serves it. False when the connection is over.
bool TcpChannel::serve_once(std::vector<std::byte>& block) {
  Awaited network{.descriptor = connection_.descriptor()};
  milliseconds most{0};
  {
    const std::lock_guard lock(mutex_);
    if (is_over()) return false;
    network.readable = inbox_bytes_ < kMostInboxBytes;
    network.writable = !outbox_.empty();
    most = until(std::min(spoke_ + patience_ / kSignsWithinPatience, heard_ + patience_));
    if (closing_) most = std::min(most, until(close_by_));
  }
  const std::array awaited{network, Awaited{.descriptor = wake_.descriptor()}};
  wait_for_any(awaited, std::max(most, milliseconds(1)));
  wake_.clear();
  if (network.readable) {
    read(block);
  } else {
    heard_ = Clock::now();  // what it says waits with the operating system
  }
  write();
  keep_alive();
  return true;
}

void TcpChannel::read(std::vector<std::byte>& block) {
  const auto count = connection_.read_some(block);
  if (count == size_t{0}) return lose("it has closed the connection");
  if (count) {
    heard_ = Clock::now();
    take_frames(std::span(block).first(*count));
  } else if (Clock::now() - heard_ >= patience_) {
    lose(fmt::format("it was silent for {}", format_duration(patience_)));
  }
}

void TcpChannel::take_frames(std::span<const std::byte> bytes) {
  handshake_.reader().take(bytes);
  while (auto frame = handshake_.reader().next()) {
    if (frame->kind == kAliveKind) continue;
    const std::lock_guard lock(mutex_);
    inbox_bytes_ += frame->payload.size();
    inbox_.push_back(std::move(*frame));
    readable_.wake();
    changed_.notify_all();
  }
}

void TcpChannel::write() {
  const std::lock_guard lock(mutex_);
  if (outbox_.empty()) return;
  const auto left = std::as_bytes(std::span(outbox_)).subspan(written_);
  written_ += connection_.write_some(left);
  spoke_ = Clock::now();
  if (written_ < outbox_.size()) return;
  outbox_.clear();
  written_ = 0;
  changed_.notify_all();
}

void TcpChannel::keep_alive() {
  const std::lock_guard lock(mutex_);
  if (!outbox_.empty() || Clock::now() - spoke_ < patience_ / kSignsWithinPatience) return;
  handshake_.writer().write(kAliveKind, {}, outbox_);
  spoke_ = Clock::now();
}

void TcpChannel::lose(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!lost_) lost_ = reason;
}

void TcpChannel::send(uint32_t kind, std::span<const std::byte> payload) {
  PRETRAIN_CHECK(kind < kChannelKinds, "kind {}", kind);
  const std::lock_guard lock(mutex_);
  if (lost_ || closing_) return;
  handshake_.writer().write(kind, payload, outbox_);
  wake_.wake();
}

bool TcpChannel::flush(milliseconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return lost_ || outbox_.empty(); });
  return !lost_ && outbox_.empty();
}

std::optional<Frame> TcpChannel::pop() {
  if (inbox_.empty() && lost_) {
    throw ChannelError(ChannelError::Fault::kLost, fmt::format("lost the connection to {} ({}): {}",
                                                               printable(peer().name), peer_host_, *lost_));
  }
  if (inbox_.empty()) return std::nullopt;
  Frame frame = std::move(inbox_.front());
  inbox_.pop_front();
  inbox_bytes_ -= frame.payload.size();
  if (inbox_.empty() && !lost_) readable_.clear();
  wake_.wake();  // there is room again
  return frame;
}

std::optional<Frame> TcpChannel::try_receive() {
  const std::lock_guard lock(mutex_);
  return pop();
}

std::optional<Frame> TcpChannel::receive(milliseconds patience, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, patience, [&] { return lost_ || !inbox_.empty(); });
  auto frame = pop();
  if (!frame && stop.stop_requested()) throw Stopped();
  return frame;
}

std::optional<std::string> TcpChannel::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

void TcpChannel::close() {
  {
    const std::lock_guard lock(mutex_);
    if (!closing_) close_by_ = Clock::now() + kLastWords;
    closing_ = true;
    wake_.wake();
  }
  std::call_once(joined_, [&] { thread_.join(); });
}

}  // namespace

std::unique_ptr<Channel> Channel::over(TcpConnection connection, Handshake handshake,
                                       const ChannelOptions& options, std::string unsent) {
  return std::make_unique<TcpChannel>(std::move(connection), std::move(handshake), options,
                                      std::move(unsent));
}

Frame Channel::receive(const std::stop_token& stop) {
  constexpr milliseconds kLong{60'000};
  while (true) {
    if (auto frame = receive(kLong, stop)) return std::move(*frame);
  }
}

namespace {

using Fault = ChannelError::Fault;

[[noreturn]] void fail_to_join(Fault fault, const TcpAddress& head, std::string_view reason) {
  throw ChannelError(fault, fmt::format("cannot join {}: {}", printable(to_text(head)), reason));
}

/// What the user can do about an error of the network.
std::string advice_for(const IoError& error, const TcpAddress& head, milliseconds time) {
  switch (error.code()) {
    case ENOENT:
      return fmt::format("no machine of the name {} is known; name the head's IP address",
                         printable(head.host));
    case ECONNREFUSED:
      return fmt::format("nothing listens there; start the head with --listen {}", printable(head.host));
    case ETIMEDOUT:
      return fmt::format(
          "no answer within {}; check the address, the cable and the head's firewall (port {})",
          format_duration(time), head.port);
    case ENETUNREACH:
    case EHOSTUNREACH:
      return fmt::format("{}; check the address, the cable and this machine's network",
                         std::generic_category().message(error.code()));
    default:
      return std::generic_category().message(error.code());
  }
}

/// The same for what the two ends said to each other.
std::string advice_for(const ChannelError& error) {
  switch (error.fault()) {
    case Fault::kOtherProgram:
      return fmt::format("another program answers there ({}); check address and port", error.what());
    case Fault::kOtherSecret:
      return "the head has another secret; copy its secret file to this machine";
    case Fault::kRejected:
      return fmt::format("the head refuses: {}", error.what());
    default:
      return error.what();
  }
}

/// The start of a connection at the member. Single-owner.
class Joiner {
 public:
  Joiner(const JoinOptions& options, const std::stop_token& stop)
      : options_(options),
        stop_(stop),
        wake_(stop, [this] { stopped_.wake(); }),
        end_(Clock::now() + options.time) {}

  std::unique_ptr<Channel> join() {
    TcpConnection connection = TcpConnection::open(options_.head, options_.time, stop_);
    Handshake handshake(Handshake::Side::kMember, options_.channel.secret, options_.channel.introduction);
    handshake.start(out_);
    while (!handshake.is_done()) serve(connection, handshake);
    return Channel::over(std::move(connection), std::move(handshake), options_.channel);
  }

 private:
  void serve(TcpConnection& connection, Handshake& handshake) {
    if (stop_.stop_requested()) throw Stopped();
    if (Clock::now() >= end_) {
      fail_to_join(
          Fault::kUnreachable, options_.head,
          fmt::format("something listens there, but did not answer within {}; check address and port",
                      format_duration(options_.time)));
    }
    const std::array awaited{Awaited{.descriptor = connection.descriptor(), .writable = !out_.empty()},
                             Awaited{.descriptor = stopped_.descriptor()}};
    wait_for_any(awaited, until(end_));
    out_.erase(0, connection.write_some(std::as_bytes(std::span(out_))));
    std::array<std::byte, 4096> block{};
    const auto count = connection.read_some(block);
    if (count == size_t{0}) {
      fail_to_join(Fault::kLost, options_.head,
                   "it closed the connection; try again, or check that a head listens there");
    }
    if (count) handshake.take(std::span(block).first(*count), out_);
  }

  const JoinOptions& options_;
  const std::stop_token stop_;
  const WakeUp stopped_;
  const std::stop_callback<std::function<void()>> wake_;
  const Clock::time_point end_;
  std::string out_;
};

}  // namespace

std::unique_ptr<Channel> join_channel(const JoinOptions& options, const std::stop_token& stop) {
  try {
    return Joiner(options, stop).join();
  } catch (const IoError& error) {
    const bool is_lost = error.code() == ECONNRESET || error.code() == EPIPE;
    fail_to_join(is_lost ? Fault::kLost : Fault::kUnreachable, options.head,
                 advice_for(error, options.head, options.time));
  } catch (const ChannelError& error) {
    const bool is_complete = std::string_view(error.what()).starts_with("cannot join");
    if (is_complete) throw;
    fail_to_join(error.fault(), options.head, advice_for(error));
  }
}

}  // namespace pretrain
