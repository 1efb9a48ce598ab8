// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/local_fabric.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/libs/fabric/worlds.h"

namespace pretrain {
namespace {

using std::chrono::milliseconds;
using test::kLong;
using testing::HasSubstr;

/// Two ranks, of which rank 1 dies at this operation. Rank 0 exchanges a message, then waits for a second one.
struct Death {
  uint64_t operation = 0;
  LocalLoss::Manner manner = LocalLoss::Manner::kKilled;
};

struct Outcome {
  int finished_by_survivor = 0;
  int finished_by_victim = 0;
  bool died = false;
  std::string reason;
};

Outcome exchange_twice(const Death& death, milliseconds patience) {
  LocalNetwork network(
      {.size = 2, .losses = {{.rank = 1, .operation = death.operation, .manner = death.manner}}});
  const auto survivor = network.take_fabric(0), victim = network.take_fabric(1);
  Outcome outcome;
  const auto exchange = [&](Fabric& fabric, int& finished) {
    std::vector<std::byte> in(10), out(10);
    for (; finished < 2; ++finished) {
      fabric.receive(1 - fabric.rank(), 0, in);
      fabric.send(1 - fabric.rank(), 0, out);
      fabric.wait(patience);
    }
  };
  std::jthread dying([&] {
    try {
      exchange(*victim, outcome.finished_by_victim);
    } catch (const LocalDeath&) {
      outcome.died = true;
    }
  });
  try {
    exchange(*survivor, outcome.finished_by_survivor);
  } catch (const PeerLost& lost) {
    outcome.reason = lost.details().what;
  }
  dying.join();
  return outcome;
}

TEST(LocalFabric, LetsARankDieAtTheChosenOperation) {
  for (uint64_t operation = 0; operation < 5; ++operation) {
    const Outcome outcome = exchange_twice({.operation = operation}, kLong);
    EXPECT_TRUE(outcome.died);
    EXPECT_EQ(outcome.finished_by_victim, static_cast<int>(operation / 3));
    EXPECT_THAT(outcome.reason, HasSubstr("closed the connection")) << "operation " << operation;
  }
}

// Its messages may be there before it dies, as on a real network: then the survivor is one exchange ahead.
TEST(LocalFabric, LetsARankDieAtItsLastWait) {
  const Outcome outcome = exchange_twice({.operation = 5}, kLong);
  EXPECT_TRUE(outcome.died);
  EXPECT_EQ(outcome.finished_by_victim, 1);
  EXPECT_EQ(outcome.finished_by_survivor, outcome.reason.empty() ? 2 : 1);
}

TEST(LocalFabric, LetsARankLiveWhoseOperationNeverComes) {
  const Outcome outcome = exchange_twice({.operation = 6}, kLong);
  EXPECT_FALSE(outcome.died);
  EXPECT_EQ(outcome.finished_by_survivor, 2);
  EXPECT_EQ(outcome.finished_by_victim, 2);
}

TEST(LocalFabric, HidesTheDeathOfASilentRankUntilThePatienceEnds) {
  const Outcome outcome =
      exchange_twice({.operation = 3, .manner = LocalLoss::Manner::kSilent}, milliseconds(300));
  EXPECT_TRUE(outcome.died);
  EXPECT_THAT(outcome.reason, HasSubstr("silent"));
}

TEST(LocalFabric, DropsWhatADyingRankHasStarted) {
  LocalNetwork network({.size = 2, .losses = {{.rank = 1, .operation = 1}}});
  const auto survivor = network.take_fabric(0), victim = network.take_fabric(1);
  std::vector<std::byte> memory(100, std::byte{1}), out(100, std::byte{2});
  victim->receive(0, 0, memory);
  EXPECT_THROW(victim->wait(kLong), LocalDeath);
  survivor->send(1, 0, out);
  EXPECT_THROW(survivor->wait(kLong), PeerLost);
  EXPECT_THAT(memory, testing::Each(testing::Eq(std::byte{1})));
}

}  // namespace
}  // namespace pretrain
