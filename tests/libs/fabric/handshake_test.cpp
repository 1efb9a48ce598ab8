// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/handshake.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pretrain {
namespace {

using Fault = ChannelError::Fault;
using Side = Handshake::Side;
using testing::HasSubstr;

const std::string kSecret(32, 's');

Introduction introduction_of(const std::string& name) {
  return {.name = name, .version = "0.2.0", .fingerprint = {{"processor", "x"}}, .more = {{"cores", 2}}};
}

/// Both ends, and what each has sent.
struct Ends {
  Handshake member{Side::kMember, kSecret, introduction_of("desk")};
  Handshake head{Side::kHead, kSecret, introduction_of("tower")};
  std::string from_member, from_head;
};

void give(Handshake& end, std::string_view bytes, std::string& out) {
  end.take(std::as_bytes(std::span(bytes)), out);
}

/// Carries bytes between the ends, `piece` at a time, until both are silent.
void converse(Ends& ends, size_t piece = 1'000'000) {
  ends.member.start(ends.from_member);
  ends.head.start(ends.from_head);
  size_t at_head = 0, at_member = 0;
  while (at_head < ends.from_member.size() || at_member < ends.from_head.size()) {
    const std::string to_head = ends.from_member.substr(at_head, piece);
    at_head += to_head.size();
    give(ends.head, to_head, ends.from_head);
    const std::string to_member = ends.from_head.substr(at_member, piece);
    at_member += to_member.size();
    give(ends.member, to_member, ends.from_member);
  }
}

TEST(Handshake, IntroducesBothEnds) {
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{1'000'000}}) {
    Ends ends;
    converse(ends, piece);
    ASSERT_TRUE(ends.member.is_done() && ends.head.is_done());
    EXPECT_EQ(ends.head.peer().name, "desk");
    EXPECT_EQ(ends.member.peer().name, "tower");
    EXPECT_EQ(ends.head.peer().version, "0.2.0");
    EXPECT_EQ(ends.head.peer().fingerprint, (nlohmann::json{{"processor", "x"}}));
    EXPECT_EQ(ends.head.peer().more, (nlohmann::json{{"cores", 2}}));
    EXPECT_EQ(ends.head.session(), ends.member.session());
  }
}

TEST(Handshake, MakesAnotherSessionEachTime) {
  Ends one, other;
  converse(one);
  converse(other);
  EXPECT_NE(one.head.session(), other.head.session());
}

TEST(Handshake, NeverSendsTheSecret) {
  Ends ends;
  converse(ends);
  EXPECT_EQ((ends.from_member + ends.from_head).find(kSecret), std::string::npos);
}

TEST(Handshake, RefusesAnotherSecretOnBothEnds) {
  Handshake member(Side::kMember, "another secret, and long", introduction_of("desk"));
  Handshake head(Side::kHead, kSecret, introduction_of("tower"));
  std::string to_head, to_member, more;
  member.start(to_head);
  give(head, to_head, to_member);
  to_head.clear();
  give(member, to_member, to_head);
  to_member.clear();
  try {
    give(head, to_head, to_member);
    ADD_FAILURE() << "took another secret";
  } catch (const ChannelError& error) {
    EXPECT_EQ(error.fault(), Fault::kOtherSecret);
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  }
  try {
    give(member, to_member, more);
    ADD_FAILURE() << "did not hear of it";
  } catch (const ChannelError& error) {
    EXPECT_EQ(error.fault(), Fault::kOtherSecret);
  }
}

// An impostor who knows no secret sends back what it got.
TEST(Handshake, RefusesItsOwnProof) {
  Handshake member(Side::kMember, kSecret, introduction_of("desk"));
  std::string hello;
  member.start(hello);
  std::string challenge = hello, proof;
  challenge[4] = 2;  // the kind of the head's greeting; its random bytes are the member's own
  give(member, challenge, proof);
  std::string back = proof, more;
  back[4] = 4;  // the kind of the head's proof
  EXPECT_THROW(give(member, back, more), ChannelError);
  EXPECT_FALSE(member.is_done());
}

TEST(Handshake, TellsTheMemberWhyTheHeadRefusesIt) {
  Handshake member(Side::kMember, kSecret, introduction_of("desk"));
  Handshake head(Side::kHead, kSecret, introduction_of("tower"), [](const Introduction& peer) {
    return std::optional(peer.name + " has another processor");
  });
  std::string from_member, from_head;
  member.start(from_member);
  std::string reason;
  for (int i = 0; i < 3; ++i) {
    std::string to_head, to_member;
    to_head.swap(from_member);
    try {
      give(head, to_head, from_head);
    } catch (const ChannelError& error) {
      EXPECT_EQ(error.fault(), Fault::kRejected);
    }
    to_member.swap(from_head);
    try {
      give(member, to_member, from_member);
    } catch (const ChannelError& error) {
      EXPECT_EQ(error.fault(), Fault::kRejected);
      reason = error.what();
    }
  }
  EXPECT_EQ(reason, "desk has another processor");
  EXPECT_FALSE(member.is_done());
}

TEST(Handshake, NamesAnotherProtocolOnBothEnds) {
  Ends ends;
  ends.member.start(ends.from_member);
  std::string later = ends.from_member;
  later[16] = 9;  // the version, after a header of 16 bytes
  try {
    give(ends.head, later, ends.from_head);
    ADD_FAILURE() << "took another protocol";
  } catch (const ChannelError& error) {
    EXPECT_EQ(error.fault(), Fault::kOtherProtocol);
    EXPECT_THAT(error.what(), HasSubstr("version 9"));
  }
  ASSERT_FALSE(ends.from_head.empty()) << "the member must hear which version it is";
  ends.from_head[16] = 9;
  std::string out;
  try {
    give(ends.member, ends.from_head, out);
    ADD_FAILURE() << "took another protocol";
  } catch (const ChannelError& error) {
    EXPECT_EQ(error.fault(), Fault::kOtherProtocol);
  }
}

TEST(Handshake, NamesAnotherProgram) {
  for (const std::string_view bytes : {"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n"}) {
    for (const Side side : {Side::kHead, Side::kMember}) {
      Handshake end(side, kSecret, introduction_of("desk"));
      std::string out;
      try {
        give(end, bytes, out);
        ADD_FAILURE() << bytes;
      } catch (const ChannelError& error) {
        EXPECT_EQ(error.fault(), Fault::kOtherProgram);
      }
      EXPECT_TRUE(out.empty());
    }
  }
}

/// Whether this end completes the start when it gets these bytes instead of the peer's.
bool completes(Handshake& end, const std::string& bytes) {
  std::string out;
  try {
    give(end, bytes, out);
  } catch (const ChannelError&) {
    return false;
  }
  return end.is_done();
}

// Flips each byte that one end sends, at the moment when it is sent, until there is no further byte.
TEST(Handshake, IsNotCompletedByChangedBytes) {
  size_t places = 0;
  for (const Side changed : {Side::kMember, Side::kHead}) {
    for (size_t place = 0;; ++place, ++places) {
      Ends ends;
      size_t seen = 0;
      const auto spoil = [&](std::string& text) {
        if (place >= seen && place < seen + text.size())
          text[place - seen] = static_cast<char>(~text[place - seen]);
        seen += text.size();
      };
      std::string to_head, to_member;
      ends.member.start(to_head);
      bool done = false;
      for (int turn = 0; turn < 3 && !done; ++turn) {
        if (changed == Side::kMember) spoil(to_head);
        try {
          give(ends.head, std::exchange(to_head, ""), to_member);
          if (changed == Side::kHead) spoil(to_member);
          give(ends.member, std::exchange(to_member, ""), to_head);
        } catch (const ChannelError&) {
          break;
        }
        done = ends.head.is_done() && ends.member.is_done();
      }
      if (done && place >= seen) break;  // nothing was changed
      ASSERT_FALSE(done) << "byte " << place;
      ASSERT_LT(place, seen) << "ended by itself";
    }
  }
  EXPECT_GT(places, 300U);
}

TEST(Handshake, RefusesAMalformedIntroduction) {
  Introduction wrong = introduction_of("desk");
  wrong.fingerprint = "text";
  Introduction longer = introduction_of(std::string(300, 'x'));
  for (const Introduction& own : {wrong, longer}) {
    Handshake member(Side::kMember, kSecret, own);
    Handshake head(Side::kHead, kSecret, introduction_of("tower"));
    std::string to_head, to_member;
    member.start(to_head);
    give(head, std::exchange(to_head, ""), to_member);
    give(member, std::exchange(to_member, ""), to_head);
    give(head, std::exchange(to_head, ""), to_member);
    give(member, std::exchange(to_member, ""), to_head);
    EXPECT_FALSE(completes(head, to_head));
  }
}

}  // namespace
}  // namespace pretrain
