// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/channel_listener.h"

#include <list>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/libs/fabric/channels.h"

namespace pretrain {
namespace {

using Fault = ChannelError::Fault;
using std::chrono::milliseconds;
using test::Head;
using test::join_options;
using test::Stranger;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

const std::stop_token kNever;

TEST(ChannelListener, TakesSeveralMachines) {
  Head head;
  const auto first = join_channel(join_options(head.address(), "first"), kNever);
  const auto at_head = head.next();
  const auto second = join_channel(join_options(head.address(), "second"), kNever);
  const auto also_at_head = head.next();
  EXPECT_EQ(at_head->peer().name, "first");
  EXPECT_EQ(also_at_head->peer().name, "second");
  EXPECT_NE(first->session(), second->session());
  EXPECT_EQ(head.listener().take(), nullptr);
  EXPECT_EQ(head.listener().refused(), 0U);
}

TEST(ChannelListener, RefusesAnotherSecretWithALineOnBothEnds) {
  Head head;
  JoinOptions options = join_options(head.address());
  options.channel.secret = "another secret of many characters";
  try {
    join_channel(options, kNever);
    ADD_FAILURE() << "joined with another secret";
  } catch (const ChannelError& error) {
    EXPECT_EQ(error.fault(), Fault::kOtherSecret);
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("the head has another secret; copy its secret file to this machine"));
  }
  head.await_refused(1);
  EXPECT_THAT(head.notes(), ElementsAre("refused 127.0.0.1: it has another secret"));
}

TEST(ChannelListener, RefusesWhomTheHeadDoesNotWantWithALineOnBothEnds) {
  Head head({.refusal = [](const Introduction& peer) {
    return peer.version == "0.2.0" ? std::nullopt
                                   : std::optional(std::string("it is version ") + peer.version);
  }});
  JoinOptions options = join_options(head.address());
  options.channel.introduction.version = "9";
  try {
    join_channel(options, kNever);
    ADD_FAILURE() << "joined";
  } catch (const ChannelError& error) {
    EXPECT_EQ(error.fault(), Fault::kRejected);
    EXPECT_THAT(error.what(), HasSubstr("the head refuses: it is version 9"));
  }
  head.await_refused(1);
  EXPECT_THAT(head.notes(), ElementsAre("refused 127.0.0.1: it is version 9"));
  EXPECT_NE(join_channel(join_options(head.address()), kNever), nullptr);
}

TEST(ChannelListener, HangsUpOnOtherPrograms) {
  Head head;
  Stranger browser(head.address());
  browser.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(browser.hear_all(), "");
  head.await_refused(1);
  EXPECT_THAT(head.notes(), Contains(HasSubstr("another protocol")));
}

TEST(ChannelListener, HangsUpOnConnectionsThatProveNothingInTime) {
  Head head({.stranger_time = milliseconds(50)});
  Stranger silent(head.address());
  EXPECT_EQ(silent.hear_all(), "");
  head.await_refused(1);
  EXPECT_THAT(head.notes(), Contains(HasSubstr("proved nothing within 50 ms")));
}

TEST(ChannelListener, KeepsFewStrangersWhateverTheirNumber) {
  constexpr size_t kMost = 8, kMany = 300;
  Head head({.strangers = kMost, .stranger_time = test::kPlenty});
  std::list<Stranger> strangers;
  for (size_t i = 0; i < kMany; ++i) {
    strangers.emplace_back(head.address());
    EXPECT_LE(head.listener().strangers(), kMost);
  }
  head.await_refused(kMany - kMost);
  EXPECT_LE(head.listener().strangers(), kMost);
  const auto member = join_channel(join_options(head.address()), kNever);
  const auto at_head = head.next();
  member->send(1, "hello");
  EXPECT_EQ(at_head->receive(kNever).payload, "hello");
  EXPECT_EQ(strangers.front().hear_all(), "") << "the oldest had to go";
}

TEST(ChannelListener, EndsWithStrangersAtTheDoor) {
  auto head = std::make_unique<Head>();
  const Stranger one(head->address());
  Stranger two(head->address());
  two.say("PTF1");
  head.reset();
  EXPECT_EQ(two.hear_all(), "");
}

TEST(ChannelListener, ListensOnlyAtOneAddressOfThisMachine) {
  const auto refusal_of = [](const std::string& host, uint16_t port) -> std::string {
    try {
      const ChannelListener listener({.address = {.host = host, .port = port}});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage) << error.what();
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(refusal_of("0.0.0.0", 0), HasSubstr("all networks of this machine"));
  EXPECT_THAT(refusal_of("::", 0), HasSubstr("all networks of this machine"));
  EXPECT_THAT(refusal_of("192.0.2.1", 0), HasSubstr("is not an address of this machine"));
  EXPECT_THAT(refusal_of("eth0", 0), HasSubstr("is no IP address"));
  Head head;
  EXPECT_THAT(refusal_of("127.0.0.1", head.address().port), HasSubstr("in use"));
}

}  // namespace
}  // namespace pretrain
