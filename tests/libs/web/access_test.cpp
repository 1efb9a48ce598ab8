// SPDX-License-Identifier: Apache-2.0
#include "libs/web/access.h"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

unsigned status_for(const WebAccess& access, const WebCaller& caller) {
  const auto refusal = refusal_of(access, caller);
  return refusal ? refusal->status : 200;
}

WebCaller caller_of(const std::string& host) {
  return {.method = "GET", .path = "/", .host = host};
}

const WebAccess kLocal{.address = {.host = "127.0.0.1", .port = 8077}};
const WebAccess kOpen{
    .address = {.host = "0.0.0.0", .port = 8077}, .hosts = {"Dash.example"}, .own_name = "Box"};

TEST(HostRule, OnLoopbackAllowsNamesOfThisMachineAlone) {
  for (const char* host : {"localhost", "localhost:1", "LOCALHOST:8077", "a.localhost", "127.0.0.1:8077",
                           "127.1.2.3", "[::1]:8077", "[::1]"}) {
    EXPECT_EQ(status_for(kLocal, caller_of(host)), 200U) << host;
  }
  for (const char* host : {"evil.example", "evil.example:8077", "evil.localhost.example", "localhost.",
                           "notlocalhost", "192.168.0.1", "[::2]:8077", "Dash.example", "0.0.0.0"}) {
    EXPECT_EQ(status_for(kLocal, caller_of(host)), 421U) << host;
  }
}

TEST(HostRule, RefusesAMissingOrMalformedHost) {
  for (const char* host : {"", ":80", "local host", "localhost:x", "[::1", "[evil]", "localhost/",
                           "a@localhost", "localhost:80:80"}) {
    EXPECT_EQ(status_for(kLocal, caller_of(host)), 400U) << host;
  }
}

TEST(HostRule, OnAnOpenAddressAllowsAddressesTheMachineAndNamedHosts) {
  for (const char* host : {"192.168.0.1:8077", "box", "BOX:8077", "dash.example"}) {
    EXPECT_EQ(status_for(kOpen, caller_of(host)), 200U) << host;
  }
  for (const char* host : {"evil.example", "localhost", "box.example"}) {
    EXPECT_EQ(status_for(kOpen, caller_of(host)), 421U) << host;
  }
}

TEST(HostRule, DoesNotApplyToSocketFiles) {
  EXPECT_EQ(status_for({.address = {.host = "", .port = 0, .socket_file = "/x"}}, caller_of("anything")),
            200U);
}

TEST(OriginRule, LetsPagesOfOtherOriginsChangeNothing) {
  WebCaller post{.method = "POST", .path = "/v1/completions", .host = "localhost:8077"};
  EXPECT_EQ(status_for(kLocal, post), 200U) << "a program sends no origin";
  for (const char* origin : {"http://localhost:8077", "https://localhost:8077"}) {
    post.origin = origin;
    EXPECT_EQ(status_for(kLocal, post), 200U) << origin;
  }
  for (const char* origin : {"http://evil.example", "null", "http://localhost", "http://localhost:8078"}) {
    post.origin = origin;
    EXPECT_EQ(status_for(kLocal, post), 403U) << origin;
  }
  post.method = "GET";
  EXPECT_EQ(status_for(kLocal, post), 200U)
      << "reading is not restricted by origin: there are no CORS headers";
}

TEST(TokenRule, AsksForTheTokenInAHeaderOrACookie) {
  WebAccess access = kLocal;
  access.token = "secret";
  WebCaller caller = caller_of("localhost");
  EXPECT_EQ(status_for(access, caller), 401U);
  for (const char* given : {"Bearer secret", "bearer secret", "Bearer  secret "}) {
    caller.authorization = given;
    EXPECT_EQ(status_for(access, caller), 200U) << given;
  }
  for (const char* given :
       {"Bearer secre", "Bearer secrets", "Bearer ", "Bearer", "Basic secret", "secret"}) {
    caller.authorization = given;
    EXPECT_EQ(status_for(access, caller), 401U) << given;
  }
  caller.authorization = "";
  for (const char* cookie : {"pretrain_token=secret", "a=b; pretrain_token=secret; c=d"}) {
    caller.cookie = cookie;
    EXPECT_EQ(status_for(access, caller), 200U) << cookie;
  }
  for (const char* cookie : {"pretrain_token=", "xpretrain_token=secret", "pretrain_token=secret2"}) {
    caller.cookie = cookie;
    EXPECT_EQ(status_for(access, caller), 401U) << cookie;
  }
}

TEST(TokenRule, LeavesOutTheHealthCheckAndComesAfterTheHostRule) {
  WebAccess access = kLocal;
  access.token = "secret";
  EXPECT_EQ(status_for(access, {.method = "GET", .path = "/healthz", .host = "localhost"}), 200U);
  EXPECT_EQ(status_for(access, caller_of("evil.example")), 421U);
}

TEST(TokenRule, ComparesWholeTokens) {
  EXPECT_TRUE(is_same_token("abc", "abc"));
  for (const char* given : {"", "ab", "abcd", "abd", "abcabc"}) {
    EXPECT_FALSE(is_same_token(given, "abc")) << given;
  }
}

}  // namespace
}  // namespace pretrain
