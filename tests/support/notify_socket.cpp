// SPDX-License-Identifier: Apache-2.0
#include "tests/support/notify_socket.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace pretrain::test {

NotifySocket::NotifySocket() : descriptor_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::strncpy(address.sun_path, path().c_str(), sizeof(address.sun_path) - 1);
  if (bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    throw std::runtime_error("cannot bind " + path());
}

NotifySocket::~NotifySocket() {
  close(descriptor_);
}

const std::vector<std::string>& NotifySocket::messages() {
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = recv(descriptor_, buffer.data(), buffer.size(), 0)) >= 0;)
    messages_.emplace_back(buffer.data(), static_cast<size_t>(n));
  return messages_;
}

size_t NotifySocket::count(const std::string& start) {
  return static_cast<size_t>(std::ranges::count_if(
      messages(), [&](const std::string& message) { return message.starts_with(start); }));
}

}  // namespace pretrain::test
