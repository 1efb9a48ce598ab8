// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <set>

#include <gmock/gmock.h>

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
using testing::UnorderedElementsAre;

void save_steps(const Path& state, const std::vector<uint64_t>& steps) {
  FaultyFileSystem files;
  CheckpointStore store(files, state, {.keep = 2});
  for (const uint64_t step : steps) store.save(Sample(step).content());
}

struct NamedFault {
  const char* name;
  Fault fault;
};

/// No sync of a file after one that failed, unless it was created again.
void expect_no_retried_sync(const std::vector<Call>& calls) {
  std::set<Path> failed;
  for (const Call& call : calls) {
    if (call.operation == Operation::kCreate) failed.erase(call.path);
    if (call.operation != Operation::kSync) continue;
    EXPECT_FALSE(failed.contains(call.path)) << call.path;
    if (call.failed) failed.insert(call.path);
  }
}

size_t open_descriptors() {
  return list_folder("/proc/self/fd").size();
}

class SaveWithAFailingCall : public testing::TestWithParam<NamedFault> {
 protected:
  /// One save with the fault at its n-th call, on a store that lives on. True when the fault never came.
  bool save_with_fault(CheckpointStore& store, FaultyFileSystem& files, uint64_t step, uint64_t nth) {
    Fault fault = GetParam().fault;
    fault.first_call = files.call_count() + nth;
    files.set_fault(fault);
    int sources_read = 0;
    try {
      store.save(Sample(step).content(), [&] { ++sources_read; });
    } catch (const IoError& error) {
      EXPECT_EQ(error.code(), fault.code);
    }
    files.clear_fault();
    EXPECT_EQ(sources_read, 1);
    expect_no_retried_sync(files.calls());
    return files.call_count() < fault.first_call;
  }

  void expect_good(uint64_t at_least) {
    const auto newest = find_newest_verified(state_.path());
    ASSERT_TRUE(newest);
    EXPECT_GE(newest->step, at_least);
    EXPECT_TRUE(holds_sample(*newest));
  }

  void expect_nothing_leaked() {
    for (const std::string& name : names_in(checkpoints_folder(state_.path()))) {
      EXPECT_TRUE(checkpoint_step(name)) << name << " was left over";
    }
  }

  TempFolder state_{memory_folder()};
  std::set<Operation> failed_;
};

TEST_P(SaveWithAFailingCall, KeepsTheLastGoodCheckpointAndTheNextSaveSucceeds) {
  save_steps(state_.path(), {1, 2});
  FaultyFileSystem files;
  CheckpointStore store(files, state_.path(), {.keep = 2});
  const size_t descriptors = open_descriptors();
  uint64_t last = 2;
  bool undisturbed = false;
  for (uint64_t nth = 1; !undisturbed; ++nth) {
    SCOPED_TRACE(nth);
    undisturbed = save_with_fault(store, files, last + 1, nth);
    expect_good(last);
    EXPECT_EQ(open_descriptors(), descriptors);

    last += 2;
    EXPECT_EQ(store.save(Sample(last).content()).cleanup_error, "");
    expect_nothing_leaked();
    EXPECT_EQ(open_descriptors(), descriptors);
    EXPECT_EQ(store.newest_verified()->step, last);
    EXPECT_EQ(store.list().size(), 2U);
    EXPECT_THAT(files.unsynced(), IsEmpty());
  }
  for (const Call& call : files.calls()) {
    if (call.failed) failed_.insert(call.operation);
  }
  using enum Operation;
  EXPECT_THAT(failed_, UnorderedElementsAre(kCreate, kWrite, kAllocate, kSync, kClose, kMakeFolder, kRename,
                                            kSyncFolder, kRemoveFile, kRemoveFolder));
}

TEST_P(SaveWithAFailingCall, IsFollowedByAGoodStart) {
  save_steps(state_.path(), {1, 2});
  uint64_t last = 2;
  bool undisturbed = false;
  for (uint64_t nth = 1; !undisturbed; ++nth) {
    SCOPED_TRACE(nth);
    {
      FaultyFileSystem files;
      CheckpointStore store(files, state_.path(), {.keep = 2});
      undisturbed = save_with_fault(store, files, last + 1, nth);
    }
    expect_good(last);
    FaultyFileSystem files;
    CheckpointStore store(files, state_.path(), {.keep = 2});
    expect_nothing_leaked();
    last += 2;
    store.save(Sample(last).content());
    EXPECT_EQ(store.newest_verified()->step, last);
  }
}

INSTANTIATE_TEST_SUITE_P(
    EachError, SaveWithAFailingCall,
    testing::Values(NamedFault{"IoError", {.code = EIO}}, NamedFault{"FullDisk", {.code = ENOSPC}},
                    NamedFault{"Quota", {.code = EDQUOT}},
                    // Only a lower layer that gave up retrying would hand this on.
                    NamedFault{"Interrupted", {.code = EINTR}},
                    NamedFault{"FullDiskAfterAShortWrite",
                               {.kind = Fault::Kind::kShortWrite, .code = ENOSPC}},
                    NamedFault{"QuotaAfterAShortWrite", {.kind = Fault::Kind::kShortWrite, .code = EDQUOT}},
                    NamedFault{"DeadDiskOrProcess", {.code = EIO, .lasting = true}}),
    [](const auto& test) { return test.param.name; });

TEST(InterruptedSave, LeavesAGoodCheckpointAtEveryInstant) {
  const TempFolder state;
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {.keep = 2});
  for (const uint64_t step : {1, 2}) store.save(Sample(step).content());
  uint64_t last = 2;
  files.set_observer([&](const Call& call) {
    const auto newest = find_newest_verified(state.path());
    ASSERT_TRUE(newest) << call.number;
    EXPECT_GE(newest->step, last) << call.number;
    EXPECT_TRUE(holds_sample(*newest)) << call.number;
    last = newest->step;
  });
  store.save(Sample(3).content());
  EXPECT_EQ(last, 3U);
}

TEST(FailingSave, RemovesItsTemporaryFolderAtOnce) {
  const TempFolder state;
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {.keep = 2});
  files.set_fault({.code = ENOSPC, .first_call = files.call_count() + 6});
  EXPECT_THROW(store.save(Sample(1).content()), IoError);
  EXPECT_THAT(names_in(checkpoints_folder(state.path())), IsEmpty());
  EXPECT_NO_THROW(store.save(Sample(1).content()));
}

TEST(FailingSave, LeavesNoNameBehindThatIsNotDurable) {
  const TempFolder state;
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {.keep = 2});
  files.set_observer([&](const Call& call) {
    if (call.operation != Operation::kRename) return;
    files.set_observer({});
    files.set_fault({.code = EIO, .first_call = call.number + 1});
  });
  EXPECT_THROW(store.save(Sample(1).content()), IoError);
  EXPECT_THAT(names_in(checkpoints_folder(state.path())), IsEmpty());
}

TEST(CorruptingDisk, IsNoticedBeforeTheCheckpointCounts) {
  uint64_t corrupted = 0;
  for (uint64_t nth = 1; nth < 40; ++nth) {
    const TempFolder state;
    FaultyFileSystem files;
    CheckpointStore store(files, state.path(), {.keep = 2});
    files.set_fault({.kind = Fault::Kind::kCorrupt, .first_call = files.call_count() + nth});
    try {
      store.save(Sample(1).content());
      EXPECT_TRUE(holds_sample(*find_newest_verified(state.path())));  // the call was not a write
    } catch (const Error& error) {
      ++corrupted;
      EXPECT_THAT(error.what(), HasSubstr("reads back different bytes"));
      EXPECT_THAT(names_in(checkpoints_folder(state.path())), IsEmpty());
    }
  }
  EXPECT_GE(corrupted, 6U);  // two pieces of each tensor file, the configuration, the manifest
}

TEST(FailingSettingAside, IsRepeatedAtTheNextStart) {
  const TempFolder state;
  save_steps(state.path(), {1, 2});
  flip_bit(checkpoints_folder(state.path()) / checkpoint_name(2) / "config.json", 0, 0);
  FaultyFileSystem files;
  CheckpointStore store(files, state.path(), {.keep = 2});
  files.set_fault({.code = EIO, .first_call = files.call_count() + 1});
  EXPECT_THROW(store.newest_verified(), IoError);
  EXPECT_EQ(store.newest_verified()->step, 1U);
  EXPECT_THAT(names_in(checkpoints_folder(state.path())),
              ElementsAre("damaged-step-000000002", "step-000000001"));
}

}  // namespace
}  // namespace pretrain
