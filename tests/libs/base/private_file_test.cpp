// SPDX-License-Identifier: Apache-2.0
#include "libs/base/private_file.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;

mode_t mode_of(const Path& path) {
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

/// Sets the umask for its lifetime.
class Umask {
 public:
  explicit Umask(mode_t mask) : before_(umask(mask)) {}
  ~Umask() { umask(before_); }
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;

 private:
  mode_t before_;
};

TEST(PrivateFile, CanBeReadByItsOwnerAlone) {
  const TempFolder folder;
  const Umask open(0);
  write_private_file(folder / "token", "secret");
  EXPECT_EQ(mode_of(folder / "token"), 0600U);
  EXPECT_EQ(read_file(folder / "token"), "secret");
  EXPECT_FALSE(others_may_read(folder / "token"));
  EXPECT_THROW(write_private_file(folder / "token", "other"), IoError) << "an existing file stays";
  EXPECT_EQ(read_file(folder / "token"), "secret");
}

/// Limits the size of files that this process writes, for its lifetime, as a full disk would.
class NoRoom {
 public:
  NoRoom() : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit none{.rlim_cur = 3, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &none);
  }
  ~NoRoom() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }
  NoRoom(const NoRoom&) = delete;
  NoRoom& operator=(const NoRoom&) = delete;

 private:
  rlimit before_{};
  void (*signal_)(int);
};

TEST(PrivateFile, IsLeftWholeOrNotAtAll) {
  const TempFolder folder;
  {
    const NoRoom limit;
    EXPECT_THROW(write_private_file(folder / "token", "secret"), IoError);
  }
  EXPECT_TRUE(list_folder(folder.path()).empty()) << "a part of a secret would be taken for one";
  write_private_file(folder / "token", "secret");
  EXPECT_EQ(read_file(folder / "token"), "secret");
}

TEST(PrivateFile, IsToldFromOneThatOthersMayRead) {
  const TempFolder folder;
  folder.write("token", "secret");
  for (const mode_t mode : {0640U, 0604U, 0644U}) {
    ASSERT_EQ(chmod((folder / "token").c_str(), mode), 0);
    EXPECT_TRUE(others_may_read(folder / "token"));
  }
  EXPECT_THROW(others_may_read(folder / "absent"), IoError);
}

TEST(PublicFile, CanBeReadByEverybodyWhateverTheUmask) {
  const TempFolder folder;
  const Umask closed(0077);
  write_public_file(folder / "run.prom", "one");
  write_public_file(folder / "run.prom", "two");
  EXPECT_EQ(mode_of(folder / "run.prom"), 0644U);
  EXPECT_EQ(read_file(folder / "run.prom"), "two");
  EXPECT_EQ(list_folder(folder.path()).size(), 1U) << "nothing else is left";
}

TEST(PublicFile, ReplacesWhatAKilledProcessLeft) {
  const TempFolder folder;
  folder.write("run.prom.new", "half");
  write_public_file(folder / "run.prom", "whole");
  EXPECT_EQ(read_file(folder / "run.prom"), "whole");
  EXPECT_FALSE(file_exists(folder / "run.prom.new"));
}

TEST(PublicFile, ReportsAFolderThatIsNotThere) {
  const TempFolder folder;
  EXPECT_THROW(write_public_file(folder / "nowhere/run.prom", "x"), IoError);
}

}  // namespace
}  // namespace pretrain
