// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "libs/base/rng.h"
#include "libs/checkpoint/store.h"
#include "tests/libs/checkpoint/sample.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void save_steps(CheckpointStore& store, const std::vector<uint64_t>& steps) {
  for (const uint64_t step : steps) store.save(Sample(step).content());
}

size_t verified_count(const Path& state_folder) {
  size_t count = 0;
  for (const CheckpointEntry& entry : list_checkpoints(state_folder)) {
    count += static_cast<size_t>(judge_checkpoint(entry.folder).checkpoint.has_value());
  }
  return count;
}

TEST(Retention, KeepsTheNewest) {
  const TempFolder state;
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {.keep = 2});
  save_steps(store, {0, 10, 20, 30});
  EXPECT_THAT(steps_in(state.path()), ElementsAre(30, 20));
  EXPECT_THAT(names_in(checkpoints_folder(state.path())), ElementsAre("step-000000020", "step-000000030"));
}

TEST(Retention, KeepsEveryNthForGoodButNotTheInitialState) {
  const TempFolder state;
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {.keep = 2, .keep_every = 20});
  save_steps(store, {0, 10, 20, 30, 40, 50, 60});
  EXPECT_THAT(steps_in(state.path()), ElementsAre(60, 50, 40, 20));
}

TEST(Retention, CountsOnlyCheckpointsThatVerifyAndLeavesTheOthersInPlace) {
  const TempFolder state;
  {
    FaultyFileSystem files;
    CheckpointStore store(files, state.path(), {.keep = 3});
    save_steps(store, {1, 2, 3});
  }
  flip_bit(checkpoints_folder(state.path()) / checkpoint_name(3) / "model.safetensors", 90, 1);
  std::vector<uint64_t> failed;
  CheckpointStore store(real_file_system(), state.path(),
                        {.keep = 2, .on_failed = [&](const FailedCheckpoint& f) {
                           EXPECT_FALSE(f.set_aside);
                           failed.push_back(f.step);
                         }});
  store.save(Sample(4).content());
  EXPECT_THAT(steps_in(state.path()), ElementsAre(4, 3, 2));
  EXPECT_THAT(failed, ElementsAre(3));
  store.save(Sample(5).content());
  EXPECT_THAT(steps_in(state.path()), ElementsAre(5, 4)) << "older than the two newest good ones";
}

TEST(Retention, NeverLetsASickCheckpointPushOutAHealthyOne) {
  const TempFolder state;
  FaultyFileSystem files;
  const auto is_sick = [](const Path& folder) { return *checkpoint_step(folder.filename().native()) > 20; };
  CheckpointStore store(files, state.path(), {.keep = 2, .is_sick = is_sick});
  save_steps(store, {10, 20, 21, 22, 23, 24});
  EXPECT_THAT(steps_in(state.path()), ElementsAre(24, 23, 20, 10)) << "sick ones push out each other only";
}

TEST(Retention, RemovesWhatWasSetAsideOnlyAfterSomethingNewerWasSaved) {
  const TempFolder state;
  for (const char* name : {"damaged-step-000000001", "damaged-step-000000002", "damaged-step-000000002-2",
                           "damaged-step-000000003", "damaged-step-000000009", "damaged-step-000000008"}) {
    state.write(std::string("checkpoints/") + name + "/state.json", "{}");
  }
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {.keep = 2, .keep_every = 2});
  EXPECT_FALSE(store.newest_verified());
  EXPECT_EQ(names_in(checkpoints_folder(state.path())).size(), 6U) << "nothing newer was saved";
  store.save(Sample(5).content());
  EXPECT_THAT(names_in(checkpoints_folder(state.path())),
              ElementsAre("damaged-step-000000002", "damaged-step-000000002-2", "damaged-step-000000003",
                          "damaged-step-000000008", "damaged-step-000000009", "step-000000005"))
      << "permanent ones stay for good, newer ones until they are not";
}

TEST(Retention, RemovesOnlyAfterTheNewOneIsDurable) {
  const TempFolder state;
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {.keep = 2});
  save_steps(store, {1, 2});
  bool removing = false;
  files.set_observer([&](const Call& call) {
    if (call.operation != Operation::kRename || !call.target.filename().native().starts_with(".del-")) return;
    removing = true;
    EXPECT_THAT(files.unsynced(), IsEmpty());
    EXPECT_THAT(steps_in(state.path()), ElementsAre(3, 2, 1));
  });
  store.save(Sample(3).content());
  EXPECT_TRUE(removing);
  EXPECT_THAT(files.unsynced(), IsEmpty());
}

TEST(Retention, ReportsAFailedRemovalAndFinishesItAtTheNextSave) {
  const TempFolder state;
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {.keep = 2});
  save_steps(store, {1, 2});
  files.set_observer([&](const Call& call) {
    if (call.operation == Operation::kRename && call.target.filename().native().starts_with(".del-")) {
      files.set_fault({.code = EIO, .first_call = call.number + 2, .lasting = true});
    }
  });
  const SaveReport report = store.save(Sample(3).content());
  EXPECT_THAT(report.cleanup_error, HasSubstr("Input/output error"));
  EXPECT_GT(report.bytes, 0U);
  files.set_observer({});
  files.clear_fault();
  EXPECT_THAT(names_in(checkpoints_folder(state.path())),
              ElementsAre(".del-step-000000001", "step-000000002", "step-000000003"));
  store.save(Sample(4).content());
  EXPECT_THAT(names_in(checkpoints_folder(state.path())), ElementsAre("step-000000003", "step-000000004"));
}

/// Random lives of a run: saves, failing calls, dying processes, rotting bits, restarts.
TEST(Retention, NeverDropsBelowTwoGoodCheckpointsByItself) {
  constexpr uint64_t kSeed = 5;
  constexpr int kLives = 12;
  constexpr int kSaves = 8;
  Rng rng(kSeed);
  for (int life = 0; life < kLives; ++life) {
    const TempFolder state;
    uint64_t step = 0;
    size_t acknowledged = 0;
    for (int round = 0; round < kSaves; ++round) {
      FaultyFileSystem files;
      CheckpointStore store(files, state.path(), {.keep = 2 + rng.below(2)});
      store.newest_verified();
      if (rng.below(2) == 0) {
        files.set_fault({.code = ENOSPC,
                         .first_call = files.call_count() + 1 + rng.below(45),
                         .lasting = rng.below(2) == 0});
      }
      try {
        store.save(Sample(++step).content());
        ++acknowledged;
      } catch (const IoError&) {  // what is on disk is checked below, whatever happened
      }
      SCOPED_TRACE(fmt::format("seed {} life {} round {}", kSeed, life, round));
      const auto newest = find_newest_verified(state.path());
      ASSERT_GE(verified_count(state.path()), std::min<size_t>(acknowledged, 2));
      ASSERT_TRUE(!newest || holds_sample(*newest));
      if (acknowledged >= 2 && rng.below(5) == 0) {
        flip_bit(newest->folder / "loader.safetensors", rng.below(80), static_cast<int>(rng.below(8)));
        acknowledged = 1;  // at least one good one remains, and from here on two again after the next save
      }
    }
  }
}

}  // namespace
}  // namespace pretrain
