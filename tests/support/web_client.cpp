// SPDX-License-Identifier: Apache-2.0
#include "tests/support/web_client.h"

#include <cstdlib>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace pretrain::test {
namespace {

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

WebResponse parse_head(const std::string& head) {
  WebResponse response;
  if (!head.starts_with("HTTP/1.1 ")) return response;
  response.status = static_cast<unsigned>(std::strtoul(head.c_str() + 9, nullptr, 10));
  size_t line = head.find("\r\n") + 2;
  while (line < head.size()) {
    const size_t end = head.find("\r\n", line);
    const size_t colon = head.find(": ", line);
    if (end == std::string::npos || colon == std::string::npos || colon > end) break;
    response.headers[lower(head.substr(line, colon - line))] = head.substr(colon + 2, end - colon - 2);
    line = end + 2;
  }
  return response;
}

}  // namespace

WebClient::WebClient(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{.tv_sec = 60, .tv_usec = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    socket_.reset();
}

bool WebClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void WebClient::finish_sending() {
  shutdown(socket_.get(), SHUT_WR);
}

bool WebClient::read_more() {
  char bytes[4096];
  const ssize_t got = recv(socket_.get(), bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(got));
  return true;
}

WebResponse WebClient::read_response(bool has_body) {
  size_t end = std::string::npos;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) return {};
  }
  WebResponse response = parse_head(buffer_.substr(0, end + 2));
  buffer_.erase(0, end + 4);
  const size_t length = std::strtoul(response.headers["content-length"].c_str(), nullptr, 10);
  while (has_body && buffer_.size() < length && read_more()) {
  }
  if (!has_body) return response;
  response.body = buffer_.substr(0, length);
  buffer_.erase(0, response.body.size());
  return response;
}

std::string WebClient::read_until(std::string_view text) {
  while (buffer_.find(text) == std::string::npos && read_more()) {
  }
  return std::exchange(buffer_, "");
}

std::string WebClient::read_to_end() {
  while (read_more()) {
  }
  return std::exchange(buffer_, "");
}

std::string get(std::string_view path, std::string_view lines) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, lines);
}

WebResponse fetch(uint16_t port, std::string_view request) {
  WebClient client(port);
  client.send(request);
  return client.read_response(!request.starts_with("HEAD"));
}

}  // namespace pretrain::test
