// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/channel.h"

#include <array>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/local_socket.h"
#include "tests/libs/fabric/channels.h"

namespace pretrain {
namespace {

using Fault = ChannelError::Fault;
using std::chrono::milliseconds;
using test::accept_one;
using test::join_options;
using test::kPlenty;
using test::Pair;
using test::Stranger;
using testing::HasSubstr;
using testing::StartsWith;

const std::stop_token kNever;

TEST(Channel, CarriesMessagesBothWays) {
  Pair pair;
  const std::string large(500'000, 'x');
  pair.at_member->send(1, "hello");
  pair.at_member->send(2, large);
  pair.at_head->send(1, "");
  const Frame first = pair.at_head->receive(kNever), second = pair.at_head->receive(kNever);
  EXPECT_EQ(first.kind, 1U);
  EXPECT_EQ(first.payload, "hello");
  EXPECT_EQ(second.kind, 2U);
  EXPECT_EQ(second.payload, large);
  EXPECT_EQ(pair.at_member->receive(kNever).payload, "");
}

TEST(Channel, KnowsBothEnds) {
  const Pair pair;
  EXPECT_EQ(pair.at_head->peer().name, "desk");
  EXPECT_EQ(pair.at_member->peer().name, "tower");
  EXPECT_EQ(pair.at_head->peer_host(), "127.0.0.1");
  EXPECT_EQ(pair.at_member->own_host(), "127.0.0.1");
  EXPECT_EQ(pair.at_head->session(), pair.at_member->session());
}

TEST(Channel, IsReadableWhileThereIsAMessage) {
  Pair pair;
  EXPECT_EQ(pair.at_head->try_receive(), std::nullopt);
  pair.at_member->send(1, "hello");
  const std::array awaited{Awaited{.descriptor = pair.at_head->descriptor()}};
  wait_for_any(awaited, kPlenty);
  const auto frame = pair.at_head->try_receive();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->payload, "hello");
}

TEST(Channel, ReturnsWithoutAMessageAfterThePatience) {
  const Pair pair;
  EXPECT_EQ(pair.at_head->receive(milliseconds(1), kNever), std::nullopt);
}

TEST(Channel, StopsWaitingAtAStopRequest) {
  Pair pair;
  std::stop_source stop;
  const std::jthread stopping([&] { stop.request_stop(); });
  EXPECT_THROW(pair.at_member->receive(stop.get_token()), Stopped);
  pair.at_head->send(1, "late");
  const std::array awaited{Awaited{.descriptor = pair.at_member->descriptor()}};
  wait_for_any(awaited, kPlenty);
  EXPECT_EQ(pair.at_member->receive(stop.get_token()).payload, "late") << "what has come is not lost";
}

TEST(Channel, DeliversWhatWasSentBeforeItClosed) {
  Pair pair;
  for (int i = 0; i < 20; ++i) pair.at_head->send(2, std::string(1'000'000, static_cast<char>('a' + i)));
  EXPECT_TRUE(pair.at_head->flush(kPlenty));
  pair.at_head->close();
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(pair.at_member->receive(kNever).payload, std::string(1'000'000, static_cast<char>('a' + i)));
  try {
    pair.at_member->receive(kNever);
    ADD_FAILURE() << "received what nobody has sent";
  } catch (const ChannelError& error) {
    EXPECT_EQ(error.fault(), Fault::kLost);
    EXPECT_TRUE(error.may_pass());
    EXPECT_STREQ(error.what(), "lost the connection to tower (127.0.0.1): it has closed the connection");
  }
  EXPECT_TRUE(pair.at_member->lost());
}

TEST(Channel, IgnoresMessagesOnceLost) {
  Pair pair;
  pair.at_head.reset();
  EXPECT_THROW(pair.at_member->receive(kNever), ChannelError);
  pair.at_member->send(1, "nobody hears it");
  EXPECT_FALSE(pair.at_member->flush(kPlenty));
  pair.at_member->close();
  pair.at_member->close();
}

TEST(Channel, IsLostWhenItClosesItself) {
  const Pair pair;
  pair.at_member->close();
  EXPECT_EQ(pair.at_member->lost(), "closed here");
}

/// A member made by hand, which does only what a test lets it do.
struct ManualMember {
  explicit ManualMember(test::Head& head)
      : stranger(head.address()), handshake(Handshake::Side::kMember, std::string(test::kTestSecret), {}) {
    std::string out;
    handshake.start(out);
    stranger.say(out);
    while (!handshake.is_done()) {
      out.clear();
      const std::string heard = stranger.hear_some();
      handshake.take(std::as_bytes(std::span(heard)), out);
      stranger.say(out);
    }
    handshake.reader().set_limits({{kAliveKind, 0}});
  }
  Stranger stranger;
  Handshake handshake;
};

TEST(Channel, SaysThatItIsThereWhileItsOwnerIsBusy) {
  test::Head head({.channel = test::channel_options("tower", milliseconds(4000))});  // a sign each second
  ManualMember member(head);
  const auto channel = head.next();
  const std::string bytes = member.stranger.hear_some();
  ASSERT_FALSE(bytes.empty()) << "the head has hung up without a sign";
  member.handshake.reader().take(std::as_bytes(std::span(bytes)));
  const auto sign = member.handshake.reader().next();
  ASSERT_TRUE(sign);
  EXPECT_EQ(sign->kind, kAliveKind);
}

TEST(Channel, AMemberSaysThatItIsThereAsOftenAsTheHeadNeedsIt) {
  test::Head head({.channel = test::channel_options("tower", milliseconds(1000))});
  const auto member = join_channel(join_options(head.address(), "desk", kPlenty), kNever);
  const auto channel = head.next();
  EXPECT_EQ(channel->receive(milliseconds(1500), kNever), std::nullopt) << "not lost";
}

TEST(Channel, LosesASilentPeerAfterItsPatience) {
  test::Head head({.channel = test::channel_options("tower", milliseconds(100))});
  const ManualMember member(head);
  const auto channel = head.next();
  EXPECT_THROW(channel->receive(kNever), ChannelError);
  EXPECT_EQ(channel->lost(), "it was silent for 100 ms");
}

TEST(Channel, LosesAPeerThatSendsWhatIsNoMessage) {
  for (const uint32_t kind : {1U, 3U}) {
    test::Head head;
    ManualMember member(head);
    const auto channel = head.next();
    std::string bytes;
    const std::string longer(101, 'x');  // than the limit of kind 1; kind 3 has none
    member.handshake.writer().write(kind, std::as_bytes(std::span(longer)), bytes);
    member.stranger.say(bytes);
    EXPECT_THROW(channel->receive(kNever), ChannelError);
    EXPECT_THAT(channel->lost().value_or(""), StartsWith("it sent a message of"));
  }
}

TEST(Channel, LosesAPeerWhoseMessageWasChanged) {
  test::Head head;
  ManualMember member(head);
  const auto channel = head.next();
  std::string bytes;
  member.handshake.writer().write(1, std::as_bytes(std::span(std::string_view("hello"))), bytes);
  bytes[18] = 'L';
  member.stranger.say(bytes);
  EXPECT_THROW(channel->receive(kNever), ChannelError);
  EXPECT_EQ(channel->lost(), "it sent a message with a wrong code");
}

/// What join_channel() throws.
ChannelError failure_of(const JoinOptions& options) {
  try {
    join_channel(options, kNever);
  } catch (const ChannelError& error) {
    return error;
  }
  return {Fault::kLost, "none"};
}

TEST(JoinChannel, SaysThatNothingListens) {
  TcpAddress address;
  {
    const TcpListener listener({.host = "127.0.0.1", .port = 0});
    address = listener.address();
  }
  const ChannelError error = failure_of(join_options(address));
  EXPECT_EQ(error.fault(), Fault::kUnreachable);
  EXPECT_TRUE(error.may_pass());
  EXPECT_THAT(error.what(), HasSubstr("nothing listens there; start the head with --listen 127.0.0.1"));
}

TEST(JoinChannel, SaysThatTheNameIsUnknown) {
  const ChannelError error = failure_of(join_options({.host = "no-such-machine.invalid", .port = 1}));
  EXPECT_EQ(error.fault(), Fault::kUnreachable);
  EXPECT_THAT(error.what(), HasSubstr("no machine of the name no-such-machine.invalid is known"));
}

TEST(JoinChannel, SaysThatAnotherProgramAnswers) {
  TcpListener listener({.host = "127.0.0.1", .port = 0});
  const std::jthread answering([&] {
    Stranger other(accept_one(listener));
    other.say("SSH-2.0-OpenSSH_9.2\r\n");
    other.hear_all();
  });
  const ChannelError error = failure_of(join_options(listener.address()));
  EXPECT_EQ(error.fault(), Fault::kOtherProgram);
  EXPECT_FALSE(error.may_pass());
  EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  EXPECT_THAT(error.what(), HasSubstr("another program answers there"));
}

TEST(JoinChannel, SaysThatNobodyAnswers) {
  const TcpListener listener({.host = "127.0.0.1", .port = 0});
  JoinOptions options = join_options(listener.address());
  options.time = milliseconds(50);
  const ChannelError error = failure_of(options);
  EXPECT_EQ(error.fault(), Fault::kUnreachable);
  EXPECT_THAT(error.what(), HasSubstr("did not answer within 50 ms"));
}

TEST(JoinChannel, SaysThatTheConnectionWasClosed) {
  TcpListener listener({.host = "127.0.0.1", .port = 0});
  const std::jthread answering([&] { accept_one(listener); });
  EXPECT_EQ(failure_of(join_options(listener.address())).fault(), Fault::kLost);
}

TEST(JoinChannel, StopsAtAStopRequest) {
  const TcpListener listener({.host = "127.0.0.1", .port = 0});
  std::stop_source stop;
  const std::jthread stopping([&] { stop.request_stop(); });
  EXPECT_THROW(join_channel(join_options(listener.address()), stop.get_token()), Stopped);
}

}  // namespace
}  // namespace pretrain
