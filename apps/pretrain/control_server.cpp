// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/control_server.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/json.h"

namespace pretrain {
namespace {

constexpr const char* kSocketName = "control.sock";

nlohmann::json refusal(std::string_view why, bool is_usage = true) {
  return {{"ok", false}, {"error", why}, {"usage", is_usage}};
}

}  // namespace

Path control_socket(const Path& state) {
  return state / kSocketName;
}

ControlServer::ControlServer(const Path& state, RequestHandler handler, const ControlLimits& limits)
    : handler_(std::move(handler)),
      limits_(limits),
      listener_(state, kSocketName),
      thread_([this](const std::stop_token& stop) { serve(stop); }) {}

ControlServer::~ControlServer() {
  thread_.request_stop();
  wake_up_.wake();
  thread_.join();
}

void ControlServer::serve(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    wait();
    accept();
    for (Client& client : clients_) attend(client);
    std::erase_if(clients_, [](const Client& client) { return client.closing && client.unsent.empty(); });
  }
  say_goodbye();
}

void ControlServer::wait() const {
  std::vector<Awaited> awaited{{wake_up_.descriptor()}};
  // While all places are taken, others wait in the queue of the socket.
  if (clients_.size() < limits_.connections) awaited.push_back({listener_.descriptor()});
  for (const Client& client : clients_)
    awaited.push_back({client.connection.descriptor(), true, !client.unsent.empty()});
  const bool idle = clients_.empty();
  wait_for_any(awaited, idle ? std::chrono::minutes(1) : limits_.tick);
  wake_up_.clear();
}

void ControlServer::accept() {
  while (clients_.size() < limits_.connections) {
    auto connection = listener_.accept();
    if (!connection) return;
    Client client{.connection = std::move(*connection), .since = Clock::now()};
    if (!client.connection.peer_may_control()) {
      say(client, refusal("only the user who runs the training may control it"));
      send(client);
      continue;
    }
    clients_.push_back(std::move(client));
  }
}

void ControlServer::attend(Client& client) {
  read_request(client);
  while (client.conversation && !client.closing && client.unsent.empty()) {
    const auto line = client.conversation->next();
    if (line) say(client, *line);
    if (client.conversation->ended()) client.closing = true;
    if (!line) break;
    send(client);
  }
  send(client);
}

/// Everything after the first line is ignored, but tells whether the client is still there.
void ControlServer::read_request(Client& client) {
  std::string text;
  using State = LocalConnection::ReadState;
  const State state = client.connection.read_some(text);
  if (state == State::kClosed) {
    client.closing = true;
    client.unsent.clear();
    return;
  }
  if (client.conversation || client.closing) return;
  client.request += text;
  if (const size_t end = client.request.find('\n');
      end != std::string::npos && end <= limits_.request_bytes) {
    client.request.resize(end);
    return start(client);
  }
  const bool too_long = client.request.size() > limits_.request_bytes;
  if (!too_long && Clock::now() - client.since < limits_.request_time) return;
  say(client, refusal(too_long ? "the request is too long" : "no request came"));
  client.closing = true;
}

void ControlServer::start(Client& client) {
  try {
    client.conversation = handler_(parse_json(client.request));
  } catch (const Error& error) {
    say(client, refusal(error.what(), error.kind() != ErrorKind::kRuntime));
    client.closing = true;
  }
}

void ControlServer::say(Client& client, const nlohmann::json& line) const {
  client.unsent += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (client.unsent.size() <= limits_.unread_bytes) return;
  client.unsent.clear();  // it does not read
  client.closing = true;
}

void ControlServer::send(Client& client) {
  if (client.unsent.empty()) return;
  const auto sent = client.connection.write_some(client.unsent);
  if (sent) {
    client.unsent.erase(0, *sent);
    return;
  }
  client.unsent.clear();
  client.closing = true;
}

void ControlServer::say_goodbye() {
  for (Client& client : clients_) {
    if (!client.conversation || client.closing) continue;
    if (const auto line = client.conversation->at_end()) say(client, *line);
    send(client);
  }
  clients_.clear();
}

}  // namespace pretrain
