// SPDX-License-Identifier: Apache-2.0
#include "libs/web/listen_address.h"

#include <charconv>
#include <optional>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/text.h"

namespace pretrain {
namespace {

[[noreturn]] void refuse(std::string_view text) {
  fail(ErrorKind::kUsage, "must be ADDRESS:PORT, such as 127.0.0.1:8077, or unix:PATH (got {})",
       printable(text));
}

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::optional<boost::asio::ip::address> parse_ip(std::string_view text) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return address;
}

}  // namespace

ListenAddress parse_listen_address(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) {
    if (text.size() == kUnix.size()) refuse(text);
    return {.host = "", .port = 0, .socket_file = Path(text.substr(kUnix.size()))};
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) refuse(text);
  const auto port = parse_port(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = parse_ip(host);
  if (!port || !address || address->is_v6() != bracketed) refuse(text);
  return {.host = std::string(host), .port = *port};
}

std::string to_text(const ListenAddress& address) {
  if (!address.socket_file.empty()) return fmt::format("unix:{}", address.socket_file.string());
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return fmt::format("{0}{1}{2}:{3}", is_v6 ? "[" : "", address.host, is_v6 ? "]" : "", address.port);
}

bool is_local(const ListenAddress& address) {
  if (!address.socket_file.empty()) return true;
  const auto ip = parse_ip(address.host);
  return ip && ip->is_loopback();
}

bool is_ip_address(std::string_view text) {
  return parse_ip(text).has_value();
}

}  // namespace pretrain
