// SPDX-License-Identifier: Apache-2.0
#include "tests/support/crash_file_system.h"

#include <cerrno>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

using testing::IsSupersetOf;
using testing::Key;
using testing::Pair;
using testing::UnorderedElementsAre;

class CrashFileSystemTest : public testing::Test {
 protected:
  std::unique_ptr<WritableFile> written(const std::string& name, std::string_view content) {
    auto file = files_.create(folder_ / name);
    file->write(content);
    return file;
  }
  void write_synced(const std::string& name, std::string_view content) {
    written(name, content)->sync();
    files_.sync_folder(folder_.path());
  }
  std::set<Image> images(Loss loss) const {
    std::set<Image> found;
    for (uint64_t seed = 0; seed < 200; ++seed) found.insert(files_.after_crash(loss, seed));
    return found;
  }

  TempFolder folder_{memory_folder()};
  FaultyFileSystem below_;
  CrashFileSystem files_{below_, folder_.path()};
};

TEST_F(CrashFileSystemTest, LosesNothingThatWasSynced) {
  write_synced("a", "synced");
  EXPECT_FALSE(files_.has_unsynced());
  for (const Loss loss : {Loss::kNothing, Loss::kUnsynced, Loss::kRandomSubset, Loss::kTorn512,
                          Loss::kTorn4096, Loss::kRenamedFirst}) {
    EXPECT_THAT(images(loss), UnorderedElementsAre(Image{{"a", "synced"}}));
  }
}

TEST_F(CrashFileSystemTest, LosesTheNameOfASyncedFileWithoutASyncOfItsFolder) {
  written("a", "x")->sync();
  EXPECT_TRUE(files_.has_unsynced());
  EXPECT_THAT(images(Loss::kUnsynced), UnorderedElementsAre(Image{}));
  EXPECT_THAT(images(Loss::kRandomSubset), UnorderedElementsAre(Image{}, Image{{"a", "x"}}));
}

TEST_F(CrashFileSystemTest, LosesWhatWasWrittenAfterTheSync) {
  write_synced("a", "1");
  const auto file = files_.append(folder_ / "a", 1);
  file->write(std::string_view("2"));
  file->write(std::string_view("3"));
  EXPECT_THAT(images(Loss::kNothing), UnorderedElementsAre(Image{{"a", "123"}}));
  EXPECT_THAT(images(Loss::kUnsynced), UnorderedElementsAre(Image{{"a", "1"}}));
  const std::string hole{'1', '\0', '3'};
  EXPECT_THAT(images(Loss::kRandomSubset), UnorderedElementsAre(Image{{"a", "1"}}, Image{{"a", "12"}},
                                                                Image{{"a", hole}}, Image{{"a", "123"}}));
}

TEST_F(CrashFileSystemTest, LosesACutThatWasNotSynced) {
  write_synced("a", "123");
  files_.append(folder_ / "a", 1);
  EXPECT_THAT(images(Loss::kRandomSubset), UnorderedElementsAre(Image{{"a", "1"}}, Image{{"a", "123"}}));
}

TEST_F(CrashFileSystemTest, TearsWritesAtSectors) {
  written("a", std::string(600, 'x'));
  files_.sync_folder(folder_.path());
  const std::string zeros(512, '\0');
  const std::string head(512, 'x');
  const std::string tail(88, 'x');
  EXPECT_THAT(images(Loss::kTorn512),
              IsSupersetOf({Image{{"a", ""}}, Image{{"a", head}}, Image{{"a", zeros + tail}},
                            Image{{"a", head + std::string(88, '\0')}}, Image{{"a", head + tail}}}));
  EXPECT_THAT(images(Loss::kTorn4096),
              UnorderedElementsAre(Image{{"a", ""}}, Image{{"a", std::string(600, '\0')}},
                                   Image{{"a", head + tail}}));
}

TEST_F(CrashFileSystemTest, PersistsARenameBeforeTheData) {
  write_synced("a", "old");
  written("b", "new");
  files_.rename(folder_ / "b", folder_ / "a");
  EXPECT_THAT(images(Loss::kRenamedFirst),
              UnorderedElementsAre(Image{{"a", ""}}, Image{{"a", std::string(3, '\0')}}));
}

TEST_F(CrashFileSystemTest, PersistsTheRenameOfAFolderBeforeWhatItHolds) {
  files_.make_folder(folder_ / "t");
  written("t/a", "x")->sync();
  files_.rename(folder_ / "t", folder_ / "f");
  EXPECT_THAT(images(Loss::kRenamedFirst),
              UnorderedElementsAre(Image{{"f", {}}}, Image{{"f", {}}, {"f/a", "x"}}));
}

TEST_F(CrashFileSystemTest, RenamesBetweenFoldersWithoutLosingBothNames) {
  files_.make_folder(folder_ / "from");
  files_.make_folder(folder_ / "to");
  files_.sync_folder(folder_.path());
  written("from/a", "x")->sync();
  files_.sync_folder(folder_ / "from");
  files_.rename(folder_ / "from/a", folder_ / "to/a");
  const Image before{{"from", {}}, {"from/a", "x"}, {"to", {}}};
  const Image both{{"from", {}}, {"from/a", "x"}, {"to", {}}, {"to/a", "x"}};
  const Image after{{"from", {}}, {"to", {}}, {"to/a", "x"}};
  EXPECT_THAT(images(Loss::kRandomSubset), UnorderedElementsAre(before, both, after));
  files_.sync_folder(folder_ / "from");
  EXPECT_THAT(images(Loss::kUnsynced), UnorderedElementsAre(after));
}

TEST_F(CrashFileSystemTest, BringsBackARemovedFileUntilItsFolderIsSynced) {
  write_synced("a", "x");
  files_.remove_file(folder_ / "a");
  EXPECT_THAT(images(Loss::kUnsynced), UnorderedElementsAre(Image{{"a", "x"}}));
  files_.sync_folder(folder_.path());
  EXPECT_THAT(images(Loss::kUnsynced), UnorderedElementsAre(Image{}));
}

TEST_F(CrashFileSystemTest, NeverSyncsWhatAFailedSyncLeft) {
  const auto file = written("a", "lost");
  below_.set_fault({.code = EIO, .first_call = below_.call_count() + 1});
  EXPECT_THROW(file->sync(), IoError);
  file->sync();
  files_.sync_folder(folder_.path());
  EXPECT_THAT(images(Loss::kUnsynced), UnorderedElementsAre(Image{{"a", ""}}));
}

TEST_F(CrashFileSystemTest, CountsTheHalfOfAFailedWriteAsUnsynced) {
  below_.set_fault({.kind = Fault::Kind::kShortWrite, .code = ENOSPC, .first_call = 2});
  const auto file = files_.create(folder_ / "a");
  EXPECT_THROW(file->write(std::string_view("1234")), IoError);
  EXPECT_THAT(images(Loss::kNothing), UnorderedElementsAre(Image{{"a", "12"}}));
}

TEST_F(CrashFileSystemTest, HasNoEffectWhereACallFails) {
  write_synced("a", "x");
  below_.set_fault({.code = EIO, .first_call = below_.call_count() + 1, .lasting = true});
  EXPECT_THROW(files_.rename(folder_ / "a", folder_ / "b"), IoError);
  EXPECT_THROW(files_.remove_file(folder_ / "a"), IoError);
  EXPECT_THROW(files_.create(folder_ / "c"), IoError);
  EXPECT_THROW(files_.make_folder(folder_ / "d"), IoError);
  EXPECT_THAT(images(Loss::kNothing), UnorderedElementsAre(Image{{"a", "x"}}));
}

TEST_F(CrashFileSystemTest, LeavesTheFolderAsTheDeviceHeldIt) {
  write_synced("a", "x");
  written("b", "y");
  files_.crash(Loss::kUnsynced, 0);
  EXPECT_THAT(read_image(folder_.path()), UnorderedElementsAre(Pair("a", "x")));
  EXPECT_FALSE(files_.has_unsynced());
  written("c", "z");
  files_.crash(Loss::kNothing, 0);
  EXPECT_THAT(read_image(folder_.path()), UnorderedElementsAre(Key("a"), Key("c")));
  EXPECT_TRUE(files_.has_unsynced());
}

}  // namespace
}  // namespace pretrain::test
