// SPDX-License-Identifier: Apache-2.0
#include "libs/web/server.h"

#include <algorithm>
#include <array>
#include <list>
#include <utility>  // before Asio, which uses std::exchange without it

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/text.h"

namespace pretrain {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;
using AnySocket = asio::generic::stream_protocol::socket;
using Failure = boost::system::error_code;

namespace {

/// For a client to take the last answer and close.
constexpr std::chrono::seconds kLastWait{2};
/// Of what it sends behind its last request. The time alone does not end a client that always sends: what is there to be
/// read at once is read before the timer is looked at.
constexpr size_t kMostUnreadBytes = 16'000'000;

}  // namespace

WebAnswer web_text(unsigned status, std::string text, std::string type) {
  return {.status = status,
          .type = std::move(type),
          .body = std::make_shared<const std::string>(std::move(text))};
}

/// What the connections share. Lives until the last of them has gone.
class WebServer::State {
 public:
  State(WebServerOptions given, WebHandler given_handler)
      : options(std::move(given)), handler(std::move(given_handler)) {}

  void listen();
  void accept();
  void close_all();
  /// Makes room for a new connection; false when each one is being answered.
  bool make_room();

  WebServerOptions options;
  WebHandler handler;
  asio::io_context io{1};
  Tcp::acceptor tcp{io};
  Local::acceptor local{io};
  std::list<Connection*> connections;  // in the order in which they began to wait for their clients
  size_t streams = 0;
  bool closing = false;
  bool made_file = false;  // the socket file is ours to remove

 private:
  void listen_on(const Tcp::endpoint& endpoint);
  void listen_on(const Path& file);
  bool is_abandoned(const Path& file);
  void adopt(int descriptor);
  void took(const Failure& failure);

  AnySocket next_{io};
};

/// One client. Each operation that is under way holds a reference.
class WebServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(AnySocket socket, State& server)
      : server_(server), stream_(std::move(socket)), timer_(server.io) {
    place_ = server_.connections.insert(server_.connections.end(), this);
  }
  ~Connection() {
    server_.connections.erase(place_);
    if (source_ != nullptr) --server_.streams;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read(std::chrono::milliseconds patience);
  bool waits() const { return waits_; }
  void close();
  void wake();

 private:
  using Parser = http::request_parser<http::string_body>;

  void took(const Failure& failure);
  void answer();
  WebCaller caller() const;
  WebReply reply_to(const WebCaller& caller);
  void refuse(unsigned status, const std::string& reason);
  void send(const WebAnswer& answer, bool with_body, bool keep);
  template <typename Response>
  void write(std::shared_ptr<Response> response, bool keep);
  void begin_stream(WebStream stream);
  void continue_stream();
  void end_stream();
  void wait_for_text();
  void watch_for_end();
  void linger();

  State& server_;
  beast::basic_stream<asio::generic::stream_protocol> stream_;
  std::list<Connection*>::iterator place_;
  beast::flat_static_buffer<16 * 1024> buffer_;
  std::optional<Parser> parser_;
  bool waits_ = false;   // for the client's request
  bool writes_ = false;  // a piece of a stream
  std::shared_ptr<const std::string> body_;
  std::unique_ptr<WebStreamSource> source_;
  std::string piece_;
  asio::steady_timer timer_;
  std::array<char, 1024> unread_{};
  size_t unread_bytes_ = 0;  // that were read into it
};

// --- State ---

void WebServer::State::listen() {
  const ListenAddress& address = options.access.address;
  try {
    if (options.listening) return adopt(options.listening.release());
    if (!address.socket_file.empty()) return listen_on(address.socket_file);
    listen_on(Tcp::endpoint(asio::ip::make_address(address.host), address.port));
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::address_in_use && address.socket_file.empty()) {
      fail(ErrorKind::kUsage, "{} is in use; --listen {}:0 picks a free port", to_text(address),
           address.host.find(':') == std::string::npos ? address.host : fmt::format("[{}]", address.host));
    }
    fail(ErrorKind::kUsage, "cannot listen on {}: {}; choose another --listen", to_text(address),
         error.code().message());
  }
}

void WebServer::State::listen_on(const Tcp::endpoint& endpoint) {
  tcp.open(endpoint.protocol());
  // A port that a finished server has just left is free; one with a listener is not.
  tcp.set_option(asio::socket_base::reuse_address(true));
  tcp.bind(endpoint);
  tcp.listen();
  options.access.address.port = tcp.local_endpoint().port();
}

void WebServer::State::listen_on(const Path& file) {
  local.open();
  if (is_abandoned(file)) std::filesystem::remove(file);
  local.bind(Local::endpoint(file.string()));
  made_file = true;
  local.listen();
}

/// Whether a server that was killed left the socket file: then nobody accepts a connection.
bool WebServer::State::is_abandoned(const Path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_socket(file, ignored)) return false;
  Local::socket probe(io);
  Failure failure;
  probe.connect(Local::endpoint(file.string()), failure);
  return failure == asio::error::connection_refused;
}

/// The socket of a service manager. Its family shows by its address.
void WebServer::State::adopt(int descriptor) {
  ListenAddress& address = options.access.address;
  asio::generic::stream_protocol::endpoint endpoint;
  {
    AnySocket probe(io, asio::generic::stream_protocol(Tcp::v4()), descriptor);
    endpoint = probe.local_endpoint();
    probe.release();
  }
  const int family = endpoint.protocol().family();
  if (family != Tcp::v4().family() && family != Tcp::v6().family()) {
    local.assign(Local(), descriptor);
    address = {.host = "", .port = 0, .socket_file = Path(local.local_endpoint().path())};
    return;
  }
  tcp.assign(family == Tcp::v4().family() ? Tcp::v4() : Tcp::v6(), descriptor);
  const Tcp::endpoint own = tcp.local_endpoint();
  address = {.host = own.address().to_string(), .port = own.port()};
}

void WebServer::State::accept() {
  next_ = AnySocket(io);
  const auto on_taken = [this](const Failure& failure) { took(failure); };
  if (tcp.is_open()) {
    tcp.async_accept(next_, on_taken);
  } else {
    local.async_accept(next_, on_taken);
  }
}

void WebServer::State::took(const Failure& failure) {
  if (closing) return;
  if (!failure && make_room()) {
    std::make_shared<Connection>(std::move(next_), *this)->read(options.limits.request_time);
  } else if (failure == asio::error::no_descriptors) {
    make_room();  // else accept() fails again at once, for ever
  }
  accept();
}

bool WebServer::State::make_room() {
  if (connections.size() < options.limits.connections) return true;
  const auto oldest = std::ranges::find_if(connections, [](const Connection* one) { return one->waits(); });
  if (oldest == connections.end()) return false;
  (*oldest)->close();
  return true;
}

void WebServer::State::close_all() {
  closing = true;
  Failure ignored;
  tcp.close(ignored);
  local.close(ignored);
  for (Connection* connection : connections) connection->close();
}

// --- Connection ---

void WebServer::Connection::close() {
  waits_ = false;
  Failure ignored;
  timer_.cancel(ignored);
  stream_.socket().shutdown(AnySocket::shutdown_both, ignored);
  stream_.close();
}

/// Waits for a request. The time is that of the whole request, so a client gains nothing by sending it slowly.
void WebServer::Connection::read(std::chrono::milliseconds patience) {
  const WebLimits& limits = server_.options.limits;
  parser_.emplace();
  parser_->header_limit(limits.header_bytes);
  parser_->body_limit(limits.body_bytes);
  waits_ = true;
  server_.connections.splice(server_.connections.end(), server_.connections, place_);
  stream_.expires_after(patience);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](const Failure& failure, size_t) { self->took(failure); });
}

void WebServer::Connection::took(const Failure& failure) {
  waits_ = false;
  if (server_.closing || failure == http::error::end_of_stream || failure == beast::error::timeout)
    return close();
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow)
    return refuse(431, "the header is too long");
  if (failure == http::error::body_limit) return refuse(413, "the body is too long");
  if (failure.category() == make_error_code(http::error::bad_method).category())
    return refuse(400, "this is no request");
  if (failure) return close();
  answer();
}

WebCaller WebServer::Connection::caller() const {
  const auto& request = parser_->get();
  const auto header = [&](http::field name) { return std::string(request[name]); };
  return {.method = std::string(request.method_string()),
          .path = std::string(request.target().substr(0, request.target().find('?'))),
          .host = request.count(http::field::host) == 1 ? header(http::field::host) : "",
          .origin = header(http::field::origin),
          .authorization = header(http::field::authorization),
          .cookie = header(http::field::cookie)};
}

void WebServer::Connection::answer() {
  const bool keep = parser_->get().keep_alive();
  const bool with_body = parser_->get().method() != http::verb::head;
  WebReply reply = reply_to(caller());
  if (auto* stream = std::get_if<WebStream>(&reply)) {
    if (with_body) return begin_stream(std::move(*stream));
    return send({.type = stream->type}, false, keep);
  }
  send(std::get<WebAnswer>(reply), with_body, keep);
}

WebAnswer answer_of(const WebRefusal& refusal) {
  WebAnswer answer = web_message(refusal.status, refusal.reason);
  if (refusal.status == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

/// The rules come first: a refused client learns nothing about paths.
WebReply WebServer::Connection::reply_to(const WebCaller& caller) {
  const WebServerOptions& options = server_.options;
  const auto& request = parser_->get();
  if (request.target().size() > options.limits.target_bytes) return web_message(414, "the path is too long");
  const auto target = parse_target({request.target().data(), request.target().size()});
  if (!target) return web_message(400, "this is no path");
  const std::string given = text_in(*target, "token");
  WebCaller bearer = caller;
  const bool brings_token =
      !options.access.token.empty() && !given.empty() && target->path == "/" && caller.method == "GET";
  if (brings_token) bearer.authorization = fmt::format("Bearer {}", given);
  if (const auto refusal = refusal_of(options.access, bearer)) return answer_of(*refusal);
  if (brings_token) {
    return WebAnswer{.status = 303, .headers = {{"Location", "/"}, {"Set-Cookie", token_cookie(given)}}};
  }
  if (std::ranges::find(options.methods, caller.method) == options.methods.end()) {
    WebAnswer answer = web_message(405, "this method is not allowed here");
    answer.headers.emplace_back("Allow", fmt::format("{}", fmt::join(options.methods, ", ")));
    return answer;
  }
  try {
    return server_.handler({.method = caller.method == "HEAD" ? "GET" : caller.method,
                            .target = *target,
                            .body = request.body()});
  } catch (const Error& error) {
    return web_message(error.kind() == ErrorKind::kUsage ? 400 : 500, error.what());
  } catch (const std::exception& error) {  // of one answer, which must not end the server
    log_error("{}: {}", printable(std::string(request.target())), error.what());
    return web_message(500, "the answer failed; see the log of the server");
  }
}

void WebServer::Connection::refuse(unsigned status, const std::string& reason) {
  send(web_message(status, reason), true, false);
}

/// Headers of every answer.
template <typename Response>
void add_headers(Response& response, const std::string& type, const std::string& policy) {
  response.set(http::field::content_type, type);
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  response.set("X-Frame-Options", "DENY");
  response.set("Referrer-Policy", "no-referrer");
  response.set("Cross-Origin-Resource-Policy", "same-origin");
  response.set("Content-Security-Policy", policy);
}

template <typename Response>
void WebServer::Connection::write(std::shared_ptr<Response> response, bool keep) {
  stream_.expires_after(server_.options.limits.write_time);
  http::async_write(stream_, *response,
                    [self = shared_from_this(), response, keep](const Failure& failure, size_t) {
                      self->body_.reset();
                      if (failure || self->server_.closing) return self->close();
                      if (!keep) return self->linger();
                      self->read(self->server_.options.limits.idle_time);
                    });
}

void WebServer::Connection::send(const WebAnswer& answer, bool with_body, bool keep) {
  static const auto kNothing = std::make_shared<const std::string>();
  body_ = answer.body != nullptr ? answer.body : kNothing;
  const auto prepare = [&](auto& response) {
    response.version(11);
    response.result(answer.status);
    add_headers(response, answer.type, answer.policy);
    for (const auto& [name, value] : answer.headers) response.set(name, value);
    response.content_length(body_->size());
    response.keep_alive(keep);
  };
  if (with_body) {
    auto response = std::make_shared<http::response<http::span_body<const char>>>();
    response->body() = {body_->data(), body_->size()};
    prepare(*response);
    return write(response, keep);
  }
  auto response = std::make_shared<http::response<http::empty_body>>();
  prepare(*response);
  write(response, keep);
}

/// Reads what the client still sends, a little and not for long: closing with unread bytes would reset the
/// connection, and the client might lose the answer.
void WebServer::Connection::linger() {
  Failure ignored;
  stream_.socket().shutdown(AnySocket::shutdown_send, ignored);
  stream_.expires_after(kLastWait);
  waits_ = true;  // may be closed for another client
  watch_for_end();
}

void WebServer::Connection::watch_for_end() {
  stream_.async_read_some(asio::buffer(unread_),
                          [self = shared_from_this()](const Failure& failure, size_t bytes) {
                            self->unread_bytes_ += bytes;
                            if (failure || self->unread_bytes_ > kMostUnreadBytes) return self->close();
                            self->watch_for_end();
                          });
}

void WebServer::Connection::begin_stream(WebStream stream) {
  if (server_.streams >= server_.options.limits.streams)
    return send(web_message(503, "too many streams are open"), true, false);
  ++server_.streams;
  source_ = std::move(stream.source);
  auto response = std::make_shared<http::response<http::empty_body>>();
  response->version(11);
  add_headers(*response, stream.type, "default-src 'none'; frame-ancestors 'none'");
  response->set("X-Accel-Buffering", "no");
  response->keep_alive(false);
  stream_.expires_after(server_.options.limits.write_time);
  http::async_write(stream_, *response,
                    [self = shared_from_this(), response](const Failure& failure, size_t) {
                      if (failure) return self->close();
                      self->stream_.expires_never();  // of the read below; each write sets a time of its own
                      self->watch_for_end();
                      self->continue_stream();
                    });
}

/// A source that ends ends the connection, which has no other sign of the end.
void WebServer::Connection::continue_stream() {
  if (server_.closing || !stream_.socket().is_open()) return close();
  std::optional<std::string> text;
  try {
    text = source_->take();
  } catch (const std::exception& error) {
    log_error("a stream: {}", error.what());
  }
  if (!text) return end_stream();
  if (text->empty()) return wait_for_text();
  piece_ = std::move(*text);
  writes_ = true;
  stream_.expires_after(server_.options.limits.write_time);
  asio::async_write(stream_, asio::buffer(piece_),
                    [self = shared_from_this()](const Failure& failure, size_t) {
                      self->writes_ = false;
                      if (failure) return self->close();
                      self->continue_stream();
                    });
}

/// The client closes when it has everything; the read that is under way notices.
void WebServer::Connection::end_stream() {
  Failure ignored;
  stream_.socket().shutdown(AnySocket::shutdown_send, ignored);
  timer_.expires_after(kLastWait);
  timer_.async_wait([self = shared_from_this()](const Failure&) { self->close(); });
}

void WebServer::Connection::wait_for_text() {
  timer_.expires_after(server_.options.limits.stream_poll);
  timer_.async_wait([self = shared_from_this()](const Failure&) { self->continue_stream(); });
}

/// Ends the wait for the timer, which then looks for text.
void WebServer::Connection::wake() {
  if (source_ == nullptr || writes_) return;
  Failure ignored;
  timer_.cancel(ignored);
}

// --- WebServer ---

WebServer::WebServer(WebServerOptions options, WebHandler handler)
    : state_(std::make_shared<State>(std::move(options), std::move(handler))) {
  state_->listen();
}

WebServer::~WebServer() {
  std::error_code ignored;
  if (state_->made_file) std::filesystem::remove(state_->options.access.address.socket_file, ignored);
}

const WebAccess& WebServer::access() const {
  return state_->options.access;
}

size_t WebServer::connections() const {
  return state_->connections.size();
}

void WebServer::run(const std::stop_token& stop) {
  State& state = *state_;
  const std::stop_callback on_stop(stop, [&] { asio::post(state.io, [&] { state.close_all(); }); });
  state.accept();
  state.io.run();
}

void WebServer::wake_streams() {
  asio::post(state_->io, [&state = *state_] {
    for (Connection* connection : state.connections) connection->wake();
  });
}

}  // namespace pretrain
