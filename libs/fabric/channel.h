// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control connections between the head and the members of a run: messages with a kind and a payload, over TCP,
// at a low rate. At the start both ends prove that they have the same secret, and exchange version and fingerprint; later
// messages carry codes (frame.h). Nothing is encrypted.
//
//   head:    ChannelListener listener({.address = {.host = "192.168.1.10"}, .secret = secret, ...});
//            if (auto channel = listener.take()) ...              // somebody has joined
//   member:  std::unique_ptr<Channel> channel = join_channel({.head = {.host = "192.168.1.10"}, ...}, stop);
//   both:    channel->send(kGo, payload);
//            const Frame frame = channel->receive(stop);

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include <nlohmann/json.hpp>

#include "libs/base/error.h"
#include "libs/base/tcp_socket.h"
#include "libs/fabric/frame.h"

namespace pretrain {

/// The port of the head's control connections where none is named.
inline constexpr uint16_t kChannelPort = 7733;

/// Kinds of messages are below this; the others belong to the channel.
inline constexpr uint32_t kChannelKinds = 0x10000;

/// What each end says about itself once both know that the other one has the secret.
struct Introduction {
  std::string name;            ///< of the machine, for messages
  std::string version;         ///< of the program
  nlohmann::json fingerprint;  ///< processor, program, libraries: an object
  nlohmann::json more;         ///< whatever the layer above exchanges before the first message: an object
};

/// A control connection could not be made, or is lost. One line that names the other end.
class ChannelError : public Error {
 public:
  enum class Fault {
    kUnreachable,  ///< no route, refused, no answer: may be there later
    kNotAHead,     ///< something else answers there
    kOtherSecret,
    kOtherProtocol,
    kRejected,  ///< by the head, which says why
    kLost,      ///< ended, reset, silent, or sent what is no message
  };
  ChannelError(Fault fault, const std::string& message);

  Fault fault() const { return fault_; }
  /// Whether to try again makes sense.
  bool may_pass() const { return fault_ == Fault::kUnreachable || fault_ == Fault::kLost; }

 private:
  Fault fault_;
};

/// One end of a control connection. It has a thread that reads, writes and keeps the connection alive, so that neither
/// end is taken for lost while it computes. Thread-safe.
class Channel {
 public:
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// What the other end has said about itself.
  const Introduction& peer() const;
  /// Addresses of both ends, without port.
  std::string peer_host() const;
  std::string own_host() const;
  /// The same on both ends and never again, for derived_key().
  const std::string& session() const;

  /// Queues a message and returns at once. A lost connection shows at receive() and lost().
  /// Requires: kind < kChannelKinds, a payload within the other end's limit.
  void send(uint32_t kind, std::span<const std::byte> payload);
  void send(uint32_t kind, std::string_view payload);
  /// Waits until all messages are with the operating system. False when the connection is lost, or after `patience`.
  bool flush(std::chrono::milliseconds patience);

  /// The next message; empty when there is none yet. Never blocks.
  /// Errors: ChannelError (kLost), once all that had come before was taken.
  std::optional<Frame> try_receive();
  /// The next message; empty after `patience`.
  /// Errors: ChannelError (kLost); Stopped.
  std::optional<Frame> receive(std::chrono::milliseconds patience, const std::stop_token& stop);
  /// The next message, however long it takes. The channel itself notices when the other end is gone.
  /// Errors: ChannelError (kLost); Stopped.
  Frame receive(const std::stop_token& stop);

  /// Readable while try_receive() would return or throw; for wait_for_any().
  int descriptor() const;
  /// Why the connection is lost; empty while it is not.
  std::optional<std::string> lost() const;
  /// Sends what is queued, for at most a second, and ends the connection; peers see that at once. Callable repeatedly.
  void close();

 private:
  friend class ChannelListener;
  friend class ChannelMaker;
  class Keeper;
  explicit Channel(std::unique_ptr<Keeper> keeper);
  std::unique_ptr<Keeper> keeper_;
};

/// How both ends treat a channel.
struct ChannelOptions {
  std::string secret;
  Introduction introduction;  ///< of this end
  FrameLimits limits;         ///< of what this end receives; kinds below kChannelKinds
  std::chrono::milliseconds patience{
      30'000};  ///< silence after which the other end is lost; it is asked four times within it
};

struct ChannelListenerOptions {
  TcpAddress address{.host = "", .port = kChannelPort};  ///< of this machine; port 0: any free one
  ChannelOptions channel;
  /// Why a machine may not join, as one line for its user; empty when it may. Called on the listener's thread; must not
  /// block.
  std::function<std::optional<std::string>(const Introduction&)> refusal = {};
  /// Something to log, such as "192.168.1.11 was refused: it has another secret". On the listener's thread, at most
  /// once a second.
  std::function<void(const std::string&)> on_refused = {};
  size_t strangers = 32;  ///< connections that have proved nothing; the oldest has to go
  std::chrono::milliseconds stranger_time{5'000};  ///< for the whole start
};

/// The head's end: takes connections on a thread of its own. Thread-safe.
class ChannelListener {
 public:
  /// Listens from here on.
  /// Errors: kUsage when the address is not one of this machine, or in use.
  explicit ChannelListener(const ChannelListenerOptions& options);
  ~ChannelListener();
  ChannelListener(const ChannelListener&) = delete;
  ChannelListener& operator=(const ChannelListener&) = delete;

  /// With the port that it got.
  const TcpAddress& address() const;
  /// A machine that has joined; empty when there is none. Never blocks.
  std::unique_ptr<Channel> take();
  /// Readable while take() would return one; for wait_for_any().
  int descriptor() const;
  /// Connections that were refused, whatever the reason.
  uint64_t refused() const;
  /// Connections that have proved nothing yet.
  size_t strangers() const;

 private:
  class Acceptor;
  std::unique_ptr<Acceptor> acceptor_;
};

struct JoinOptions {
  TcpAddress head{.host = "", .port = kChannelPort};
  ChannelOptions channel;
  std::chrono::milliseconds time{10'000};  ///< for the whole start
};

/// The member's end.
/// Errors: ChannelError; Stopped.
std::unique_ptr<Channel> join_channel(const JoinOptions& options, const std::stop_token& stop);

}  // namespace pretrain
