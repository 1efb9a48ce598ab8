// SPDX-License-Identifier: Apache-2.0
#pragma once
// An HTTP/1.1 server of one thread with bounded memory and time: whatever clients do, it holds at most
// `connections` of them, and a few kilobytes for each. Answers come from a handler that must not block; what takes
// long belongs to another thread, which wakes a stream when it has text.
//
//   WebServer server({.access = {.address = address}}, [](const WebRequest& request) { return ...; });
//   server.run(stop);  // until the stop request

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "libs/base/descriptor.h"
#include "libs/web/access.h"
#include "libs/web/target.h"

namespace pretrain {

struct WebLimits {
  size_t connections = 64;  ///< when all are taken, the one that has waited longest for its client is closed
  size_t streams = 16;      ///< of them, open streams
  uint32_t header_bytes = 8 * 1024;
  size_t target_bytes = 2 * 1024;
  uint64_t body_bytes = 0;                         ///< of a request
  std::chrono::milliseconds request_time{10'000};  ///< for a whole request to arrive
  std::chrono::milliseconds idle_time{60'000};     ///< between two requests of a connection
  std::chrono::milliseconds write_time{30'000};  ///< for a whole answer, or a piece of a stream, to be taken
  std::chrono::milliseconds stream_poll{500};    ///< between two looks at a stream that was not woken
};

struct WebRequest {
  std::string method;  ///< GET for HEAD, too
  WebTarget target;
  std::string body;
};

struct WebAnswer {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::shared_ptr<const std::string> body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< besides those of every answer
  /// Content-Security-Policy.
  std::string policy = "default-src 'none'; frame-ancestors 'none'";
};

/// Text that comes piece by piece. The server owns it, and destroys it when the client leaves. Called on the
/// server's thread only.
class WebStreamSource {
 public:
  virtual ~WebStreamSource() = default;
  /// What there is by now; empty text: nothing yet; no text: the stream has ended. At most 1 MiB at once.
  virtual std::optional<std::string> take() = 0;
};

struct WebStream {
  std::string type = "text/event-stream";
  std::unique_ptr<WebStreamSource> source;
};

using WebReply = std::variant<WebAnswer, WebStream>;
using WebHandler = std::function<WebReply(const WebRequest&)>;

/// An answer with a text; a line feed is added to a message.
WebAnswer web_text(unsigned status, std::string text, std::string type = "text/plain; charset=utf-8");
inline WebAnswer web_message(unsigned status, const std::string& message) {
  return web_text(status, message + "\n");
}

struct WebServerOptions {
  WebAccess access;
  WebLimits limits = {};
  std::vector<std::string> methods = {"GET", "HEAD"};  ///< others are refused with 405
  Descriptor listening = {};  ///< a socket that listens already, instead of the address
};

/// Single-owner, except wake_streams() and address().
class WebServer {
 public:
  /// Listens from here on.
  /// Errors: kUsage when the address is in use or can't be had.
  WebServer(WebServerOptions options, WebHandler handler);
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  /// The address with the port that it got.
  const ListenAddress& address() const { return access().address; }
  const WebAccess& access() const;
  /// Answers until the stop request, then closes all connections.
  void run(const std::stop_token& stop);
  /// Lets all streams look for new text soon. Thread-safe.
  void wake_streams();

  /// Connections that are open now. For tests, on the thread of run().
  size_t connections() const;

 private:
  class State;
  class Connection;
  std::shared_ptr<State> state_;
};

}  // namespace pretrain
