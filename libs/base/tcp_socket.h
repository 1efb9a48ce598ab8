// SPDX-License-Identifier: Apache-2.0
#pragma once
// Connections over TCP that never block: a listener at a named address, and both ends of a connection.
//
// Errors: IoError with the operation, the address and errno.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "libs/base/descriptor.h"
#include "libs/base/file.h"

namespace pretrain {

struct TcpAddress {
  std::string host;  ///< an IP address, or a name to connect to
  uint16_t port = 0;

  bool operator==(const TcpAddress&) const = default;
};

/// "192.168.1.10:7733", "[fd00::1]:7733".
std::string to_text(const TcpAddress& address);

/// "192.168.1.10", "192.168.1.10:7733", "fd00::1", "[fd00::1]:7733", "head.local:7733".
/// Errors: kUsage, such as "must be ADDRESS or ADDRESS:PORT (got 192.168.1.10:x)".
TcpAddress parse_tcp_address(std::string_view text, uint16_t default_port);

/// Whether the text is an IPv4 address, or an IPv6 address without brackets.
bool is_numeric_host(const std::string& text);

/// One end of a connection. Single-owner.
class TcpConnection {
 public:
  explicit TcpConnection(Descriptor descriptor);

  /// Connects within this time.
  /// Errors: IoError (ETIMEDOUT after `time`; ENOENT when the name is unknown); Stopped.
  static TcpConnection open(const TcpAddress& address, std::chrono::milliseconds time,
                            const std::stop_token& stop);

  int descriptor() const { return descriptor_.get(); }
  const TcpAddress& peer() const { return peer_; }
  const TcpAddress& own() const { return own_; }

  /// Reads what is there, at most `into`. Nothing when there is nothing yet, 0 bytes when the other end has closed.
  /// Never blocks.
  std::optional<size_t> read_some(std::span<std::byte> into);
  /// Writes as much as fits and returns the count. Never blocks.
  size_t write_some(std::span<const std::byte> data);
  /// Says that nothing more will be written; what was written still arrives.
  void end_writing();
  /// Ends the connection at once: what is under way is dropped, and the other end sees a reset.
  void reset();

 private:
  Descriptor descriptor_;
  TcpAddress peer_, own_;
};

/// Accepts connections at one address. Single-owner.
class TcpListener {
 public:
  /// Errors: kUsage when the host is no IP address of this machine, or the port is in use or not allowed.
  explicit TcpListener(const TcpAddress& address);

  int descriptor() const { return socket_.get(); }
  /// With the port that it got.
  const TcpAddress& address() const { return address_; }
  /// The next connection; nothing when there is none. Never blocks.
  /// Errors: IoError when the process or the system has no descriptors or memory left.
  std::optional<TcpConnection> accept();

 private:
  Descriptor socket_;
  TcpAddress address_;
};

}  // namespace pretrain
