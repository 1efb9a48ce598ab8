// SPDX-License-Identifier: Apache-2.0
#include "libs/web/access.h"

#include <algorithm>

#include <fmt/format.h>

#include "libs/base/text.h"

namespace pretrain {
namespace {

constexpr std::string_view kCookieName = "pretrain_token=";

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

bool is_loopback_name(const std::string& name) {
  if (name == "localhost" || name.ends_with(".localhost")) return true;
  return is_ip_address(name) && is_local({.host = name});
}

bool host_is_allowed(const WebAccess& access, const std::string& name) {
  if (std::ranges::any_of(access.hosts, [&](const std::string& host) { return lower(host) == name; }))
    return true;
  if (is_local(access.address)) return is_loopback_name(name);
  return is_ip_address(name) || name == lower(access.own_name);
}

std::optional<WebRefusal> host_refusal(const WebAccess& access, const WebCaller& caller) {
  if (!access.address.socket_file.empty()) return std::nullopt;
  const auto name = host_name(caller.host);
  if (!name) return WebRefusal{400, "the Host header is missing or malformed"};
  if (host_is_allowed(access, *name)) return std::nullopt;
  return WebRefusal{421,
                    fmt::format("unknown host {}; start with --allow-host {} to allow it", *name, *name)};
}

/// A page of another origin may not change anything. Programs send no Origin header.
std::optional<WebRefusal> origin_refusal(const WebCaller& caller) {
  if (caller.method == "GET" || caller.method == "HEAD" || caller.origin.empty()) return std::nullopt;
  const std::string own = lower(caller.host);
  const std::string origin = lower(caller.origin);
  if (origin == fmt::format("http://{}", own) || origin == fmt::format("https://{}", own))
    return std::nullopt;
  return WebRefusal{403, "a page of another origin may not do this"};
}

/// The token in the cookies "a=b; pretrain_token=T", or "".
std::string_view token_in(std::string_view cookies) {
  while (!cookies.empty()) {
    const std::string_view part = cookies.substr(0, cookies.find(';'));
    cookies.remove_prefix(std::min(part.size() + 1, cookies.size()));
    const std::string_view cookie = trim_blanks(part);
    if (cookie.starts_with(kCookieName)) return cookie.substr(kCookieName.size());
  }
  return "";
}

std::optional<WebRefusal> token_refusal(const WebAccess& access, const WebCaller& caller) {
  constexpr std::string_view kBearer = "bearer ";
  if (access.token.empty() || caller.path == "/healthz") return std::nullopt;
  const std::string_view given = caller.authorization;
  const bool bears = given.size() > kBearer.size() && lower(given.substr(0, kBearer.size())) == kBearer;
  if (bears && is_same_token(trim_blanks(given.substr(kBearer.size())), access.token)) return std::nullopt;
  if (is_same_token(token_in(caller.cookie), access.token)) return std::nullopt;
  return WebRefusal{401, "a token is needed: open /?token=TOKEN, or send Authorization: Bearer TOKEN"};
}

}  // namespace

std::optional<WebRefusal> refusal_of(const WebAccess& access, const WebCaller& caller) {
  if (auto refusal = host_refusal(access, caller)) return refusal;
  if (auto refusal = origin_refusal(caller)) return refusal;
  return token_refusal(access, caller);
}

std::optional<std::string> host_name(std::string_view host) {
  const bool bracketed = host.starts_with('[');
  const size_t end = bracketed ? host.find(']') : host.find(':');
  std::string_view name = host.substr(bracketed ? 1 : 0, bracketed ? end - 1 : end);
  std::string_view rest = end == std::string_view::npos ? "" : host.substr(end + (bracketed ? 1 : 0));
  if (bracketed && (end == std::string_view::npos || !is_ip_address(name))) return std::nullopt;
  if (rest.starts_with(':')) rest.remove_prefix(1);
  const bool has_port = std::ranges::all_of(rest, [](char c) { return c >= '0' && c <= '9'; });
  const bool is_name = std::ranges::all_of(name, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || (bracketed && c == ':');
  });
  if (name.empty() || !is_name || !has_port) return std::nullopt;
  return lower(name);
}

bool is_same_token(std::string_view given, std::string_view token) {
  size_t difference = given.size() ^ token.size();
  for (size_t i = 0; i < token.size(); ++i) {
    const char other = given.empty() ? '\0' : given[i % given.size()];
    difference |= static_cast<size_t>(static_cast<unsigned char>(other ^ token[i]));
  }
  return difference == 0;
}

std::string token_cookie(std::string_view token) {
  return fmt::format("{}{}; HttpOnly; SameSite=Strict; Path=/", kCookieName, token);
}

}  // namespace pretrain
