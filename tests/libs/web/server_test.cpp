// SPDX-License-Identifier: Apache-2.0
#include "libs/web/server.h"

#include <atomic>
#include <list>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/support/web_client.h"

namespace pretrain {
namespace {

using test::fetch;
using test::get;
using test::TempFolder;
using test::WebClient;
using test::WebResponse;
using testing::HasSubstr;
using testing::IsEmpty;

/// A stream of lines "line 1", "line 2", ... for each that was allowed; ends after the last one.
class Lines : public WebStreamSource {
 public:
  Lines(std::atomic<int>& allowed, std::atomic<int>& open) : allowed_(allowed), open_(open) { ++open_; }
  ~Lines() override { --open_; }
  std::optional<std::string> take() override {
    if (sent_ >= 5) return std::nullopt;
    if (sent_ >= allowed_) return "";
    return fmt::format("line {}\n", ++sent_);
  }

 private:
  std::atomic<int>& allowed_;
  std::atomic<int>& open_;
  int sent_ = 0;
};

/// Text without an end, for a client that does not read.
class Flood : public WebStreamSource {
 public:
  explicit Flood(std::atomic<int>& open) : open_(open) { ++open_; }
  ~Flood() override { --open_; }
  std::optional<std::string> take() override { return std::string(100'000, 'x'); }

 private:
  std::atomic<int>& open_;
};

class BrokenStream : public WebStreamSource {
 public:
  std::optional<std::string> take() override {
    if (std::exchange(begun_, true)) throw std::runtime_error("broken");
    return "beginning";
  }

 private:
  bool begun_ = false;
};

/// A server on a free port in a thread.
class Served {
 public:
  explicit Served(WebServerOptions options = {}) : server_(local(std::move(options)), handler()) {
    thread_ = std::thread([this] { server_.run(stop_.get_token()); });
  }
  ~Served() {
    stop_.request_stop();
    thread_.join();
  }

  uint16_t port() const { return server_.address().port; }
  void wake() { server_.wake_streams(); }
  std::atomic<int> allowed{0}, open{0};

 private:
  static WebServerOptions local(WebServerOptions options) {
    options.access.address = {.host = "127.0.0.1", .port = 0};
    return options;
  }
  WebHandler handler() {
    return [this](const WebRequest& request) -> WebReply {
      const std::string& path = request.target.path;
      if (path == "/") return web_message(200, "hello");
      if (path == "/echo") return web_text(200, fmt::format("{} {}", request.method, request.body));
      if (path == "/wrong") fail(ErrorKind::kUsage, "limit must be an integer");
      if (path == "/broken") throw std::runtime_error("broken");
      if (path == "/broken-stream") return WebStream{.source = std::make_unique<BrokenStream>()};
      if (path == "/stream") return WebStream{.source = std::make_unique<Lines>(allowed, open)};
      if (path == "/flood") return WebStream{.source = std::make_unique<Flood>(open)};
      return web_message(404, "there is nothing here");
    };
  }

  WebServer server_;
  std::stop_source stop_;
  std::thread thread_;
};

TEST(WebServer, AnswersWithItsHeaders) {
  Served served;
  const WebResponse response = fetch(served.port(), get("/"));
  EXPECT_EQ(response.status, 200U);
  EXPECT_EQ(response.body, "hello\n");
  const auto header = [&](const char* name) { return response.headers.at(name); };
  EXPECT_EQ(header("content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(header("cache-control"), "no-store");
  EXPECT_EQ(header("x-content-type-options"), "nosniff");
  EXPECT_EQ(header("x-frame-options"), "DENY");
  EXPECT_EQ(header("referrer-policy"), "no-referrer");
  EXPECT_EQ(header("cross-origin-resource-policy"), "same-origin");
  EXPECT_THAT(header("content-security-policy"), HasSubstr("default-src 'none'"));
  for (const auto& [name, value] : response.headers) EXPECT_FALSE(name.starts_with("access-control")) << name;
}

TEST(WebServer, AnswersSeveralRequestsOfOneConnection) {
  Served served;
  WebClient client(served.port());
  ASSERT_TRUE(client.send(get("/") + get("/nowhere") + get("/echo")));
  EXPECT_EQ(client.read_response().status, 200U);
  EXPECT_EQ(client.read_response().status, 404U);
  EXPECT_EQ(client.read_response().body, "GET ");
  ASSERT_TRUE(client.send(get("/", "Connection: close\r\n")));
  EXPECT_EQ(client.read_response().status, 200U);
  EXPECT_THAT(client.read_to_end(), IsEmpty());
}

TEST(WebServer, AnswersHeadWithoutABody) {
  Served served;
  WebClient client(served.port());
  ASSERT_TRUE(client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/echo")));
  const WebResponse head = client.read_response(false);
  EXPECT_EQ(head.status, 200U);
  EXPECT_EQ(head.headers.at("content-length"), "6");
  EXPECT_EQ(client.read_response().body, "GET ") << "the next answer follows the header";
}

TEST(WebServer, AnswersAClientThatHasFinishedSending) {
  Served served;
  WebClient client(served.port());
  ASSERT_TRUE(client.send(get("/")));
  client.finish_sending();
  EXPECT_EQ(client.read_response().body, "hello\n");
}

TEST(WebServer, OutlivesAnAnswerThatFails) {
  Served served;
  EXPECT_EQ(fetch(served.port(), get("/broken")).status, 500U);
  WebClient client(served.port());
  ASSERT_TRUE(client.send(get("/broken-stream")));
  EXPECT_THAT(client.read_to_end(), HasSubstr("beginning"));
  EXPECT_EQ(fetch(served.port(), get("/")).status, 200U);
}

TEST(WebServer, AnswersHttp10) {
  Served served;
  WebClient client(served.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"));
  EXPECT_EQ(client.read_response().body, "hello\n");
  EXPECT_THAT(client.read_to_end(), IsEmpty());
}

TEST(WebServer, TurnsAnErrorOfTheCallerInto400) {
  Served served;
  const WebResponse response = fetch(served.port(), get("/wrong"));
  EXPECT_EQ(response.status, 400U);
  EXPECT_EQ(response.body, "limit must be an integer\n");
}

TEST(WebServer, RefusesARebindingHost) {
  Served served;
  for (const char* lines : {"Host: evil.example\r\n", "Host: evil.example:80\r\nHost: localhost\r\n",
                            "Host: localhost\r\nHost: localhost\r\n", ""}) {
    const WebResponse response = fetch(served.port(), fmt::format("GET / HTTP/1.1\r\n{}\r\n", lines));
    EXPECT_TRUE(response.status == 421 || response.status == 400) << lines << response.status;
    EXPECT_EQ(response.body.find("hello"), std::string::npos);
  }
  EXPECT_EQ(fetch(served.port(), "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 421U);
}

TEST(WebServer, AllowsTheMethodsThatItWasGiven) {
  Served reading;
  const WebResponse refused =
      fetch(reading.port(), "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(refused.status, 405U);
  EXPECT_EQ(refused.headers.at("allow"), "GET, HEAD");
  EXPECT_EQ(fetch(reading.port(), "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 405U);
  Served writing({.limits = {.body_bytes = 100}, .methods = {"GET", "HEAD", "POST"}});
  EXPECT_EQ(
      fetch(writing.port(), "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc").body,
      "POST abc");
  const WebResponse foreign = fetch(
      writing.port(),
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(foreign.status, 403U);
}

TEST(WebServer, RefusesLongHeadersTargetsAndBodies) {
  Served served({.limits = {.body_bytes = 10}, .methods = {"GET", "HEAD", "POST"}});
  EXPECT_EQ(fetch(served.port(), get("/", "X: " + std::string(9000, 'x') + "\r\n")).status, 431U);
  EXPECT_EQ(fetch(served.port(), get("/" + std::string(3000, 'x'))).status, 414U);
  const std::string post = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";
  EXPECT_EQ(fetch(served.port(), post + "Content-Length: 11\r\n\r\nabcdefghijk").status, 413U);
  EXPECT_EQ(
      fetch(served.port(), post + "Transfer-Encoding: chunked\r\n\r\nb\r\nabcdefghijk\r\n0\r\n\r\n").status,
      413U);
  EXPECT_EQ(fetch(served.port(), get("/")).status, 200U);
}

/// The server reads a part of what comes behind a request, which the buffers of the connection add to.
void expect_closed_by_endless_bytes(WebClient& client) {
  constexpr size_t kMost = 200'000'000;
  const std::string piece(100'000, 'x');
  size_t sent = 0;
  while (sent < kMost && client.send(piece)) sent += piece.size();
  EXPECT_LT(sent, kMost);
}

TEST(WebServer, TakesNoEndlessHeaderIntoMemory) {
  Served served;
  WebClient client(served.port());
  const std::string piece(100'000, 'x');
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + piece));
  EXPECT_EQ(client.read_response().status, 431U);
  expect_closed_by_endless_bytes(client);
}

TEST(WebServer, ReadsNoEndlessBytesOfAClientThatIsSentAStream) {
  Served served;
  WebClient client(served.port());
  ASSERT_TRUE(client.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  expect_closed_by_endless_bytes(client);
}

TEST(WebServer, RefusesWhatIsNoRequest) {
  Served served;
  for (const std::string& bytes :
       {std::string("\x16\x03\x01\x02\x01\r\n\r\n"), std::string("hello\r\n\r\n"),
        std::string("GET /\r\n\r\n"), std::string("GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", 37),
        std::string("GET http://a/ HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n")}) {
    EXPECT_EQ(fetch(served.port(), bytes).status, 400U) << bytes;
  }
}

TEST(WebServer, ClosesAClientThatSendsTooSlowly) {
  Served served({.limits = {.request_time = std::chrono::milliseconds(300)}});
  WebClient silent(served.port());
  EXPECT_THAT(silent.read_to_end(), IsEmpty());
  WebClient slow(served.port());
  slow.send("GET / HT");
  EXPECT_EQ(slow.read_to_end().find("200"), std::string::npos);
}

TEST(WebServer, ClosesAnIdleConnection) {
  Served served({.limits = {.idle_time = std::chrono::milliseconds(200)}});
  WebClient client(served.port());
  client.send(get("/"));
  EXPECT_EQ(client.read_response().status, 200U);
  EXPECT_THAT(client.read_to_end(), IsEmpty());
}

TEST(WebServer, AnswersNextToAThousandSilentClients) {
  Served served({.limits = {.connections = 8}});
  std::list<WebClient> silent;
  for (int i = 0; i < 1000; ++i) {
    silent.emplace_back(served.port());
    if (silent.size() > 100) silent.pop_front();
    if (i % 100 == 0) {
      EXPECT_EQ(fetch(served.port(), get("/")).status, 200U) << i;
    }
  }
  EXPECT_THAT(silent.front().read_to_end(), IsEmpty()) << "the oldest made room";
}

TEST(WebServer, StreamsTextAsItComes) {
  Served served({.limits = {.stream_poll = std::chrono::hours(1)}});
  served.allowed = 1;
  WebClient client(served.port());
  client.send(get("/stream"));
  const std::string first = client.read_until("line 1\n");
  EXPECT_THAT(first, HasSubstr("Content-Type: text/event-stream"));
  EXPECT_THAT(first, HasSubstr("Connection: close"));
  EXPECT_EQ(first.find("line 2"), std::string::npos);
  served.allowed = 2;
  served.wake();
  EXPECT_EQ(client.read_until("line 2\n"), "line 2\n");
  served.allowed = 5;
  served.wake();
  EXPECT_EQ(client.read_to_end(), "line 3\nline 4\nline 5\n");
}

TEST(WebServer, NoticesThatTheClientOfAStreamHasLeft) {
  Served served({.limits = {.stream_poll = std::chrono::hours(1)}});
  served.allowed = 1;
  {
    WebClient client(served.port());
    client.send(get("/stream"));
    client.read_until("line 1\n");
    EXPECT_EQ(served.open, 1);
  }
  while (served.open != 0) std::this_thread::yield();  // the test's time limit ends a failure
}

TEST(WebServer, BoundsTheStreams) {
  Served served({.limits = {.streams = 2}});
  served.allowed = 1;
  std::list<WebClient> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back(served.port()).send(get("/stream"));
    EXPECT_THAT(clients.back().read_until("line 1\n"), HasSubstr("200"));
  }
  EXPECT_EQ(fetch(served.port(), get("/stream")).status, 503U);
  EXPECT_EQ(fetch(served.port(), get("/")).status, 200U);
  clients.pop_front();
  WebResponse again;
  while (again.status != 200) {
    WebClient client(served.port());
    client.send(get("/stream"));
    again = client.read_response(false);
  }
}

TEST(WebServer, DropsAReaderOfAStreamThatTakesNothing) {
  Served served({.limits = {.write_time = std::chrono::milliseconds(300)}});
  WebClient lazy(served.port());
  lazy.send(get("/flood"));
  EXPECT_THAT(lazy.read_until("\r\n\r\n"), HasSubstr("200"));
  EXPECT_EQ(fetch(served.port(), get("/")).status, 200U) << "others are answered meanwhile";
  while (served.open != 0) std::this_thread::yield();  // the test's time limit ends a failure
}

TEST(WebServer, SetsACookieForTheTokenInTheAddress) {
  Served served({.access = {.token = "secret"}});
  EXPECT_EQ(fetch(served.port(), get("/")).status, 401U);
  EXPECT_EQ(fetch(served.port(), get("/?token=wrong")).status, 401U);
  EXPECT_EQ(fetch(served.port(), get("/healthz?token=secret")).status, 404U) << "needs none";
  const WebResponse response = fetch(served.port(), get("/?token=secret"));
  EXPECT_EQ(response.status, 303U);
  EXPECT_EQ(response.headers.at("location"), "/");
  EXPECT_EQ(response.headers.at("set-cookie"), "pretrain_token=secret; HttpOnly; SameSite=Strict; Path=/");
  EXPECT_EQ(fetch(served.port(), get("/", "Cookie: pretrain_token=secret\r\n")).status, 200U);
}

TEST(WebServer, RefusesAPortThatIsInUse) {
  Served served;
  try {
    WebServer second({.access = {.address = {.host = "127.0.0.1", .port = served.port()}}},
                     [](const WebRequest&) -> WebReply { return web_message(200, ""); });
    ADD_FAILURE() << "two servers share a port";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_EQ(error.what(),
              fmt::format("127.0.0.1:{} is in use; --listen 127.0.0.1:0 picks a free port", served.port()));
  }
}

TEST(WebServer, ReplacesASocketFileThatAKilledServerLeft) {
  const TempFolder folder;
  const ListenAddress address{.host = "", .port = 0, .socket_file = folder / "web.sock"};
  const WebHandler handler = [](const WebRequest&) -> WebReply { return web_message(200, ""); };
  {
    WebServer first({.access = {.address = address}}, handler);
    EXPECT_THROW(WebServer({.access = {.address = address}}, handler), Error) << "it is in use";
    std::filesystem::create_hard_link(folder / "web.sock", folder / "kept.sock");
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "web.sock"));
  std::filesystem::rename(folder / "kept.sock", folder / "web.sock");
  WebServer again({.access = {.address = address}}, handler);
  EXPECT_TRUE(std::filesystem::is_socket(folder / "web.sock"));
}

TEST(WebServer, LeavesAFileThatIsNoSocket) {
  const TempFolder folder;
  folder.write("web.sock", "mine");
  EXPECT_THROW(WebServer({.access = {.address = {.host = "", .port = 0, .socket_file = folder / "web.sock"}}},
                         [](const WebRequest&) -> WebReply { return web_message(200, ""); }),
               Error);
  EXPECT_TRUE(std::filesystem::is_regular_file(folder / "web.sock"));
}

TEST(WebServer, EndsWithOpenStreamsAndConnections) {
  auto served = std::make_unique<Served>();
  served->allowed = 1;
  WebClient stream(served->port());
  stream.send(get("/stream"));
  stream.read_until("line 1\n");
  WebClient silent(served->port());
  silent.send("GET");
  served.reset();
  EXPECT_EQ(stream.read_to_end().find("line 2"), std::string::npos);
}

}  // namespace
}  // namespace pretrain
