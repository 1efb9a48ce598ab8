// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control connections between the head and the members of a run: messages with a kind and a payload, over TCP,
// at a low rate. At the start both ends prove that they have the same secret and introduce themselves (handshake.h);
// later messages carry codes (frame.h). Nothing is encrypted.
//
//   head:    if (std::unique_ptr<Channel> channel = listener.take()) ...   // channel_listener.h
//   member:  std::unique_ptr<Channel> channel = join_channel({.head = {.host = "192.168.1.10"}, ...}, stop);
//   both:    channel->send(kGo, payload);
//            const Frame frame = channel->receive(stop);

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "libs/base/tcp_socket.h"
#include "libs/fabric/frame.h"
#include "libs/fabric/handshake.h"

namespace pretrain {

/// The port of the head's control connections where none is named.
inline constexpr uint16_t kChannelPort = 7733;

/// How one end treats a channel.
struct ChannelOptions {
  std::string secret;
  Introduction introduction;  ///< of this end
  FrameLimits limits;         ///< of what this end receives, for kinds below kChannelKinds
  /// The other end is lost after this silence; each end says that it is there four times within it. A member uses that of
  /// the head: with a longer one it would be lost while it computes.
  std::chrono::milliseconds patience{30'000};
};

/// One end of a control connection, over what carries its messages: TCP here, MPI in mpi_channel.h. Thread-safe.
class Channel {
 public:
  /// A channel over a connection whose start is done, but for the bytes in `unsent`; for ChannelListener and
  /// join_channel(). It has a thread that reads, writes and keeps the connection alive, so that no end is taken for lost
  /// while it computes.
  static std::unique_ptr<Channel> over(TcpConnection connection, Handshake handshake,
                                       const ChannelOptions& options, std::string unsent = {});
  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// What the other end has said about itself.
  virtual const Introduction& peer() const = 0;
  /// IP addresses of both ends, or what names them where there are none, such as "rank 2".
  virtual const std::string& peer_host() const = 0;
  virtual const std::string& own_host() const = 0;
  /// The same on both ends, known to nobody else, and different for each connection.
  virtual const std::string& session() const = 0;

  /// Queues a message and returns at once; does nothing on a lost connection, which receive() and lost() report.
  /// Requires: kind < kChannelKinds, and a payload within the other end's limit.
  virtual void send(uint32_t kind, std::span<const std::byte> payload) = 0;
  void send(uint32_t kind, std::string_view payload) { send(kind, std::as_bytes(std::span(payload))); }
  /// Waits until the layer below has all messages. False when the connection is lost, or after `patience`.
  virtual bool flush(std::chrono::milliseconds patience) = 0;

  /// The next message; empty when there is none yet. Never blocks.
  /// Errors: ChannelError (kLost), once all that came before the loss was taken.
  virtual std::optional<Frame> try_receive() = 0;
  /// The next message; empty after `patience`.
  /// Errors: ChannelError (kLost); Stopped, unless there is a message.
  virtual std::optional<Frame> receive(std::chrono::milliseconds patience, const std::stop_token& stop) = 0;
  /// The next message, however long it takes: the channel itself notices when the other end is gone.
  /// Errors: ChannelError (kLost); Stopped, unless there is a message.
  Frame receive(const std::stop_token& stop);

  /// Readable while try_receive() would return a message or throw; for wait_for_any().
  virtual int descriptor() const = 0;
  /// Why the connection is lost, such as "it has closed the connection"; empty while it is not.
  virtual std::optional<std::string> lost() const = 0;
  /// Sends what is queued, for at most a second, and ends the connection, which the other end sees at once. Callable
  /// repeatedly.
  virtual void close() = 0;

 protected:
  Channel() = default;
};

/// Where the head gets the channels of its members from. Thread-safe.
class ChannelSource {
 public:
  virtual ~ChannelSource() = default;
  ChannelSource(const ChannelSource&) = delete;
  ChannelSource& operator=(const ChannelSource&) = delete;

  /// A machine that has joined; null when there is none. Never blocks.
  virtual std::unique_ptr<Channel> take() = 0;

 protected:
  ChannelSource() = default;
};

struct JoinOptions {
  TcpAddress head{.host = "", .port = kChannelPort};
  ChannelOptions channel;
  std::chrono::milliseconds time{10'000};  ///< for the whole start
};

/// The member's end.
/// Errors: ChannelError, one line that names the head; Stopped.
std::unique_ptr<Channel> join_channel(const JoinOptions& options, const std::stop_token& stop);

}  // namespace pretrain
