// SPDX-License-Identifier: Apache-2.0
#include "tests/support/faulty_file_system.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(FaultyFileSystem, FailsExactlyTheCallItIsToldTo) {
  const TempFolder folder;
  FaultyFileSystem files;
  files.set_fault({.code = EDQUOT, .first_call = 2});
  files.make_folder(folder / "a");
  try {
    files.make_folder(folder / "b");
    ADD_FAILURE() << "the second call succeeded";
  } catch (const IoError& error) {
    EXPECT_EQ(error.code(), EDQUOT);
  }
  files.make_folder(folder / "c");
  EXPECT_FALSE(folder_exists(folder / "b"));
  EXPECT_TRUE(folder_exists(folder / "c"));
  EXPECT_EQ(files.call_count(), 3U);
  EXPECT_TRUE(files.calls()[1].failed);
}

TEST(FaultyFileSystem, FailsEveryLaterCallOfALastingFault) {
  const TempFolder folder;
  FaultyFileSystem files;
  files.set_fault({.code = EIO, .first_call = 1, .lasting = true});
  EXPECT_THROW(files.make_folder(folder / "a"), IoError);
  EXPECT_THROW(files.make_folder(folder / "a"), IoError);
  files.clear_fault();
  EXPECT_NO_THROW(files.make_folder(folder / "a"));
}

TEST(FaultyFileSystem, LeavesHalfOfAShortWrite) {
  const TempFolder folder;
  FaultyFileSystem files;
  files.set_fault({.kind = Fault::Kind::kShortWrite, .code = ENOSPC, .first_call = 2});
  const auto file = files.create(folder / "a");
  EXPECT_THROW(file->write(std::string_view("12345678")), IoError);
  EXPECT_EQ(read_file(folder / "a"), "1234");
}

TEST(FaultyFileSystem, CorruptsOneBitOfAWrite) {
  const TempFolder folder;
  FaultyFileSystem files;
  files.set_fault({.kind = Fault::Kind::kCorrupt, .first_call = 2});
  files.create(folder / "a")->write(std::string_view("000"));
  EXPECT_EQ(read_file(folder / "a"), "010");
}

TEST(FaultyFileSystem, KnowsWhatIsNotSynced) {
  const TempFolder folder;
  FaultyFileSystem files;
  const auto file = files.create(folder / "a");
  file->write(std::string_view("x"));
  EXPECT_THAT(files.unsynced(), UnorderedElementsAre(folder.path(), folder / "a"));
  files.sync_folder(folder.path());
  files.rename(folder / "a", folder / "b");
  EXPECT_THAT(files.unsynced(), UnorderedElementsAre(folder.path(), folder / "b"));
  files.remove_file(folder / "b");
  files.sync_folder(folder.path());
  EXPECT_THAT(files.unsynced(), IsEmpty());
}

TEST(FaultyFileSystem, ShowsEachCallBeforeItHappens) {
  const TempFolder folder;
  FaultyFileSystem files;
  std::vector<bool> existed;
  files.set_observer([&](const Call& call) { existed.push_back(folder_exists(call.path)); });
  files.make_folder(folder / "a");
  files.remove_folder(folder / "a");
  EXPECT_THAT(existed, ElementsAre(false, true));
}

}  // namespace
}  // namespace pretrain::test
