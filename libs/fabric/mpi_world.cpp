// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/mpi_world.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <mpi.h>

#include "libs/base/check.h"
#include "libs/base/error.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

/// Frames on their way to or from each rank: they hide each other's latency, which is that of two looks.
constexpr size_t kFramesAtOnce = 4;
/// Between looks while something moves, and otherwise: a control message may be late by the latter.
constexpr std::chrono::microseconds kShortPause(50), kLongPause(500);
/// For how long after something has moved the short one applies.
constexpr std::chrono::milliseconds kLively(5);
constexpr std::chrono::milliseconds kTick(250);
constexpr int kFrameTag = 1;
/// Of the world itself: the sender has come to its end.
constexpr uint64_t kOwnEndpoint = 0;

struct Message {
  uint64_t sender = kOwnEndpoint;  // who owns `borrowed`, and gets a note when all of it is copied
  MpiLabel label;
  std::string owned;
  std::span<const std::byte> borrowed = {};

  std::span<const std::byte> content() const {
    return sender == kOwnEndpoint ? std::as_bytes(std::span(owned)) : borrowed;
  }
};

using FrameBuffer = std::array<std::byte, sizeof(MpiLabel) + MpiWorld::kMostFrameBytes>;

/// A frame that MPI sends or receives.
struct Slot {
  MPI_Request request = MPI_REQUEST_NULL;
  std::unique_ptr<FrameBuffer> buffer = std::make_unique<FrameBuffer>();
};

/// What goes to and comes from one rank. Slots are used in turn, so that frames keep their order.
struct Link {
  std::array<Slot, kFramesAtOnce> out, in;
  size_t next_out = 0, next_in = 0;  // the thread's
  std::deque<Message> queue;         // guarded by the lock
  bool has_ended = false;            // guarded by the lock
};

bool is_done(Slot& slot, MPI_Status* status = MPI_STATUS_IGNORE) {
  int done = 0;
  MPI_Test(&slot.request, &done, status);
  return done != 0;
}

}  // namespace

bool has_open_mpi() {
  char version[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  return MPI_Get_library_version(version, &length) == MPI_SUCCESS &&
         std::string_view(version, static_cast<size_t>(length)).starts_with("Open MPI");
}

bool has_mpi() {
  return true;
}

/// The thread that calls MPI, and what it shares with the others.
class MpiWorld::Thread {
 public:
  Thread();
  ~Thread();

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(links_.size()); }
  [[noreturn]] void abort(int code);

  std::mutex mutex;
  std::condition_variable_any changed;
  bool has_ended(int rank) const { return links_.at(static_cast<size_t>(rank)).has_ended; }
  uint64_t open(Endpoint& endpoint);
  void open_as(uint64_t name, Endpoint& endpoint);
  void close(uint64_t endpoint);
  void queue(int to, Message message);

 private:
  enum class State { kStarting, kRunning, kEnding, kFailed };

  void run();
  bool start();
  void serve();
  bool receive(int rank);
  void take(int rank, const MpiLabel& label, std::span<const std::byte> content);
  bool send(int rank);
  size_t fill(int rank, FrameBuffer& buffer);
  void tick();
  void pause(bool moved);
  bool has_sent_all();
  void say_goodbye();
  void finish();

  struct Held {
    int rank = 0;
    MpiLabel label;
    std::string content;
  };

  int rank_ = 0;
  std::vector<Link> links_;
  std::map<uint64_t, Endpoint*> endpoints_;
  std::vector<Held> held_;
  uint64_t next_endpoint_ = kNamedEndpoints;
  State state_ = State::kStarting;
  std::string problem_;
  bool woken_ = false;
  std::condition_variable_any wake_;
  std::atomic<int> abort_code_{0};
  Clock::time_point moved_at_, ticked_at_;  // the thread's
  std::thread thread_;
};

MpiWorld::Thread::Thread() : thread_([this] { run(); }) {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return state_ != State::kStarting; });
  if (state_ == State::kRunning) return;
  lock.unlock();
  thread_.join();
  fail(ErrorKind::kRuntime, "cannot start MPI: {}", problem_);
}

MpiWorld::Thread::~Thread() {
  {
    const std::lock_guard lock(mutex);
    state_ = State::kEnding;
    woken_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

void MpiWorld::Thread::run() {
  if (!start()) return;
  serve();
  finish();
}

bool MpiWorld::Thread::start() {
  int provided = 0;
  const bool started = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) == MPI_SUCCESS;
  int size = 0;
  if (started) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
  }
  const std::lock_guard lock(mutex);
  links_ = std::vector<Link>(static_cast<size_t>(size));
  if (!started) problem_ = "MPI_Init_thread failed";
  if (started && provided < MPI_THREAD_FUNNELED)
    problem_ = "it does not support MPI_THREAD_FUNNELED; use another build of it";
  state_ = problem_.empty() ? State::kRunning : State::kFailed;
  changed.notify_all();
  return problem_.empty();
}

/// Until the end that was asked for, once all is sent.
void MpiWorld::Thread::serve() {
  for (int rank = 0; rank < size(); ++rank) {
    Link& link = links_[static_cast<size_t>(rank)];
    for (Slot& slot : link.in)
      MPI_Irecv(slot.buffer->data(), static_cast<int>(slot.buffer->size()), MPI_BYTE, rank, kFrameTag,
                MPI_COMM_WORLD, &slot.request);
  }
  bool said_goodbye = false;
  MPI_Request all_here = MPI_REQUEST_NULL;
  for (int all_came = 0; all_came == 0;) {
    if (const int code = abort_code_) MPI_Abort(MPI_COMM_WORLD, code);
    bool moved = false;
    for (int rank = 0; rank < size(); ++rank) {
      moved = receive(rank) || moved;
      moved = send(rank) || moved;
    }
    tick();
    pause(moved);
    if (!has_sent_all()) continue;
    if (!std::exchange(said_goodbye, true)) {
      say_goodbye();
    } else {
      if (all_here == MPI_REQUEST_NULL) MPI_Ibarrier(MPI_COMM_WORLD, &all_here);
      MPI_Test(&all_here, &all_came, MPI_STATUS_IGNORE);
    }
  }
}

/// Takes the frames that have come, in their order.
bool MpiWorld::Thread::receive(int rank) {
  Link& link = links_[static_cast<size_t>(rank)];
  bool moved = false;
  for (size_t i = 0; i < kFramesAtOnce; ++i) {
    Slot& slot = link.in[link.next_in];
    MPI_Status status;
    if (!is_done(slot, &status)) break;
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    MpiLabel label;
    std::memcpy(&label, slot.buffer->data(), sizeof(label));
    take(rank, label,
         std::span(*slot.buffer).subspan(sizeof(label), static_cast<size_t>(bytes) - sizeof(label)));
    MPI_Irecv(slot.buffer->data(), static_cast<int>(slot.buffer->size()), MPI_BYTE, rank, kFrameTag,
              MPI_COMM_WORLD, &slot.request);
    link.next_in = (link.next_in + 1) % kFramesAtOnce;
    moved = true;
  }
  return moved;
}

/// One for an endpoint that is closed is dropped, because its sender may not know that yet.
void MpiWorld::Thread::take(int rank, const MpiLabel& label, std::span<const std::byte> content) {
  const std::lock_guard lock(mutex);
  const auto found = endpoints_.find(label.endpoint);
  if (label.endpoint == kOwnEndpoint) {
    links_[static_cast<size_t>(rank)].has_ended = true;
  } else if (found != endpoints_.end()) {
    found->second->take(rank, label, content);
  } else if (label.endpoint < kNamedEndpoints) {
    held_.push_back({.rank = rank,
                     .label = label,
                     .content = std::string(reinterpret_cast<const char*>(content.data()), content.size())});
  }
  changed.notify_all();
}

/// Starts to send the next frames of the queue, as many as there are free slots.
bool MpiWorld::Thread::send(int rank) {
  Link& link = links_[static_cast<size_t>(rank)];
  bool moved = false;
  for (size_t i = 0; i < kFramesAtOnce; ++i) {
    Slot& slot = link.out[link.next_out];
    const size_t bytes = is_done(slot) ? fill(rank, *slot.buffer) : 0;
    if (bytes == 0) break;
    MPI_Isend(slot.buffer->data(), static_cast<int>(bytes), MPI_BYTE, rank, kFrameTag, MPI_COMM_WORLD,
              &slot.request);
    link.next_out = (link.next_out + 1) % kFramesAtOnce;
    moved = true;
  }
  return moved;
}

/// Copies the next frame, and returns its bytes; 0 when there is none.
size_t MpiWorld::Thread::fill(int rank, FrameBuffer& buffer) {
  const std::lock_guard lock(mutex);
  Link& link = links_[static_cast<size_t>(rank)];
  if (link.queue.empty()) return 0;
  Message& message = link.queue.front();
  const auto rest = message.content().subspan(message.label.offset);
  const auto part = rest.first(std::min(rest.size(), kMostFrameBytes));
  std::memcpy(buffer.data(), &message.label, sizeof(MpiLabel));
  std::ranges::copy(part, buffer.begin() + sizeof(MpiLabel));
  const size_t bytes = sizeof(MpiLabel) + part.size();
  message.label.offset += part.size();
  if (part.size() < rest.size()) return bytes;
  const auto found = endpoints_.find(message.sender);
  if (found != endpoints_.end()) found->second->note_sent(rank, message.label);
  link.queue.pop_front();
  changed.notify_all();
  return bytes;
}

void MpiWorld::Thread::tick() {
  const auto now = Clock::now();
  if (now - ticked_at_ < kTick) return;
  ticked_at_ = now;
  const std::lock_guard lock(mutex);
  for (const auto& [name, endpoint] : endpoints_) endpoint->tick();
  changed.notify_all();
}

/// Until there is more to send, or it is time for another look.
void MpiWorld::Thread::pause(bool moved) {
  const auto now = Clock::now();
  if (moved) moved_at_ = now;
  const auto time = now - moved_at_ < kLively ? kShortPause : kLongPause;
  std::unique_lock lock(mutex);
  wake_.wait_for(lock, time, [&] { return woken_; });
  woken_ = false;
}

/// MPI, too: what it still sends needs the other rank to receive.
bool MpiWorld::Thread::has_sent_all() {
  const std::lock_guard lock(mutex);
  return state_ == State::kEnding && std::ranges::all_of(links_, [](Link& link) {
           return link.queue.empty() &&
                  std::ranges::all_of(link.out, [](Slot& slot) { return is_done(slot); });
         });
}

void MpiWorld::Thread::say_goodbye() {
  const std::lock_guard lock(mutex);
  for (int rank = 0; rank < size(); ++rank) queue(rank, {.label = {.endpoint = kOwnEndpoint}, .owned = ""});
}

/// All ranks have sent all, and have received what was for them: only the receives that wait for more are left.
void MpiWorld::Thread::finish() {
  for (Link& link : links_) {
    for (Slot& slot : link.in) {
      MPI_Cancel(&slot.request);
      MPI_Wait(&slot.request, MPI_STATUS_IGNORE);
    }
  }
  MPI_Finalize();
}

/// MPI ends this process, too; if it hangs, this does.
void MpiWorld::Thread::abort(int code) {
  constexpr std::chrono::seconds kForMpi(5);
  abort_code_ = code;
  std::this_thread::sleep_for(kForMpi);
  std::_Exit(code);
}

uint64_t MpiWorld::Thread::open(Endpoint& endpoint) {
  endpoints_.emplace(next_endpoint_, &endpoint);
  return next_endpoint_++;
}

void MpiWorld::Thread::open_as(uint64_t name, Endpoint& endpoint) {
  PRETRAIN_CHECK(name < kNamedEndpoints && !endpoints_.contains(name), "endpoint {}", name);
  endpoints_.emplace(name, &endpoint);
  const std::vector<Held> held = std::exchange(held_, {});
  for (const Held& one : held) {
    if (one.label.endpoint == name) {
      endpoint.take(one.rank, one.label, std::as_bytes(std::span(one.content)));
    } else {
      held_.push_back(one);
    }
  }
}

/// What is partly sent is cut off: the other end must learn of that by a message that follows.
void MpiWorld::Thread::close(uint64_t endpoint) {
  endpoints_.erase(endpoint);
  for (Link& link : links_)
    std::erase_if(link.queue, [&](const Message& message) { return message.sender == endpoint; });
}

void MpiWorld::Thread::queue(int to, Message message) {
  message.label.bytes = message.content().size();
  links_.at(static_cast<size_t>(to)).queue.push_back(std::move(message));
  woken_ = true;
  wake_.notify_all();
}

MpiWorld::MpiWorld() : thread_(std::make_unique<Thread>()) {}

MpiWorld::~MpiWorld() = default;

int MpiWorld::rank() const {
  return thread_->rank();
}

int MpiWorld::size() const {
  return thread_->size();
}

void MpiWorld::abort(int code) {
  thread_->abort(code);
}

MpiWorld::Lock MpiWorld::lock() {
  return Lock(thread_->mutex);
}

std::condition_variable_any& MpiWorld::changed() {
  return thread_->changed;
}

bool MpiWorld::has_ended(int rank) const {
  return thread_->has_ended(rank);
}

uint64_t MpiWorld::open(Endpoint& endpoint) {
  return thread_->open(endpoint);
}

void MpiWorld::open_as(uint64_t name, Endpoint& endpoint) {
  thread_->open_as(name, endpoint);
}

void MpiWorld::close(uint64_t endpoint) {
  thread_->close(endpoint);
}

void MpiWorld::send(int to, const MpiLabel& label, std::string content) {
  thread_->queue(to, {.label = label, .owned = std::move(content)});
}

void MpiWorld::send_from(uint64_t sender, int to, const MpiLabel& label, std::span<const std::byte> content) {
  thread_->queue(to, {.sender = sender, .label = label, .owned = {}, .borrowed = content});
}

namespace {

std::unique_ptr<MpiWorld>& started_world() {
  static std::unique_ptr<MpiWorld> world;
  return world;
}

}  // namespace

MpiWorld& start_mpi() {
  PRETRAIN_CHECK(started_world() == nullptr, "MPI was started before");
  started_world() = std::make_unique<MpiWorld>();
  return *started_world();
}

int end_mpi(int code) {
  if (started_world() == nullptr) return code;
  if (code != 0) started_world()->abort(code);
  started_world().reset();
  return code;
}

}  // namespace pretrain
