// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may ask what. A page of another origin must not reach a server on this machine: not by a host name that it
// lets point here (DNS rebinding: the Host rule) and not by a form (the Origin rule). Beyond this machine a
// token is needed. Pure functions, thread-safe.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/web/listen_address.h"

namespace pretrain {

struct WebAccess {
  ListenAddress address;           ///< where the server listens
  std::vector<std::string> hosts;  ///< names that it may be called by besides its own
  std::string own_name;            ///< of this machine; only for an address that is not local
  std::string token;               ///< "": none is needed
};

/// The headers that decide. Absent ones are empty; one that comes twice is refused before.
struct WebCaller {
  std::string method;
  std::string path;
  std::string host;
  std::string origin;
  std::string authorization;
  std::string cookie;
};

/// Why a request is refused.
struct WebRefusal {
  unsigned status = 0;
  std::string reason;
};

/// Empty when the request may be answered. "/healthz" needs no token.
std::optional<WebRefusal> refusal_of(const WebAccess& access, const WebCaller& caller);

/// The name in a Host header without its port: "[::1]:8077" is "::1". Lower case; empty when it is malformed.
std::optional<std::string> host_name(std::string_view host);

/// Compares in a time that does not depend on where they differ.
bool is_same_token(std::string_view given, std::string_view token);

/// The cookie that carries the token.
std::string token_cookie(std::string_view token);

}  // namespace pretrain
