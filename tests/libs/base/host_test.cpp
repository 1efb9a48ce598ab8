// SPDX-License-Identifier: Apache-2.0
#include "libs/base/host.h"

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

constexpr int kFirstPassed = 3;

TEST(Host, HasAName) {
  EXPECT_FALSE(machine_name().empty());
}

TEST(ListeningSocket, IsNoneWithoutAServiceManager) {
  unsetenv("LISTEN_FDS");
  EXPECT_FALSE(take_listening_socket());
}

/// As the service manager starts a process: the socket is descriptor 3.
void pass(int socket_kind, int count) {
  const int made = socket(AF_INET, socket_kind, 0);
  if (socket_kind == SOCK_STREAM) listen(made, 1);
  dup2(made, kFirstPassed);
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
}

int code_of_taking() {
  try {
    return take_listening_socket().get() == kFirstPassed ? 0 : 1;
  } catch (const Error& error) {
    return error.exit_code();
  }
}

TEST(ListeningSocket, IsTakenFromTheServiceManager) {
  EXPECT_EXIT((pass(SOCK_STREAM, 1), std::_Exit(code_of_taking())), testing::ExitedWithCode(0), "");
}

TEST(ListeningSocket, IsRefusedWhenItIsNoneOrNotOne) {
  EXPECT_EXIT((pass(SOCK_DGRAM, 1), std::_Exit(code_of_taking())), testing::ExitedWithCode(2), "");
  EXPECT_EXIT((pass(SOCK_STREAM, 2), std::_Exit(code_of_taking())), testing::ExitedWithCode(2), "");
}

}  // namespace
}  // namespace pretrain
