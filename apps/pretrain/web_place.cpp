// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/web_place.h"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "apps/pretrain/output.h"
#include "apps/pretrain/output_file.h"
#include "libs/base/error.h"
#include "libs/base/host.h"
#include "libs/base/private_file.h"
#include "libs/base/standard_streams.h"
#include "libs/base/text.h"

namespace pretrain {
namespace {

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

std::string read_token(const Path& path) {
  constexpr size_t kLeast = 16, kMostBytes = 4096;
  if (path.empty()) return "";
  std::error_code ignored;  // what may not be looked at fails below
  const auto status = std::filesystem::status(path, ignored);
  if (status.type() == std::filesystem::file_type::not_found || std::filesystem::is_directory(status)) {
    fail(
        ErrorKind::kUsage,
        "there is no token file {0}; check --token-file, or make one with pretrain dashboard --new-token {0}",
        path.string());
  }
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

}  // namespace

WebServerOptions server_options(const WebPlace& place) {
  WebServerOptions options;
  options.access = {.address = place.address,
                    .hosts = split(place.hosts),
                    .own_name = machine_name(),
                    .token = read_token(place.token_file)};
  options.listening = take_listening_socket();
  if (!options.listening) check_openness(options.access);
  return options;
}

void write_new_token(const Path& file) {
  check_folder_of("--new-token", file);
  std::random_device random;
  std::string token;
  for (int i = 0; i < 8; ++i) token += fmt::format("{:08x}", random());
  write_private_file(file, token + "\n");
  print_line("wrote {}; start with --token-file {}, then open /?token={}", file.string(), file.string(),
             token);
}

void report_place(std::string_view name, const WebAccess& access) {
  const ListenAddress& address = access.address;
  const std::string path = access.token.empty() ? "/" : "/?token=TOKEN";
  if (!address.socket_file.empty()) {
    print_line("{} at {}", name, to_text(address));
  } else if (is_local(address)) {
    print_line("{0} at http://{1}{2} (from elsewhere: ssh -L {3}:{1} {4}); Ctrl-C ends it", name,
               to_text(address), path, address.port, machine_name());
  } else {
    print_line("{} at http://{}:{}{}; Ctrl-C ends it", name, machine_name(), address.port, path);
  }
  flush_output();
}

void check_openness(const WebAccess& access) {
  if (is_local(access.address) || !access.token.empty()) return;
  fail(
      ErrorKind::kUsage,
      "--listen {} is open to the network; give --token-file FILE (pretrain dashboard --new-token FILE makes one)",
      to_text(access.address));
}

}  // namespace pretrain
