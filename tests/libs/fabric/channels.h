// SPDX-License-Identifier: Apache-2.0
#pragma once
// Both ends of control connections in one process, and strangers who speak as they like.

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/tcp_socket.h"
#include "libs/fabric/channel.h"
#include "libs/fabric/channel_listener.h"

namespace pretrain::test {

inline constexpr std::string_view kTestSecret = "a secret of thirty-two characters";
/// For what ends by itself, on a machine however busy.
inline constexpr std::chrono::milliseconds kPlenty{120'000};

ChannelOptions channel_options(const std::string& name, std::chrono::milliseconds patience = kPlenty);

/// A listener at a free port of 127.0.0.1 that notes what it refuses.
class Head {
 public:
  explicit Head(ChannelListenerOptions options = {});

  ChannelListener& listener() { return *listener_; }
  const TcpAddress& address() const { return listener_->address(); }
  /// Waits for the next machine.
  std::unique_ptr<Channel> next();
  /// Waits until so many connections were refused.
  void await_refused(uint64_t count);
  std::vector<std::string> notes();

 private:
  std::mutex mutex_;  // guards notes_
  std::vector<std::string> notes_;
  std::unique_ptr<ChannelListener> listener_;
};

JoinOptions join_options(const TcpAddress& head, const std::string& name = "desk",
                         std::chrono::milliseconds patience = kPlenty);

/// A member's and a head's end.
struct Pair {
  Head head;
  std::unique_ptr<Channel> at_member, at_head;
  explicit Pair(std::chrono::milliseconds patience = kPlenty);
};

/// A connection that says what a test wants.
class Stranger {
 public:
  explicit Stranger(const TcpAddress& address);
  explicit Stranger(TcpConnection connection) : connection_(std::move(connection)) {}

  void say(std::string_view bytes);
  /// Everything until the other end closes.
  std::string hear_all();
  /// What comes next; empty when the other end has closed.
  std::string hear_some();

 private:
  TcpConnection connection_;
};

/// Waits for the next connection.
TcpConnection accept_one(TcpListener& listener);

}  // namespace pretrain::test
