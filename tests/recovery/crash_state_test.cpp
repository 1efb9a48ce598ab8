// SPDX-License-Identifier: Apache-2.0
// Each state in which a crash can leave the device during saves, retention, failures and repairs.

#include <cerrno>
#include <cstdlib>
#include <iostream>

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/libs/checkpoint/sample.h"
#include "tests/recovery/crash_states.h"
#include "tests/recovery/planted_faults.h"

namespace pretrain {
namespace {

using namespace test;
using testing::IsEmpty;

void report(const CrashStates& states) {
  const std::string line =
      fmt::format("{} crash states, {} different", states.states(), states.different_states());
  testing::Test::RecordProperty("crash_states", std::to_string(states.states()));
  std::cout << line << '\n';
}

struct Scenario {
  const char* name;
  StoreOptions options;
  void (*run)(CrashStates&);
};

void save_once(CrashStates& states) {
  states.open();
  EXPECT_TRUE(states.save(0));
}

void save_with_retention(CrashStates& states) {
  states.open();
  for (const uint64_t step : {1, 2, 3, 4}) EXPECT_TRUE(states.save(step));
  EXPECT_EQ(steps_in(states.state()).size(), 2U);
}

void save_and_keep_every_second(CrashStates& states) {
  states.open();
  for (const uint64_t step : {0, 1, 2, 3, 4, 5}) EXPECT_TRUE(states.save(step));
  EXPECT_THAT(steps_in(states.state()), testing::ElementsAre(5, 4, 2));
}

void save_the_same_step_again(CrashStates& states) {
  states.open();
  EXPECT_TRUE(states.save(1));
  EXPECT_TRUE(states.save(1));
  states.open();
  EXPECT_TRUE(states.save(1));
}

void replace_a_damaged_step(CrashStates& states) {
  states.open();
  for (const uint64_t step : {1, 2}) EXPECT_TRUE(states.save(step));
  states.damage(2);
  EXPECT_TRUE(states.save(2));
  EXPECT_TRUE(states.save(3));
}

void pass_over_a_damaged_checkpoint(CrashStates& states) {
  states.open();
  for (const uint64_t step : {1, 2, 3}) EXPECT_TRUE(states.save(step));
  states.damage(3);
  states.open();
  EXPECT_TRUE(states.save(4));
}

void abandon_newer_checkpoints(CrashStates& states) {
  states.open();
  for (const uint64_t step : {1, 2, 3, 4}) EXPECT_TRUE(states.save(step));
  states.abandon_newer_than(2);
  EXPECT_TRUE(states.save(3));
}

void start_again_after_a_failed_start(CrashStates& states) {
  states.calls().set_fault({.code = EIO, .first_call = 1, .only = Operation::kSyncFolder});
  EXPECT_FALSE(states.open());
  EXPECT_TRUE(states.open());
  EXPECT_TRUE(states.save(1));
}

void abandon_again_after_a_failure(CrashStates& states) {
  states.open();
  for (const uint64_t step : {1, 2, 3}) EXPECT_TRUE(states.save(step));
  states.calls().set_fault({.code = EIO, .first_call = 2, .only = Operation::kSyncFolder});
  EXPECT_FALSE(states.abandon_newer_than(2));
  EXPECT_TRUE(states.abandon_newer_than(2));
}

class CrashState : public testing::TestWithParam<Scenario> {};

TEST_P(CrashState, HoldsTheLastAcknowledgedCheckpointOrTheOneInFlight) {
  CrashStates states(GetParam().options);
  GetParam().run(states);
  report(states);
  EXPECT_THAT(states.violations(), IsEmpty());
  EXPECT_GT(states.different_states(), 20U);
}

INSTANTIATE_TEST_SUITE_P(
    Scenarios, CrashState,
    testing::Values(Scenario{"FirstSave", {.keep = 2}, save_once},
                    Scenario{"Retention", {.keep = 2}, save_with_retention},
                    Scenario{"KeepEvery", {.keep = 2, .keep_every = 2}, save_and_keep_every_second},
                    Scenario{"TheSameStep", {.keep = 2}, save_the_same_step_again},
                    Scenario{"ReplacedDamage", {.keep = 2}, replace_a_damaged_step},
                    Scenario{"PassedOverDamage", {.keep = 3}, pass_over_a_damaged_checkpoint},
                    Scenario{"Abandoned", {.keep = 4}, abandon_newer_checkpoints},
                    Scenario{"FailedStart", {.keep = 2}, start_again_after_a_failed_start},
                    Scenario{"FailedAbandoning", {.keep = 4}, abandon_again_after_a_failure}),
    [](const auto& test) { return test.param.name; });

struct NamedFault {
  const char* name;
  Fault fault;
};

std::vector<NamedFault> faults() {
  const auto at = [](Operation operation, uint64_t nth, int code) {
    return Fault{.code = code, .first_call = nth, .only = operation};
  };
  return {{"Open", at(Operation::kCreate, 2, ENOSPC)},
          {"Allocate", at(Operation::kAllocate, 2, ENOSPC)},
          {"ShortWrite",
           {.kind = Fault::Kind::kShortWrite, .code = EDQUOT, .first_call = 2, .only = Operation::kWrite}},
          {"Sync", at(Operation::kSync, 1, EIO)},
          {"SyncOfTheManifest", at(Operation::kSync, 4, EIO)},
          {"Close", at(Operation::kClose, 1, EIO)},
          {"Rename", at(Operation::kRename, 1, EIO)},
          {"SyncOfTheNewFolder", at(Operation::kSyncFolder, 1, EIO)},
          {"SyncOfTheNewName", at(Operation::kSyncFolder, 2, EIO)},
          {"RetentionsRename", at(Operation::kRename, 2, EIO)},
          {"RetentionsSync", at(Operation::kSyncFolder, 3, EIO)},
          {"RetentionsRemoval", at(Operation::kRemoveFile, 1, EIO)}};
}

class CrashAroundAFailedSave : public testing::TestWithParam<NamedFault> {};

TEST_P(CrashAroundAFailedSave, HoldsTheLastAcknowledgedCheckpointOrTheOneInFlight) {
  CrashStates states({.keep = 2});
  states.open();
  for (const uint64_t step : {1, 2}) EXPECT_TRUE(states.save(step));
  states.save_with_fault(3, GetParam().fault);
  EXPECT_TRUE(states.save(4));
  report(states);
  EXPECT_THAT(states.violations(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(EachCall, CrashAroundAFailedSave, testing::ValuesIn(faults()),
                         [](const auto& test) { return test.param.name; });

/// At the n-th call of all, whichever that is. In full with PRETRAIN_LONG_TESTS=1.
TEST(CrashAroundAFailingCall, HoldsTheLastAcknowledgedCheckpointOrTheOneInFlight) {
  const uint64_t stride = std::getenv("PRETRAIN_LONG_TESTS") != nullptr ? 1 : 13;
  uint64_t checked = 0;
  uint64_t nth = 1;
  for (bool undisturbed = false; !undisturbed; nth += stride) {
    CrashStates states({.keep = 2});
    states.open();
    for (const uint64_t step : {1, 2}) EXPECT_TRUE(states.save(step));
    const uint64_t first_call = states.calls().call_count() + nth;
    states.save_with_fault(3, {.kind = Fault::Kind::kShortWrite, .code = EIO, .first_call = first_call});
    undisturbed = states.calls().call_count() < first_call;
    EXPECT_TRUE(states.save(4));
    EXPECT_THAT(states.violations(), IsEmpty()) << "call " << nth;
    checked += states.states();
  }
  std::cout << fmt::format("{} crash states around faults at every {}. of {} calls\n", checked, stride, nth);
}

/// What a dead process had named, but not synced, is found by the next one. Saved there once more and
/// acknowledged, it has to survive the crash after that.
TEST(CrashAfterADeadSave, HoldsTheStepOnceAnotherProcessAcknowledgesIt) {
  for (const Operation operation : {Operation::kRename, Operation::kSyncFolder}) {
    uint64_t deaths = 0;
    for (bool dies = true; dies;) {
      CrashStates states({.keep = 2});
      states.open();
      for (const uint64_t step : {1, 2}) EXPECT_TRUE(states.save(step));
      dies = states.die_in_a_save(3, operation, deaths + 1);
      if (dies) ++deaths;
      states.open();
      EXPECT_TRUE(states.save(3));
      EXPECT_THAT(states.violations(), IsEmpty())
          << "death " << deaths << " before operation " << static_cast<int>(operation);
      EXPECT_TRUE(states.save(4));
      EXPECT_THAT(states.violations(), IsEmpty())
          << "death " << deaths << " before operation " << static_cast<int>(operation);
    }
    EXPECT_GE(deaths, 2U);
  }
}

struct Planted {
  const char* name;
  CrashStates::Wrap wrap;
};

template <typename Variant>
Planted planted(const char* name) {
  return {name, [](FileSystem& under) { return std::make_unique<Variant>(under); }};
}

class PlantedFault : public testing::TestWithParam<Planted> {};

TEST_P(PlantedFault, IsFound) {
  CrashStates states({.keep = 2}, GetParam().wrap);
  save_with_retention(states);
  std::cout << fmt::format("{} of {} states show it, such as: {}\n", states.violation_count(),
                           states.different_states(), fmt::join(states.violations(), "; "));
  EXPECT_GT(states.violation_count(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Stores, PlantedFault,
    testing::Values(planted<WithoutFileSync>("WithoutFileSync"),
                    planted<WithoutFolderSync>("WithoutFolderSync"),
                    planted<WithoutSyncOfTheCheckpointsFolder>("WithoutSyncOfTheCheckpointsFolder"),
                    planted<RetentionBeforeTheSave>("RetentionBeforeTheSave"),
                    planted<RenameWithoutTheManifestsSync>("RenameWithoutTheManifestsSync")),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace pretrain
