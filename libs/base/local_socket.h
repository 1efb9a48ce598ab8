// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sockets in the file system (AF_UNIX) that talk in lines: a listener for one name in a folder, and both ends
// of a connection. A path of any length works, since names are resolved below an open folder.
//
// Errors: IoError with the operation, the path and errno.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libs/base/descriptor.h"
#include "libs/base/file.h"

namespace pretrain {

/// One end of a connection. Single-owner.
class LocalConnection {
 public:
  /// Is called several times a second in a wait; what it throws ends the wait.
  using OnWait = std::function<void()>;

  explicit LocalConnection(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

  /// Connects to the socket of this path; empty when nobody listens there. Waits some seconds while too many others
  /// wait for their connections.
  static std::optional<LocalConnection> open(const Path& path, const OnWait& on_wait = {});

  int descriptor() const { return descriptor_.get(); }
  /// Whether the program at the other end runs as this process's user, or as root.
  bool peer_may_control() const;
  /// The process at the other end, which created its socket. Nothing when it is in a container that hides it.
  std::optional<int> peer_process() const;
  /// Waits until the process at the other end, which created its socket, has ended. False when it lives longer, or
  /// is in a container that hides it.
  bool wait_for_peer_end(std::chrono::milliseconds patience, const OnWait& on_wait = {}) const;

  /// Reads what is there. Never blocks.
  enum class ReadState { kRead, kNothingYet, kClosed };
  ReadState read_some(std::string& into);
  /// Writes as much as fits and returns the count; nothing when the other end is gone. Never blocks.
  std::optional<size_t> write_some(std::string_view text);

  /// Writes all of it, waiting for the other end. False when it is gone or does not read.
  bool write_line(std::string_view line, std::chrono::milliseconds patience);
  /// The next line without its end; nothing when the other end has closed, or after `patience` without one.
  std::optional<std::string> read_line(std::chrono::milliseconds patience, const OnWait& on_wait = {});

 private:
  Descriptor descriptor_;
  std::string unread_;
};

/// Accepts connections to a name in a folder. Single-owner. The destructor removes the name.
class LocalListener {
 public:
  /// Replaces a socket that an earlier process left; only its owner may connect. Refuses to replace a file of
  /// another kind.
  /// Requires: no other process listens there (the caller holds the folder's lock).
  LocalListener(const Path& folder, const std::string& name);
  ~LocalListener();
  LocalListener(const LocalListener&) = delete;
  LocalListener& operator=(const LocalListener&) = delete;

  int descriptor() const { return socket_.get(); }
  /// The next connection; nothing when there is none. Never blocks.
  std::optional<LocalConnection> accept();

 private:
  OpenFolder folder_;
  std::string name_;
  Descriptor socket_;
};

/// Wakes a thread that waits in wait_for_any(). Thread-safe.
class WakeUp {
 public:
  WakeUp();
  void wake() const;
  void clear() const;
  int descriptor() const { return event_.get(); }

 private:
  Descriptor event_;
};

/// What to wait for at a descriptor.
struct Awaited {
  int descriptor = -1;
  bool readable = true, writable = false;
};

/// Waits until one of them is ready or closed, at most this time.
void wait_for_any(std::span<const Awaited> awaited, std::chrono::milliseconds most);

}  // namespace pretrain
