// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a command serves pages and who may call it: the options that dashboard and serve share.

#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/option.h"
#include "libs/web/server.h"

namespace pretrain {

struct WebPlace {
  ListenAddress address;
  Path token_file;
  std::string hosts;  ///< separated by commas
};

/// Rows listen, token-file and allow-host for a member of T.
template <typename T>
OptionTable<T> web_options(WebPlace T::*place) {
  const OptionValue<T> address{
      {"ADDRESS"},
      [place](T& object, std::span<const std::string> texts) {
        (object.*place).address = parse_listen_address(texts.front());
      },
      [place](const T& object) -> std::vector<std::string> { return {to_text((object.*place).address)}; }};
  return {
      {{"listen", "where to answer: ADDRESS:PORT or unix:PATH; port 0 picks a free one"}, address},
      {{"token-file",
        "file with the token that callers need; must be given for an address that others reach"},
       path_of<T>(at(place, &WebPlace::token_file))},
      {{"allow-host", "names by which it may be called besides those of this machine, separated by commas"},
       text_of<T>(at(place, &WebPlace::hosts))}};
}

/// What a server needs: the place, its token, and a socket that a service manager has passed.
/// Errors: kUsage when the address is open to the network and there is no token, or the token can't be used.
WebServerOptions server_options(const WebPlace& place);

/// Writes a new token for `token_file`, and what to do with it to standard output.
/// Errors: IoError; also when the file exists.
void write_new_token(const Path& file);

/// "dashboard at http://127.0.0.1:8077/", with the way from elsewhere. `name`: "dashboard".
void report_place(std::string_view name, const WebAccess& access);

/// Fails as server_options() does; for a passed socket, whose address is only known to the server.
/// Errors: kUsage.
void check_openness(const WebAccess& access);

}  // namespace pretrain
