// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/dashboard.h"
#include "apps/pretrain/output.h"
#include "libs/base/error.h"
#include "libs/base/host.h"
#include "libs/base/private_file.h"
#include "libs/base/service.h"
#include "libs/base/standard_streams.h"
#include "libs/base/text.h"
#include "libs/web/listen_address.h"

namespace pretrain {
namespace {

struct DashboardRequest {
  std::vector<Path> states;
  ListenAddress address;
  Path token_file;
  Path new_token;
  std::string hosts;
};

constexpr CommandSyntax kSyntax{
    .name = "dashboard",
    .usage =
        "pretrain dashboard [STATE...] [--listen ADDRESS:PORT]\n\n"
        "Shows runs in a browser while they train: curves, samples, events; and their\n"
        "numbers for programs (/api/v1/runs, /metrics, /healthz, /readyz). Reads only\n"
        "the state folders; a run neither needs it nor notices it.",
    .examples =
        "Examples:\n"
        "  pretrain dashboard\n"
        "  pretrain dashboard runs --listen 127.0.0.1:0\n"
        "  pretrain dashboard --new-token TOKEN.txt\n"
        "  pretrain dashboard --listen 0.0.0.0:8077 --token-file TOKEN.txt",
    .positional = "state"};

OptionValue<DashboardRequest> address_value() {
  using Request = DashboardRequest;
  return {{"ADDRESS"},
          [](Request& request, std::span<const std::string> texts) {
            request.address = parse_listen_address(texts.front());
          },
          [](const Request& request) { return std::vector<std::string>{to_text(request.address)}; }};
}

OptionTable<DashboardRequest> options() {
  using Request = DashboardRequest;
  return {
      {{"state", "state folders of runs, or a folder with several; default: that of train"},
       paths_of<Request>(&Request::states)},
      {{"listen", "where to answer: ADDRESS:PORT or unix:PATH; port 0 picks a free one"}, address_value()},
      {{"token-file",
        "file with the token that callers need; must be given for an address that others reach"},
       path_of<Request>(&Request::token_file)},
      {{"new-token", "write a new token into this file, and end"}, path_of<Request>(&Request::new_token)},
      {{"allow-host", "names by which it may be called besides those of this machine, separated by commas"},
       text_of<Request>(&Request::hosts)}};
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string_view word = trim_blanks(std::string_view(list).substr(begin, end - begin));
    if (!word.empty()) words.emplace_back(word);
    begin = end + 1;
  }
  return words;
}

/// Only its owner can read it.
void write_new_token(const Path& path) {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 8; ++i) token += fmt::format("{:08x}", random());
  write_private_file(path, token + "\n");
  print_line("wrote {}; start with --token-file {}, then open /?token={}", path.string(), path.string(),
             token);
}

std::string read_token(const Path& path) {
  constexpr size_t kLeast = 16, kMostBytes = 4096;
  if (path.empty()) return "";
  if (others_may_read(path)) {
    fail(ErrorKind::kUsage, "--token-file {} can be read by other users; chmod 600 it", path.string());
  }
  const std::string text = read_file(path, kMostBytes);
  const std::string token(trim_blanks(text));
  const bool is_plain = std::ranges::all_of(token, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (token.size() < kLeast || !is_plain) {
    fail(
        ErrorKind::kUsage,
        "--token-file {} must hold {} or more letters and digits; pretrain dashboard --new-token FILE makes one",
        path.string(), kLeast);
  }
  return token;
}

void check_openness(const ListenAddress& address, const std::string& token) {
  if (is_local(address) || !token.empty()) return;
  fail(
      ErrorKind::kUsage,
      "--listen {} is open to the network; give --token-file FILE (pretrain dashboard --new-token FILE makes one)",
      to_text(address));
}

void report_address(const ListenAddress& address, bool needs_token) {
  if (!address.socket_file.empty()) return print_line("dashboard at {}", to_text(address));
  const std::string path = needs_token ? "/?token=TOKEN" : "/";
  if (is_local(address)) {
    return print_line("dashboard at http://{0}{1} (from elsewhere: ssh -L {2}:{0} {3}); Ctrl-C ends it",
                      to_text(address), path, address.port, machine_name());
  }
  print_line("dashboard at http://{}:{}{}; Ctrl-C ends it", machine_name(), address.port, path);
}

}  // namespace

int dashboard_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  if (!request->new_token.empty()) {
    write_new_token(request->new_token);
    return 0;
  }
  const std::string token = read_token(request->token_file);
  Descriptor passed = take_listening_socket();
  if (!passed) check_openness(request->address, token);
  std::vector<Path> states = request->states;
  if (states.empty()) states.push_back(state_folder_of({}));
  const RunWatcher runs(states);
  const Dashboard dashboard(runs);
  WebServer server({.access = {.address = request->address,
                               .hosts = split(request->hosts),
                               .own_name = machine_name(),
                               .token = token},
                    .listening = std::move(passed)},
                   [&](const WebRequest& web_request) { return dashboard.answer(web_request); });
  check_openness(server.address(), token);
  report_address(server.address(), !token.empty());
  flush_output();
  ServiceNotifier().ready();
  server.run(stop.token());
  return 0;
}

}  // namespace pretrain
