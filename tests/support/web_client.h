// SPDX-License-Identifier: Apache-2.0
#pragma once
// A client that sends the bytes that a test wants, over IPv4 on this machine.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "libs/base/descriptor.h"

namespace pretrain::test {

struct WebResponse {
  unsigned status = 0;                         ///< 0: no answer, or a damaged one
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
};

/// Single-owner. A read that gets nothing for a minute gives up, so that a broken server ends a test.
class WebClient {
 public:
  explicit WebClient(uint16_t port);

  bool is_connected() const { return static_cast<bool>(socket_); }
  /// False when the server has closed.
  bool send(std::string_view bytes);
  /// Ends this direction.
  void finish_sending();
  /// One answer, by its Content-Length. `has_body` false: of a HEAD request.
  WebResponse read_response(bool has_body = true);
  /// Reads until the text has come; everything since the last call. Less when the server closes.
  std::string read_until(std::string_view text);
  /// Everything until the server closes.
  std::string read_to_end();

 private:
  bool read_more();

  Descriptor socket_;
  std::string buffer_;
};

/// "GET /path HTTP/1.1" with a Host header of this machine and the given lines.
std::string get(std::string_view path, std::string_view lines = "");

/// Sends one request and returns the answer.
WebResponse fetch(uint16_t port, std::string_view request);

}  // namespace pretrain::test
