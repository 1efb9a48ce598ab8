// SPDX-License-Identifier: Apache-2.0
#pragma once
// The head's end of the control connections: a port at a named address, where members join. It costs little whatever
// strangers do: there are few of them at a time, each has little time and memory, and one that is refused gets a line.
//
//   ChannelListener listener({.address = {.host = "192.168.1.10"}, .channel = {.secret = secret, ...}});
//   if (std::unique_ptr<Channel> channel = listener.take()) ...   // a machine has joined

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libs/base/tcp_socket.h"
#include "libs/fabric/channel.h"
#include "libs/fabric/handshake.h"

namespace pretrain {

struct ChannelListenerOptions {
  TcpAddress address{.host = "", .port = kChannelPort};  ///< of this machine; port 0: any free one
  ChannelOptions channel;
  /// Why a machine may not join, as one line for its user; empty when it may. Called on the listener's thread; must not
  /// block.
  Handshake::Refusal refusal = {};
  /// Gets a line to log, such as "refused 192.168.1.11: it has another secret". Called on the listener's thread, at
  /// most once a second.
  std::function<void(const std::string&)> on_refused = {};
  size_t strangers = 32;  ///< connections that have proved nothing yet; one more, and the oldest has to go
  std::chrono::milliseconds stranger_time{5'000};  ///< for the whole start
};

/// The head's end: takes connections on a thread of its own. Thread-safe.
class ChannelListener : public ChannelSource {
 public:
  /// Listens from here on.
  /// Errors: kUsage when the address is not one of this machine, or in use.
  explicit ChannelListener(const ChannelListenerOptions& options);
  ~ChannelListener() override;

  /// With the port that it got.
  const TcpAddress& address() const;
  std::unique_ptr<Channel> take() override;
  /// Readable while take() would return one; for wait_for_any().
  int descriptor() const;
  /// Connections that did not become channels, for any reason.
  uint64_t refused() const;
  /// Connections that have proved nothing yet.
  size_t strangers() const;

 private:
  class Acceptor;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace pretrain
