// SPDX-License-Identifier: Apache-2.0
#include "libs/base/tcp_socket.h"

#include <array>
#include <stop_token>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/base/local_socket.h"

namespace pretrain {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPlenty{120'000};

TEST(TcpAddress, IsParsedWithAndWithoutAPort) {
  const auto parsed = [](const char* text) { return parse_tcp_address(text, 7733); };
  EXPECT_EQ(parsed("192.168.1.10"), (TcpAddress{.host = "192.168.1.10", .port = 7733}));
  EXPECT_EQ(parsed("192.168.1.10:80"), (TcpAddress{.host = "192.168.1.10", .port = 80}));
  EXPECT_EQ(parsed("fd00::1"), (TcpAddress{.host = "fd00::1", .port = 7733}));
  EXPECT_EQ(parsed("[fd00::1]"), (TcpAddress{.host = "fd00::1", .port = 7733}));
  EXPECT_EQ(parsed("[fd00::1]:80"), (TcpAddress{.host = "fd00::1", .port = 80}));
  EXPECT_EQ(parsed("tower.local:0"), (TcpAddress{.host = "tower.local", .port = 0}));
}

TEST(TcpAddress, IsRefusedWhenMalformed) {
  for (const char* text : {"", ":", ":80", "host:", "host:x", "host:65536", "[fd00::1", "[host]", "[]:80",
                           "fd00::x", "a b", "http://host", "[fd00::1]80"}) {
    EXPECT_THROW(parse_tcp_address(text, 1), Error) << text;
  }
}

TEST(TcpAddress, IsWrittenAsItIsParsed) {
  for (const char* text : {"192.168.1.10:7733", "[fd00::1]:80", "tower.local:1"})
    EXPECT_EQ(to_text(parse_tcp_address(text, 1)), text);
}

TEST(TcpConnection, CarriesBytesAndKnowsBothEnds) {
  TcpListener listener({.host = "127.0.0.1", .port = 0});
  EXPECT_EQ(listener.accept(), std::nullopt);
  TcpConnection client = TcpConnection::open(listener.address(), kPlenty, std::stop_token());
  auto server = listener.accept();
  ASSERT_TRUE(server);
  EXPECT_EQ(client.peer(), listener.address());
  EXPECT_EQ(client.own(), server->peer());
  std::array<std::byte, 100> block{};
  EXPECT_EQ(server->read_some(block), std::nullopt) << "nothing was written yet";
  EXPECT_EQ(client.write_some(std::as_bytes(std::span(std::string_view("hello")))), 5U);
  client.end_writing();
  const std::array awaited{Awaited{.descriptor = server->descriptor()}};
  wait_for_any(awaited, kPlenty);
  EXPECT_EQ(server->read_some(block), 5U);
  wait_for_any(awaited, kPlenty);
  EXPECT_EQ(server->read_some(block), 0U) << "the end";
}

TEST(TcpConnection, IsAnErrorOnceThePeerHasReset) {
  TcpListener listener({.host = "127.0.0.1", .port = 0});
  TcpConnection client = TcpConnection::open(listener.address(), kPlenty, std::stop_token());
  auto server = listener.accept();
  ASSERT_TRUE(server);
  server->reset();
  const std::array awaited{Awaited{.descriptor = client.descriptor()}};
  wait_for_any(awaited, kPlenty);
  std::array<std::byte, 100> block{};
  EXPECT_THROW(client.read_some(block), IoError);
}

}  // namespace
}  // namespace pretrain
