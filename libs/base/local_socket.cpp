// SPDX-License-Identifier: Apache-2.0
#include "libs/base/local_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail_at(std::string_view action, const Path& path, int code) {
  throw IoError(ErrorKind::kRuntime,
                fmt::format("cannot {} {}: {}", action, path.native(), std::strerror(code)), code);
}

/// An address has room for 108 bytes only, so a name is reached through the descriptor of its folder.
sockaddr_un address_below(int folder, const std::string& name, const Path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = fmt::format("/proc/self/fd/{}/{}", folder, name);
  if (text.size() >= sizeof(address.sun_path)) fail_at("use the socket", path, ENAMETOOLONG);
  std::copy(text.begin(), text.end(), address.sun_path);
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Descriptor make_socket(const Path& path) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) fail_at("create the socket", path, errno);
  return socket;
}

bool would_block(int code) {
  return code == EAGAIN || code == EINTR;
}

/// Waits for one descriptor. False when the time is over.
bool wait_for(int descriptor, short events, Clock::time_point end,
              const LocalConnection::OnWait& on_wait = {}) {
  constexpr int64_t kAnyTime = 60'000, kMoment = 200;  // milliseconds
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return false;
    if (on_wait) on_wait();
    pollfd poll{.fd = descriptor, .events = events, .revents = 0};
    const int ready = ::poll(&poll, 1, static_cast<int>(std::min(left, on_wait ? kMoment : kAnyTime)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

/// 0, or the error. A full queue of the listener refuses with EAGAIN, and has no event that tells of room.
int connect_patiently(int socket, const sockaddr_un& address, const LocalConnection::OnWait& on_wait) {
  constexpr std::chrono::milliseconds kLook(20);
  const auto end = Clock::now() + std::chrono::seconds(5);
  constexpr int kLooksInAMoment = 10;
  for (int look = 0; ::connect(socket, generic(address), sizeof(address)) != 0; ++look) {
    if (errno != EAGAIN || Clock::now() >= end) return errno;
    if (on_wait && look % kLooksInAMoment == 0) on_wait();
    std::this_thread::sleep_for(kLook);
  }
  return 0;
}

}  // namespace

std::optional<LocalConnection> LocalConnection::open(const Path& path, const OnWait& on_wait) {
  std::optional<OpenFolder> folder;
  try {
    folder.emplace(path.parent_path());
  } catch (const IoError& error) {
    if (error.code() == ENOENT || error.code() == ENOTDIR) return std::nullopt;
    throw;
  }
  Descriptor socket = make_socket(path);
  const sockaddr_un address = address_below(folder->descriptor(), path.filename().native(), path);
  const int code = connect_patiently(socket.get(), address, on_wait);
  if (code == 0) return LocalConnection(std::move(socket));
  if (code == ENOENT || code == ECONNREFUSED || code == ENOTSOCK) return std::nullopt;
  if (code == EAGAIN)
    throw IoError(ErrorKind::kRuntime, fmt::format("{}: too many programs wait for it", path.native()), code);
  fail_at("connect to", path, code);
}

bool LocalConnection::peer_may_control() const {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(descriptor(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

std::optional<int> LocalConnection::peer_process() const {
  ucred peer{};
  socklen_t size = sizeof(peer);
  const bool known = ::getsockopt(descriptor(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
  return known ? std::optional<int>(peer.pid) : std::nullopt;
}

bool LocalConnection::wait_for_peer_end(std::chrono::milliseconds patience, const OnWait& on_wait) const {
  const auto number = peer_process();
  if (!number) return false;
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, *number, 0)));
  if (!process) return errno == ESRCH;
  return wait_for(process.get(), POLLIN, Clock::now() + patience, on_wait);
}

LocalConnection::ReadState LocalConnection::read_some(std::string& into) {
  std::array<char, 4096> block{};
  const ssize_t n = ::recv(descriptor(), block.data(), block.size(), MSG_DONTWAIT);
  if (n > 0) {
    into.append(block.data(), static_cast<size_t>(n));
    return ReadState::kRead;
  }
  return n < 0 && would_block(errno) ? ReadState::kNothingYet : ReadState::kClosed;
}

std::optional<size_t> LocalConnection::write_some(std::string_view text) {
  const ssize_t n = ::send(descriptor(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n >= 0) return static_cast<size_t>(n);
  return would_block(errno) ? std::optional<size_t>(0) : std::nullopt;
}

bool LocalConnection::write_line(std::string_view line, std::chrono::milliseconds patience) {
  const std::string text = std::string(line) + "\n";
  const auto end = Clock::now() + patience;
  for (size_t done = 0; done < text.size();) {
    const auto written = write_some(std::string_view(text).substr(done));
    if (!written || (*written == 0 && !wait_for(descriptor(), POLLOUT, end))) return false;
    done += *written;
  }
  return true;
}

std::optional<std::string> LocalConnection::read_line(std::chrono::milliseconds patience,
                                                      const OnWait& on_wait) {
  const auto end = Clock::now() + patience;
  while (true) {
    if (const size_t line_end = unread_.find('\n'); line_end != std::string::npos) {
      std::string line = unread_.substr(0, line_end);
      unread_.erase(0, line_end + 1);
      return line;
    }
    const ReadState state = read_some(unread_);
    if (state == ReadState::kClosed) return std::nullopt;
    if (state == ReadState::kNothingYet && !wait_for(descriptor(), POLLIN, end, on_wait)) return std::nullopt;
  }
}

LocalListener::LocalListener(const Path& folder, const std::string& name)
    : folder_(folder), name_(name), socket_(make_socket(folder / name)) {
  const Path path = folder / name;
  struct stat status {};
  if (::fstatat(folder_.descriptor(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISSOCK(status.st_mode)) fail_at("replace", path, EEXIST);
    if (::unlinkat(folder_.descriptor(), name.c_str(), 0) != 0) fail_at("replace", path, errno);
  }
  const sockaddr_un address = address_below(folder_.descriptor(), name, path);
  constexpr mode_t kOwnerOnly = 0600;
  // The mode holds before anyone can connect.
  if (::fchmod(socket_.get(), kOwnerOnly) != 0) fail_at("protect", path, errno);
  if (::bind(socket_.get(), generic(address), sizeof(address)) != 0)
    fail_at("create the socket", path, errno);
  constexpr int kBacklog = 16;
  if (::listen(socket_.get(), kBacklog) != 0) fail_at("listen at", path, errno);
}

LocalListener::~LocalListener() {
  ::unlinkat(folder_.descriptor(), name_.c_str(), 0);
}

std::optional<LocalConnection> LocalListener::accept() {
  Descriptor connection(::accept4(descriptor(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection) return std::nullopt;
  return LocalConnection(std::move(connection));
}

WakeUp::WakeUp() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) fail_at("create", "an event", errno);
}

void WakeUp::wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(event_.get(), &one, sizeof(one));
}

void WakeUp::clear() const {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(event_.get(), &count, sizeof(count));
}

void wait_for_any(std::span<const Awaited> awaited, std::chrono::milliseconds most) {
  std::vector<pollfd> polls;
  for (const Awaited& one : awaited) {
    const int events = (one.readable ? POLLIN : 0) | (one.writable ? POLLOUT : 0);
    polls.push_back({.fd = one.descriptor, .events = static_cast<short>(events), .revents = 0});
  }
  ::poll(polls.data(), polls.size(), static_cast<int>(most.count()));
}

}  // namespace pretrain
