// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/fabric.h"

#include <algorithm>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/libs/fabric/worlds.h"

namespace pretrain {
namespace {

using std::chrono::milliseconds;
using test::kLong;
using test::Losses;
using test::make_world;
using test::message;
using test::Network;
using test::on_all_ranks;
using test::World;
using testing::Each;
using testing::Eq;
using testing::HasSubstr;

constexpr size_t kSizes[] = {0, 1, 65'537, size_t{4} << 20};
constexpr uint32_t kSomeTags[] = {0, 1, Fabric::kTags - 1};

/// What every network must do.
class EachFabric : public testing::TestWithParam<Network> {
 protected:
  void SetUp() override {
    if (!test::has(GetParam())) GTEST_SKIP() << "built without it";
  }
};

/// Everything that one rank sends to and gets from one peer.
struct Exchange {
  int peer = 0;
  std::vector<std::vector<std::byte>> out, in;
};

/// All sizes and tags with each peer. The receives start in another order than the sends.
std::vector<Exchange> exchange_with_all(Fabric& fabric) {
  std::vector<Exchange> all;
  for (int peer = 0; peer < fabric.size(); ++peer) {
    if (peer == fabric.rank()) continue;
    Exchange& one = all.emplace_back();
    one.peer = peer;
    for (const size_t bytes : kSizes) {
      for (const uint32_t tag : kSomeTags) {
        one.out.push_back(message(fabric.rank(), peer, tag, bytes));
        one.in.emplace_back(bytes);
      }
    }
  }
  for (Exchange& one : all) {
    for (size_t i = one.in.size(); i-- > 0;)
      fabric.receive(one.peer, kSomeTags[i % std::size(kSomeTags)], one.in[i]);
  }
  for (const Exchange& one : all) {
    for (size_t i = 0; i < one.out.size(); ++i)
      fabric.send(one.peer, kSomeTags[i % std::size(kSomeTags)], one.out[i]);
  }
  fabric.wait(kLong);
  return all;
}

TEST_P(EachFabric, MovesMessagesOfAllSizesBetweenAllPairs) {
  for (const int size : {2, 3, 5}) {
    const World world = make_world(GetParam(), size);
    const Losses losses = on_all_ranks(world, [](Fabric& fabric) {
      for (const Exchange& one : exchange_with_all(fabric)) {
        for (size_t i = 0; i < one.in.size(); ++i) {
          const uint32_t tag = kSomeTags[i % std::size(kSomeTags)];
          const size_t bytes = kSizes[i / std::size(kSomeTags)];
          EXPECT_TRUE(one.in[i] == message(one.peer, fabric.rank(), tag, bytes))
              << one.peer << " to " << fabric.rank() << ", tag " << tag << ", " << bytes << " bytes";
        }
      }
    });
    EXPECT_THAT(losses, Each(Eq(std::nullopt)));
  }
}

TEST_P(EachFabric, KnowsItsPlace) {
  const World world = make_world(GetParam(), 3, 42);
  for (int rank = 0; rank < 3; ++rank) {
    const Fabric& fabric = *world[static_cast<size_t>(rank)];
    EXPECT_EQ(fabric.rank(), rank);
    EXPECT_EQ(fabric.size(), 3);
    EXPECT_EQ(fabric.generation(), 42U);
  }
}

TEST_P(EachFabric, ServesOneRankAlone) {
  const World world = make_world(GetParam(), 1);
  world[0]->wait(kLong);
  EXPECT_EQ(world[0]->traffic().sent_bytes, 0U);
}

TEST_P(EachFabric, KeepsTheOrderOfMessagesWithOneTag) {
  constexpr uint8_t kMessages = 200;
  const World world = make_world(GetParam(), 2);
  std::vector<std::byte> in(kMessages), out(kMessages);
  for (uint8_t i = 0; i < kMessages; ++i) out[i] = std::byte{i};
  on_all_ranks(world, [&](Fabric& fabric) {
    for (size_t i = 0; i < kMessages; ++i) {
      if (fabric.rank() == 0) {
        fabric.send(1, 5, std::span(out).subspan(i, 1));
      } else {
        fabric.receive(0, 5, std::span(in).subspan(i, 1));
      }
    }
    fabric.wait(kLong);
  });
  EXPECT_EQ(in, out);
}

TEST_P(EachFabric, TakesOnlyMessagesOfTheSameLength) {
  const World world = make_world(GetParam(), 2);
  const auto longer = message(0, 1, 7, 64), shorter = message(0, 1, 7, 32);
  std::vector<std::byte> in_longer(64), in_shorter(32);
  const Losses losses = on_all_ranks(world, [&](Fabric& fabric) {
    if (fabric.rank() == 0) {
      fabric.send(1, 7, longer);
      fabric.send(1, 7, shorter);
    } else {
      fabric.receive(0, 7, in_shorter);
      fabric.receive(0, 7, in_longer);
    }
    fabric.wait(kLong);
  });
  EXPECT_THAT(losses, Each(Eq(std::nullopt)));
  EXPECT_EQ(in_longer, longer);
  EXPECT_EQ(in_shorter, shorter);
}

TEST_P(EachFabric, CountsItsTraffic) {
  const World world = make_world(GetParam(), 2);
  const Fabric::Traffic first = world[0]->traffic(), second = world[1]->traffic();
  std::vector<std::byte> out(1000), in(1000);
  on_all_ranks(world, [&](Fabric& fabric) {
    for (int i = 0; i < 2; ++i) {
      if (fabric.rank() == 0) {
        fabric.send(1, 0, out);
      } else {
        fabric.receive(0, 0, in);
        EXPECT_EQ(fabric.traffic().received_bytes - second.received_bytes, 1000U * i) << "before it has come";
      }
      fabric.wait(kLong);
    }
  });
  EXPECT_EQ(world[0]->traffic().sent_bytes - first.sent_bytes, 2000U);
  EXPECT_EQ(world[0]->traffic().received_bytes, first.received_bytes);
  EXPECT_EQ(world[1]->traffic().received_bytes - second.received_bytes, 2000U);
  EXPECT_EQ(world[1]->traffic().sent_bytes, second.sent_bytes);
}

TEST_P(EachFabric, SeesThatAPeerHasClosed) {
  const World world = make_world(GetParam(), 3);
  const Losses losses = on_all_ranks(world, [](Fabric& fabric) {
    if (fabric.rank() == 2) return fabric.close();
    std::vector<std::byte> in(1000);
    fabric.receive(2, 0, in);
    fabric.wait(kLong);
  });
  for (const size_t rank : {size_t{0}, size_t{1}}) {
    ASSERT_TRUE(losses[rank]);
    EXPECT_EQ(losses[rank]->rank, 2);
    EXPECT_LT(losses[rank]->seconds, std::chrono::duration<double>(kLong).count());
    EXPECT_THAT(losses[rank]->what, Not(HasSubstr("silent")));
  }
}

// Rank 0 waits for rank 1, which waits for rank 2, which closes.
TEST_P(EachFabric, PassesALossOnAtOnce) {
  const World world = make_world(GetParam(), 3);
  const Losses losses = on_all_ranks(world, [](Fabric& fabric) {
    if (fabric.rank() == 2) return fabric.close();
    std::vector<std::byte> in(1000);
    fabric.receive(fabric.rank() + 1, 0, in);
    fabric.wait(kLong);
  });
  ASSERT_TRUE(losses[0] && losses[1]);
  EXPECT_EQ(losses[0]->rank, 1);
  EXPECT_EQ(losses[1]->rank, 2);
}

TEST_P(EachFabric, LosesASilentPeerAfterItsPatience) {
  const World world = make_world(GetParam(), 2);
  std::vector<std::byte> in(10);
  world[0]->receive(1, 0, in);
  constexpr milliseconds kShort{50};
  try {
    world[0]->wait(kShort);
    ADD_FAILURE() << "received what nobody has sent";
  } catch (const PeerLost& lost) {
    EXPECT_EQ(lost.rank(), 1);
    EXPECT_THAT(lost.details().what, HasSubstr("silent"));
    EXPECT_GE(lost.details().seconds, 0.05);
    EXPECT_EQ(lost.kind(), ErrorKind::kRuntime);
  }
}

TEST_P(EachFabric, EndsAWaitWhenAnotherThreadCloses) {
  const World world = make_world(GetParam(), 2);
  std::vector<std::byte> in(10);
  world[0]->receive(1, 0, in);
  const std::jthread closing([&] { world[0]->close(); });
  try {
    world[0]->wait(kLong);
    ADD_FAILURE() << "received what nobody has sent";
  } catch (const PeerLost& lost) {
    EXPECT_EQ(lost.rank(), PeerLost::kUnknownRank);
    EXPECT_THAT(lost.details().what, HasSubstr("closed here"));
  }
}

TEST_P(EachFabric, TouchesNoMemoryOnceClosed) {
  for (int round = 0; round < 20; ++round) {
    const World world = make_world(GetParam(), 2);
    const auto out = message(0, 1, 0, size_t{1} << 20);
    std::vector<std::byte> in(out.size());
    world[1]->receive(0, 0, in);
    const std::jthread sending([&] {
      try {
        world[0]->send(1, 0, out);
        world[0]->wait(kLong);
      } catch (const PeerLost&) {
        // as it must be, unless the message was faster
      }
    });
    if (round % 2 == 1) std::this_thread::yield();
    world[1]->close();
    std::ranges::fill(in, std::byte{0x5a});
    world[0]->close();
    EXPECT_TRUE(std::ranges::all_of(in, [](std::byte byte) { return byte == std::byte{0x5a}; }))
        << "round " << round;
  }
}

TEST_P(EachFabric, RefusesOperationsOnceClosed) {
  const World world = make_world(GetParam(), 2);
  world[0]->close();
  world[0]->close();
  std::vector<std::byte> memory(10);
  EXPECT_THROW(world[0]->send(1, 0, memory), PeerLost);
  EXPECT_THROW(world[0]->receive(1, 0, memory), PeerLost);
}

TEST_P(EachFabric, BuildsOneGenerationAfterTheOther) {
  make_world(GetParam(), 3);  // what libraries open once and keep
  const size_t before = test::open_descriptors();
  for (uint64_t generation = 0; generation < 100; ++generation) {
    const World world = make_world(GetParam(), 3, generation);
    on_all_ranks(world, [&](Fabric& fabric) {
      std::vector<std::byte> in(100), out(100);
      const int peer = (fabric.rank() + 1) % 3, other = (fabric.rank() + 2) % 3;
      fabric.receive(other, 1, in);
      fabric.send(peer, 1, out);
      fabric.wait(kLong);
      fabric.receive(other, 2, in);
      if (fabric.rank() == static_cast<int>(generation % 3)) fabric.close();
      fabric.wait(kLong);
    });
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

std::string name_of(const testing::TestParamInfo<Network>& test) {
  static constexpr const char* kNames[] = {"Threads", "Gloo", "Mpi"};
  return kNames[static_cast<size_t>(test.param)];
}

INSTANTIATE_TEST_SUITE_P(Over, EachFabric, testing::Values(Network::kLocal, Network::kGloo, Network::kMpi),
                         name_of);

TEST(PeerLost, NamesTheMachineTheTimeAndTheReason) {
  const PeerLost lost({.rank = 2, .seconds = 30.04, .what = "it is silent"});
  EXPECT_STREQ(lost.what(), "lost machine 2 after 30.0 s: it is silent");
  EXPECT_STREQ(PeerLost({.what = "closed here"}).what(), "lost the other machines: closed here");
}

}  // namespace
}  // namespace pretrain
