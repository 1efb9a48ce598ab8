// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a server listens: "127.0.0.1:8077", "[::1]:8077", "localhost:0", "unix:/run/x.sock". Plain values.

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/base/file.h"

namespace pretrain {

struct ListenAddress {
  std::string host = "127.0.0.1";  ///< an IP address; "" for a socket file
  uint16_t port = 8077;            ///< 0: any free one
  Path socket_file = {};           ///< of a local socket; empty for an IP address

  bool operator==(const ListenAddress&) const = default;
};

/// Errors: kUsage, such as "must be ADDRESS:PORT or unix:PATH (got 8077x)".
ListenAddress parse_listen_address(std::string_view text);

/// As parse_listen_address() reads it.
std::string to_text(const ListenAddress& address);

/// Whether only programs of this machine reach it.
bool is_local(const ListenAddress& address);

/// Whether the text is an IPv4 address, or an IPv6 address without brackets.
bool is_ip_address(std::string_view text);

}  // namespace pretrain
