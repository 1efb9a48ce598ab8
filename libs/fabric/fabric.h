// SPDX-License-Identifier: Apache-2.0
#pragma once
// The network between the machines that train one model: ranks 0 to size-1 that send each other bytes. A fabric lives
// for one generation, i.e. one list of machines. When a peer is lost, all close the fabric and build another one
// without it. An implementation only moves bytes: what is added, and in which order, is decided above.
//
//   fabric.receive(1, tag, in);     // starts
//   fabric.send(1, tag, out);       // starts
//   fabric.wait(patience);          // both are done
//
// A message has a sender, a receiver, a tag and a length; a receive takes the oldest message that has all four. A
// message of another length is never taken, and nothing is cut or padded.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "libs/base/error.h"

namespace pretrain {

/// A peer does not answer any more, or its connection is broken. The fabric is closed when this is thrown, so that all
/// peers learn of it at once, and that the memory of operations may be freed.
class PeerLost : public Error {
 public:
  struct Details {
    int rank = kUnknownRank;  ///< the peer that an operation waited for; another one may be the cause
    double seconds = 0;       ///< waited for it
    std::string what;         ///< such as "connection reset", "silent for 30 s", "closed here"
  };
  /// No peer in particular, such as for a fabric that was closed here.
  static constexpr int kUnknownRank = -1;

  explicit PeerLost(Details details);
  int rank() const { return details_.rank; }
  const Details& details() const { return details_; }

 private:
  Details details_;
};

/// Single-owner: one thread starts operations and waits. close(), traffic() and the plain facts are thread-safe.
class Fabric {
 public:
  struct Place {
    int rank = 0;
    int size = 1;
    uint64_t generation = 0;
  };
  /// Bytes of messages that were completed since the start.
  struct Traffic {
    uint64_t sent_bytes = 0;
    uint64_t received_bytes = 0;
  };

  /// Tags are below this: an implementation puts tag and length into 64 bits.
  static constexpr uint32_t kTags = 1U << 24;
  /// The most bytes of one message.
  static constexpr uint64_t kMostBytes = (uint64_t{1} << 40) - 1;

  virtual ~Fabric() = default;
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  int rank() const { return place_.rank; }
  int size() const { return place_.size; }
  uint64_t generation() const { return place_.generation; }
  Traffic traffic() const;

  /// Starts to send. The memory must not change until wait() returns or throws. Messages may be empty.
  /// Requires: `to` is another rank, `tag` < kTags, at most kMostBytes.
  /// Errors: PeerLost.
  void send(int to, uint32_t tag, std::span<const std::byte> data);
  /// Starts to receive exactly these bytes. The memory belongs to the fabric until wait() returns or throws.
  /// Requires: as send().
  /// Errors: PeerLost.
  void receive(int from, uint32_t tag, std::span<std::byte> data);

  /// Waits until all that was started is done: what was to be received is there, and what was to be sent may change. An
  /// operation may take `patience` after the one started before it was done, so send in several messages what
  /// takes long on a slow network.
  /// Errors: PeerLost.
  void wait(std::chrono::milliseconds patience);

  /// Ends all connections, which peers that wait for this rank see at once. A wait() on another thread ends with
  /// PeerLost. After it no memory that was handed over is touched. What was sent and not received by then may be lost, so
  /// a planned end needs an agreement above. Callable repeatedly.
  virtual void close() = 0;

 protected:
  explicit Fabric(const Place& place);

 private:
  virtual void start_send(int to, uint32_t tag, std::span<const std::byte> data) = 0;
  virtual void start_receive(int from, uint32_t tag, std::span<std::byte> data) = 0;
  virtual void wait_for_all(std::chrono::milliseconds patience) = 0;
  void check(int peer, uint32_t tag, uint64_t bytes) const;
  template <typename Operation>
  void closing_at_a_loss(const Operation& operation);

  const Place place_;
  uint64_t sending_bytes_ = 0, receiving_bytes_ = 0;  // since the last wait(); the owner's
  std::atomic<uint64_t> sent_bytes_{0}, received_bytes_{0};
};

}  // namespace pretrain
