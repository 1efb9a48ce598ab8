// SPDX-License-Identifier: Apache-2.0
#pragma once
// The processes of a job that mpirun or srun has started, its ranks, as a carrier of frames: short pieces of bytes, each
// for an endpoint at another rank. What one rank sends to another arrives whole and in order. A thread of its own alone
// calls MPI, which needs no more than MPI_THREAD_FUNNELED, and sleeps between looks, because waiting inside MPI takes a
// whole core. mpi_fabric.h and mpi_channel.h are the endpoints; they never see MPI.
//
//   MpiWorld& world = start_mpi();
//   const auto lock = world.lock();
//   const uint64_t mine = world.open(endpoint);
//   world.send(mine, 1, {.endpoint = theirs, .kind = 7}, "hello");
//
// Each rank always has receives open for every other one, and copies what it sends and gets: so no peer can hold up
// MPI, and an endpoint can be closed at any time, which MPI itself allows neither for its sends nor for its receives.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

namespace pretrain {

/// Whether this program was built with MPI.
bool has_mpi();

/// Whether it was built with Open MPI, of all MPIs. May be asked before start_mpi().
bool has_open_mpi();

/// What a frame is. All but the endpoint is between the endpoints.
struct MpiLabel {
  uint64_t endpoint = 0;  ///< whom it is for
  uint32_t kind = 0;
  uint32_t from = 0;
  uint64_t tag = 0;
  uint64_t bytes = 0;   ///< of the whole message
  uint64_t offset = 0;  ///< of this frame in it
};

/// Single-owner, but for what the endpoints call. All endpoints share one lock, which also guards their state.
class MpiWorld {
 public:
  /// Called on the thread that calls MPI, with the lock held; must not wait.
  class Endpoint {
   public:
    virtual ~Endpoint() = default;
    /// A frame for it.
    virtual void take(int rank, const MpiLabel& label, std::span<const std::byte> content) = 0;
    /// All of a message to this rank that was given to send_from() is copied.
    virtual void note_sent(int /*rank*/, const MpiLabel& /*label*/) {}
    /// Several times a second.
    virtual void tick() {}
  };
  using Lock = std::unique_lock<std::mutex>;

  /// The most bytes of one frame. Larger ones are faster on a network of gigabytes a second only.
  static constexpr size_t kMostFrameBytes = size_t{128} << 10;
  /// Endpoints below this have the same number on each rank. What comes for one before it is open waits for it.
  static constexpr uint64_t kNamedEndpoints = 16;

  /// Starts MPI.
  /// Requires: once in a process.
  /// Errors: kUsage in a program without MPI; kRuntime.
  MpiWorld();
  /// Sends what is queued, waits until all ranks come here, and ends MPI.
  ~MpiWorld();
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  int rank() const;
  int size() const;
  /// Ends all ranks; mpirun ends with this code.
  [[noreturn]] void abort(int code);

  // Everything below needs the lock.
  Lock lock();
  /// Signalled whenever an endpoint was called or a rank has ended.
  std::condition_variable_any& changed();
  /// Whether this rank came to the end of its program.
  bool has_ended(int rank) const;
  /// Returns its number, which is never used again.
  uint64_t open(Endpoint& endpoint);
  /// Requires: `name` < kNamedEndpoints, and not open.
  void open_as(uint64_t name, Endpoint& endpoint);
  /// Nothing is called on it any more, and what it gave to send_from() is dropped.
  void close(uint64_t endpoint);
  /// Queues a message of any length, of which it keeps a copy.
  void send(int to, const MpiLabel& label, std::string content);
  /// The same without a copy: `content` must not change until note_sent() or close() of `sender`.
  void send_from(uint64_t sender, int to, const MpiLabel& label, std::span<const std::byte> content);

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

/// Starts MPI in this process, for end_mpi() at its end.
/// Requires: called once.
MpiWorld& start_mpi();
/// The end of the program, with its exit code: 0 waits for all ranks, another one ends them. Returns the code; does nothing
/// where MPI was not started.
int end_mpi(int code);

}  // namespace pretrain
