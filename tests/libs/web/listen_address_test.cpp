// SPDX-License-Identifier: Apache-2.0
#include "libs/web/listen_address.h"

#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

TEST(ListenAddress, IsReadAndWritten) {
  EXPECT_EQ(parse_listen_address("127.0.0.1:8077"), (ListenAddress{.host = "127.0.0.1", .port = 8077}));
  EXPECT_EQ(parse_listen_address("localhost:0"), (ListenAddress{.host = "127.0.0.1", .port = 0}));
  EXPECT_EQ(parse_listen_address("[::1]:80"), (ListenAddress{.host = "::1", .port = 80}));
  EXPECT_EQ(parse_listen_address("unix:/run/x.sock"),
            (ListenAddress{.host = "", .port = 0, .socket_file = "/run/x.sock"}));
  for (const char* text : {"127.0.0.1:8077", "[::1]:80", "unix:/run/x.sock"}) {
    EXPECT_EQ(to_text(parse_listen_address(text)), text);
  }
}

TEST(ListenAddress, IsRefusedWhenItIsNone) {
  for (const char* text : {"", "8077", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:8x", "::1:80",
                           "host:80", "[127.0.0.1]:80", "unix:", "300.0.0.1:80"}) {
    EXPECT_THROW(parse_listen_address(text), Error) << text;
  }
}

TEST(ListenAddress, IsLocalOnLoopbackAndForSocketFiles) {
  for (const char* text : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "unix:/x"}) {
    EXPECT_TRUE(is_local(parse_listen_address(text))) << text;
  }
  for (const char* text : {"0.0.0.0:1", "[::]:1", "192.168.0.1:1"}) {
    EXPECT_FALSE(is_local(parse_listen_address(text))) << text;
  }
}

}  // namespace
}  // namespace pretrain
