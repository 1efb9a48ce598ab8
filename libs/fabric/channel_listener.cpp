// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/channel_listener.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "libs/base/local_socket.h"
#include "libs/base/text.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// At most so many new connections between two looks at those there are, so that a flood does not push out a machine
/// that is about to prove itself.
constexpr int kAcceptedAtOnce = 4;
/// Without descriptors or memory, accepting is tried again after this time.
constexpr milliseconds kExhaustedPause{200};
constexpr milliseconds kLogEvery{1000};
/// For a refusal to reach the other end.
constexpr milliseconds kRefusalTime{1000};

/// A connection that has not proved anything yet.
struct Stranger {
  TcpConnection connection;
  Handshake handshake;
  Clock::time_point end;
  std::string out = {};
  bool refused = false;  ///< it gets the rest of `out`, and a moment to read it
  bool gone = false;     ///< it has closed its end
};

/// The named address, which must be one.
TcpAddress one_address(const TcpAddress& address) {
  if (address.host == "0.0.0.0" || address.host == "::") {
    fail(ErrorKind::kUsage,
         "{} means all networks of this machine; name its address in the network of the others",
         address.host);
  }
  return address;
}

}  // namespace

class ChannelListener::Acceptor {
 public:
  explicit Acceptor(const ChannelListenerOptions& options)
      : options_(options), listener_(one_address(options.address)), thread_([this] { run(); }) {}
  ~Acceptor() {
    stopping_ = true;
    wake_.wake();
    thread_.join();
  }

  const TcpAddress& address() const { return listener_.address(); }
  int descriptor() const { return readable_.descriptor(); }
  uint64_t refused() const { return refused_; }
  size_t strangers() const { return stranger_count_; }
  std::unique_ptr<Channel> take();

 private:
  void run();
  Introduction own_introduction() const;
  void wait() const;
  void accept_some();
  void serve(Stranger& stranger);
  /// False when it is over for this connection.
  bool serve_safely(Stranger& stranger);
  void admit(Stranger& stranger);
  void note_refused(const std::string& host, std::string_view reason);

  const ChannelListenerOptions options_;
  TcpListener listener_;
  std::list<Stranger> strangers_;  // the thread's, as are the next two
  Clock::time_point accept_from_ = Clock::now();
  Clock::time_point log_from_ = Clock::now();
  std::atomic<uint64_t> refused_{0};
  std::atomic<size_t> stranger_count_{0};
  std::atomic<bool> stopping_{false};
  WakeUp wake_, readable_;
  std::mutex mutex_;  // guards joined_
  std::deque<std::unique_ptr<Channel>> joined_;
  std::thread thread_;
};

void ChannelListener::Acceptor::run() {
  while (!stopping_) {
    wait();
    for (auto one = strangers_.begin(); one != strangers_.end();)
      one = serve_safely(*one) ? std::next(one) : strangers_.erase(one);
    accept_some();
    stranger_count_ = strangers_.size();
  }
}

Introduction ChannelListener::Acceptor::own_introduction() const {
  Introduction own = options_.channel.introduction;
  own.patience = options_.channel.patience;
  return own;
}

void ChannelListener::Acceptor::wait() const {
  Clock::time_point end = Clock::now() + std::chrono::hours(1);
  std::vector<Awaited> awaited{{.descriptor = wake_.descriptor()}};
  if (Clock::now() >= accept_from_) {
    awaited.push_back({.descriptor = listener_.descriptor()});
  } else {
    end = accept_from_;
  }
  for (const Stranger& one : strangers_) {
    awaited.push_back({.descriptor = one.connection.descriptor(), .writable = !one.out.empty()});
    end = std::min(end, one.end);
  }
  const auto most = std::chrono::ceil<milliseconds>(end - Clock::now());
  wait_for_any(awaited, std::max(most, milliseconds(0)));
}

void ChannelListener::Acceptor::accept_some() {
  if (Clock::now() < accept_from_) return;
  try {
    for (int i = 0; i < kAcceptedAtOnce; ++i) {
      auto connection = listener_.accept();
      if (!connection) return;
      if (strangers_.size() >= options_.strangers) {
        note_refused(strangers_.front().connection.peer().host, "too many connections that prove nothing");
        strangers_.pop_front();
      }
      strangers_.push_back({.connection = std::move(*connection),
                            .handshake = Handshake(Handshake::Side::kHead, options_.channel.secret,
                                                   own_introduction(), options_.refusal),
                            .end = Clock::now() + options_.stranger_time});
    }
  } catch (const IoError& error) {
    accept_from_ = Clock::now() + kExhaustedPause;
    note_refused("a connection", std::generic_category().message(error.code()));
  }
}

bool ChannelListener::Acceptor::serve_safely(Stranger& stranger) {
  const std::string host = stranger.connection.peer().host;
  try {
    serve(stranger);
    if (stranger.handshake.is_done() && !stranger.refused) {
      admit(stranger);
      return false;
    }
  } catch (const ChannelError& error) {
    note_refused(host, error.what());
    stranger.refused = true;
    stranger.end = Clock::now() + kRefusalTime;
  } catch (const IoError& error) {
    if (!stranger.refused) note_refused(host, std::generic_category().message(error.code()));
    return false;
  }
  if (Clock::now() < stranger.end) return !stranger.gone;
  if (!stranger.refused)
    note_refused(host, fmt::format("it proved nothing within {}", format_duration(options_.stranger_time)));
  return false;
}

void ChannelListener::Acceptor::serve(Stranger& stranger) {
  std::array<std::byte, 4096> block{};
  const auto count = stranger.connection.read_some(block);
  if (count == size_t{0}) {
    stranger.gone = true;
    if (stranger.refused) return;
    throw ChannelError(ChannelError::Fault::kLost, "it closed the connection before it had proved anything");
  }
  if (count && !stranger.refused) stranger.handshake.take(std::span(block).first(*count), stranger.out);
  stranger.out.erase(0, stranger.connection.write_some(std::as_bytes(std::span(stranger.out))));
  if (stranger.refused && stranger.out.empty()) stranger.connection.end_writing();
}

void ChannelListener::Acceptor::admit(Stranger& stranger) {
  auto channel = Channel::over(std::move(stranger.connection), std::move(stranger.handshake),
                               options_.channel, std::move(stranger.out));
  const std::lock_guard lock(mutex_);
  joined_.push_back(std::move(channel));
  readable_.wake();
}

void ChannelListener::Acceptor::note_refused(const std::string& host, std::string_view reason) {
  ++refused_;
  if (!options_.on_refused || Clock::now() < log_from_) return;
  log_from_ = Clock::now() + kLogEvery;
  options_.on_refused(fmt::format("refused {}: {}", printable(host), printable(reason)));
}

std::unique_ptr<Channel> ChannelListener::Acceptor::take() {
  const std::lock_guard lock(mutex_);
  if (joined_.empty()) return nullptr;
  auto channel = std::move(joined_.front());
  joined_.pop_front();
  if (joined_.empty()) readable_.clear();
  return channel;
}

ChannelListener::ChannelListener(const ChannelListenerOptions& options)
    : acceptor_(std::make_unique<Acceptor>(options)) {}

ChannelListener::~ChannelListener() = default;

const TcpAddress& ChannelListener::address() const {
  return acceptor_->address();
}

std::unique_ptr<Channel> ChannelListener::take() {
  return acceptor_->take();
}

int ChannelListener::descriptor() const {
  return acceptor_->descriptor();
}

uint64_t ChannelListener::refused() const {
  return acceptor_->refused();
}

size_t ChannelListener::strangers() const {
  return acceptor_->strangers();
}

}  // namespace pretrain
