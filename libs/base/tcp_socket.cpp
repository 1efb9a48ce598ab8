// SPDX-License-Identifier: Apache-2.0
#include "libs/base/tcp_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "libs/base/local_socket.h"
#include "libs/base/number.h"
#include "libs/base/text.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

/// A socket address of any family.
struct SystemAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* generic() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

[[noreturn]] void fail_at(std::string_view action, const TcpAddress& address, int code) {
  throw IoError(
      ErrorKind::kRuntime,
      fmt::format("cannot {} {}: {}", action, to_text(address), std::generic_category().message(code)), code);
}

TcpAddress from_system(const SystemAddress& address) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  const int failed =
      ::getnameinfo(address.generic(), address.size, host.data(), static_cast<socklen_t>(host.size()),
                    port.data(), static_cast<socklen_t>(port.size()), NI_NUMERICHOST | NI_NUMERICSERV);
  if (failed != 0) return {};
  return {.host = host.data(), .port = parse_number<uint16_t>(port.data()).value_or(0)};
}

std::vector<SystemAddress> resolve(const TcpAddress& address, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list) != 0)
    return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  std::vector<SystemAddress> found;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    SystemAddress& next = found.emplace_back();
    std::memcpy(&next.storage, one->ai_addr, one->ai_addrlen);
    next.size = one->ai_addrlen;
  }
  return found;
}

Descriptor make_socket(const SystemAddress& system, const TcpAddress& address) {
  Descriptor socket(::socket(system.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) fail_at("create a socket for", address, errno);
  return socket;
}

void set_option(int socket, int level, int name, int value) {
  ::setsockopt(socket, level, name, &value, sizeof(value));
}

bool would_block(int code) {
  return code == EAGAIN || code == EWOULDBLOCK || code == EINTR;
}

/// Waits until the connection is made or has failed.
void finish_connecting(const Descriptor& socket, const TcpAddress& address, Clock::time_point end,
                       const std::stop_token& stop) {
  const WakeUp stopped;
  const std::stop_callback wake(stop, [&] { stopped.wake(); });
  while (true) {
    if (stop.stop_requested()) throw Stopped();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) fail_at("connect to", address, ETIMEDOUT);
    const std::array awaited{Awaited{.descriptor = socket.get(), .readable = false, .writable = true},
                             Awaited{.descriptor = stopped.descriptor()}};
    wait_for_any(awaited, left);
    int code = 0;
    socklen_t size = sizeof(code);
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &code, &size);
    if (code != 0) fail_at("connect to", address, code);
    SystemAddress peer;
    if (::getpeername(socket.get(), peer.generic(), &peer.size) == 0) return;
  }
}

}  // namespace

std::string to_text(const TcpAddress& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", address.host, is_v6 ? "]" : "", address.port);
}

TcpAddress parse_tcp_address(std::string_view text, uint16_t default_port) {
  const auto refuse = [&] {
    fail(ErrorKind::kUsage, "must be ADDRESS or ADDRESS:PORT, such as 192.168.1.10 (got {})",
         printable(text));
  };
  std::string_view host = text, port;
  const bool bracketed = text.starts_with('[');
  const bool bare_v6 = !bracketed && std::ranges::count(text, ':') > 1;
  if (const size_t colon = text.rfind(':');
      !bare_v6 && colon != std::string_view::npos && !text.ends_with(']')) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) refuse();
  }
  if (bracketed) {
    if (!host.ends_with(']')) refuse();
    host = host.substr(1, host.size() - 2);
  }
  TcpAddress address{.host = std::string(host), .port = default_port};
  const bool needs_v6 = bracketed || bare_v6;
  if (needs_v6 && (address.host.find(':') == std::string::npos || !is_numeric_host(address.host))) refuse();
  const bool is_plain = std::ranges::all_of(host, [](char c) { return c > ' ' && c != '/' && c != 0x7f; });
  if (host.empty() || !is_plain) refuse();
  if (!port.empty()) {
    const auto number = parse_number<uint16_t>(port);
    if (!number) refuse();
    address.port = *number;
  }
  return address;
}

bool is_numeric_host(const std::string& text) {
  return !text.empty() && text.find('\0') == std::string::npos &&
         !resolve({.host = text, .port = 0}, AI_NUMERICHOST).empty();
}

TcpConnection::TcpConnection(Descriptor descriptor) : descriptor_(std::move(descriptor)) {
  SystemAddress address;
  if (::getpeername(descriptor_.get(), address.generic(), &address.size) == 0) peer_ = from_system(address);
  address = {};
  if (::getsockname(descriptor_.get(), address.generic(), &address.size) == 0) own_ = from_system(address);
  set_option(descriptor_.get(), IPPROTO_TCP, TCP_NODELAY, 1);  // messages are short, and somebody waits
}

TcpConnection TcpConnection::open(const TcpAddress& address, std::chrono::milliseconds time,
                                  const std::stop_token& stop) {
  const Clock::time_point end = Clock::now() + time;
  const std::vector<SystemAddress> found = resolve(address, 0);
  if (found.empty()) fail_at("find", address, ENOENT);
  for (size_t i = 0;; ++i) {
    try {
      Descriptor socket = make_socket(found[i], address);
      if (::connect(socket.get(), found[i].generic(), found[i].size) != 0) {
        if (errno != EINPROGRESS && errno != EINTR) fail_at("connect to", address, errno);
        finish_connecting(socket, address, end, stop);
      }
      return TcpConnection(std::move(socket));
    } catch (const IoError&) {
      if (i + 1 == found.size()) throw;  // a name may have several addresses
    }
  }
}

std::optional<size_t> TcpConnection::read_some(std::span<std::byte> into) {
  const ssize_t n = ::recv(descriptor(), into.data(), into.size(), MSG_DONTWAIT);
  if (n >= 0) return static_cast<size_t>(n);
  if (would_block(errno)) return std::nullopt;
  fail_at("read from", peer_, errno);
}

size_t TcpConnection::write_some(std::span<const std::byte> data) {
  if (data.empty()) return 0;
  const ssize_t n = ::send(descriptor(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n >= 0) return static_cast<size_t>(n);
  if (would_block(errno)) return 0;
  fail_at("write to", peer_, errno);
}

void TcpConnection::end_writing() {
  ::shutdown(descriptor(), SHUT_WR);
}

void TcpConnection::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  descriptor_.reset();
}

TcpListener::TcpListener(const TcpAddress& address) : address_(address) {
  const auto found = resolve(address, AI_NUMERICHOST | AI_PASSIVE);
  if (address.host.empty() || found.empty()) {
    fail(ErrorKind::kUsage, "{} is no IP address; name one of this machine (ip address shows them)",
         printable(address.host));
  }
  socket_ = make_socket(found.front(), address);
  set_option(socket_.get(), SOL_SOCKET, SO_REUSEADDR, 1);  // connections of an earlier process may linger
  constexpr int kBacklog = 64;
  if (::bind(socket_.get(), found.front().generic(), found.front().size) != 0 ||
      ::listen(socket_.get(), kBacklog) != 0) {
    const int code = errno;
    if (code == EADDRNOTAVAIL)
      fail(ErrorKind::kUsage, "{} is not an address of this machine; ip address shows which it has",
           address.host);
    if (code == EADDRINUSE)
      fail(ErrorKind::kUsage, "{} is in use by another program; name another port", to_text(address));
    fail_at("listen at", address, code);
  }
  SystemAddress own;
  if (::getsockname(socket_.get(), own.generic(), &own.size) == 0) address_ = from_system(own);
}

std::optional<TcpConnection> TcpListener::accept() {
  Descriptor connection(::accept4(descriptor(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (connection) return TcpConnection(std::move(connection));
  const bool is_exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
  if (is_exhausted) fail_at("accept a connection at", address_, errno);
  return std::nullopt;  // none, or one that was gone before
}

}  // namespace pretrain
