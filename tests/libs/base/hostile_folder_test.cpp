// SPDX-License-Identifier: Apache-2.0
// What others put into a folder in place of the program's files: links, FIFOs, folders. Nothing is written
// through them, nothing outside is removed, and nothing waits.

#include <cerrno>
#include <filesystem>
#include <functional>
#include <string>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "libs/base/file.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;
using testing::AllOf;
using testing::HasSubstr;

std::string io_error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const IoError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "no error";
}

void expect_to_refuse_all_but_files(const TempFolder& folder, const std::function<void(const Path&)>& open) {
  folder.write("victim", "precious");
  std::filesystem::create_symlink("victim", folder / "link");
  std::filesystem::create_symlink("absent", folder / "dangling");
  std::filesystem::create_directory(folder / "folder");
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  for (const char* name : {"link", "dangling"}) {
    EXPECT_THAT(io_error_of([&] { open(folder / name); }),
                AllOf(HasSubstr(name), HasSubstr("is a symbolic link")));
  }
  EXPECT_THAT(io_error_of([&] { open(folder / "folder"); }), HasSubstr("folder"));
  EXPECT_THAT(io_error_of([&] { open(folder / "fifo"); }), HasSubstr("fifo"));
  EXPECT_EQ(read_file(folder / "victim"), "precious");
  EXPECT_FALSE(file_exists(folder / "absent"));
}

TEST(HostileFolder, GivesNoLinkFifoOrFolderToAppendTo) {
  const TempFolder folder;
  expect_to_refuse_all_but_files(folder, [](const Path& path) { real_file_system().append(path, 2); });
  EXPECT_THAT(io_error_of([] { real_file_system().append("/dev/null", 0); }),
              HasSubstr("not a regular file"));
}

TEST(HostileFolder, GivesNoLinkFifoOrFolderToLock) {
  const TempFolder folder;
  expect_to_refuse_all_but_files(folder, [](const Path& path) { FileLock::try_acquire(path); });
}

TEST(HostileFolder, GivesNoLinkFifoOrFolderToReadWhenLinksAreRefused) {
  const TempFolder folder;
  expect_to_refuse_all_but_files(folder, [](const Path& path) { ReadableFile(path, Links::kRefuse); });
  EXPECT_EQ(ReadableFile(folder / "link").size(), 8U) << "links that the user made are followed";
}

TEST(HostileFolder, RefusesAFifoWithAReaderAtOnceToo) {
  const TempFolder folder;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  const Descriptor reader(open((folder / "fifo").c_str(), O_RDONLY | O_NONBLOCK));
  ASSERT_TRUE(reader);
  EXPECT_THAT(io_error_of([&] { real_file_system().append(folder / "fifo", 0); }),
              HasSubstr("not a regular file"));
}

TEST(HostileFolder, LeavesTheOtherNamesOfAHardLinkedFileAlone) {
  const TempFolder folder;
  folder.write("backup", "precious");
  std::filesystem::create_hard_link(folder / "backup", folder / "metrics.jsonl");
  EXPECT_THAT(io_error_of([&] { real_file_system().append(folder / "metrics.jsonl", 2); }),
              HasSubstr("several hard links"));
  EXPECT_EQ(read_file(folder / "backup"), "precious");
  std::filesystem::remove(folder / "backup");
  real_file_system().append(folder / "metrics.jsonl", 2);
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), "pr");
}

TEST(HostileFolder, WritesAtomicallyOverALinkAndNotThroughIt) {
  const TempFolder folder;
  folder.write("victim", "precious");
  std::filesystem::create_symlink("victim", folder / "file");
  std::filesystem::create_symlink("victim", folder / ".file.tmp");
  write_file_atomically(real_file_system(), folder / "file", "new");
  EXPECT_EQ(read_file(folder / "file"), "new");
  EXPECT_EQ(read_file(folder / "victim"), "precious");
}

/// Before the first removal inside of a folder, puts a link to another folder in its place.
class SwappingFolders : public test::FaultyFileSystem {
 public:
  SwappingFolders(const Path& doomed, const Path& target) : doomed_(doomed), target_(target) {}

  void remove_file_in(const OpenFolder& folder, const std::string& name) override {
    if (!swapped_ && folder.path() == doomed_) {
      std::filesystem::rename(doomed_, doomed_.string() + ".moved");
      std::filesystem::create_directory_symlink(target_, doomed_);
      swapped_ = true;
    }
    real_file_system().remove_file_in(folder, name);
  }
  void remove_folder_in(const OpenFolder& folder, const std::string& name) override {
    real_file_system().remove_folder_in(folder, name);
  }

 private:
  Path doomed_;
  Path target_;
  bool swapped_ = false;
};

TEST(HostileFolder, LosesNothingBehindALinkThatAppearsDuringARemoval) {
  const TempFolder folder;
  folder.write("doomed/inner/a", "x");
  folder.write("doomed/inner/b", "x");
  folder.write("victim/a", "precious");
  folder.write("victim/b", "precious");
  SwappingFolders files(folder / "doomed/inner", folder / "victim");
  EXPECT_THROW(remove_tree(files, folder / "doomed"), IoError);
  EXPECT_EQ(read_file(folder / "victim/a"), "precious");
  EXPECT_EQ(read_file(folder / "victim/b"), "precious");
}

TEST(HostileFolder, RefusesToRemoveATreeOfAnyDepthButKeepsGoingElsewhere) {
  const TempFolder folder;
  Path deep = folder / "deep";
  for (int level = 0; level < 200; ++level) deep /= "d";
  std::filesystem::create_directories(deep);
  EXPECT_THAT(io_error_of([&] { remove_tree(real_file_system(), folder / "deep"); }),
              AllOf(HasSubstr("nested too deeply"), HasSubstr("by hand")));
}

TEST(HostileFolder, RemovesAFifoAndALinkInPlaceOfAFolder) {
  const TempFolder folder;
  folder.write("victim/file", "precious");
  std::filesystem::create_directory_symlink(folder / "victim", folder / "link");
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  remove_tree(real_file_system(), folder / "link/");
  remove_tree(real_file_system(), folder / "fifo");
  EXPECT_FALSE(folder_exists(folder / "link"));
  EXPECT_EQ(read_file(folder / "victim/file"), "precious");
}

}  // namespace
}  // namespace pretrain
