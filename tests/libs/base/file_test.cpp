// SPDX-License-Identifier: Apache-2.0
#include "libs/base/file.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libs/base/units.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::FaultyFileSystem;
using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <typename Action>
IoError io_error_of(Action action) {
  try {
    action();
  } catch (const IoError& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return IoError(ErrorKind::kRuntime, "no error", 0);
}

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const FolderEntry& entry : list_folder(folder)) names.push_back(entry.name);
  return names;
}

TEST(RealFileSystem, CreatesWritesAndReadsBack) {
  const TempFolder folder;
  const auto file = real_file_system().create(folder / "a");
  file->allocate(1_MiB);
  file->write("one ");
  file->write("two");
  file->sync();
  file->close();
  EXPECT_EQ(read_file(folder / "a"), "one two");  // what was reserved beyond it is not content
}

TEST(RealFileSystem, RefusesToCreateOverAnExistingFile) {
  const TempFolder folder;
  folder.write("a", "old");
  EXPECT_EQ(io_error_of([&] { real_file_system().create(folder / "a"); }).code(), EEXIST);
  EXPECT_EQ(read_file(folder / "a"), "old");
}

TEST(RealFileSystem, AppendsAfterCutting) {
  const TempFolder folder;
  folder.write("log", "keep|cut");
  const auto append = [&](uint64_t keep_bytes, std::string_view text) {
    const auto file = real_file_system().append(folder / "log", keep_bytes);
    file->write(text);
    file->close();
  };
  append(4, "+new");
  EXPECT_EQ(read_file(folder / "log"), "keep+new");
  append(1000, "!");
  EXPECT_EQ(read_file(folder / "log"), "keep+new!");
}

TEST(RealFileSystem, NamesTheOperationThePathAndTheReason) {
  const auto file = writable_file("/dev/full", Descriptor(open("/dev/full", O_WRONLY | O_CLOEXEC)));
  const IoError error = io_error_of([&] { file->write("x"); });
  EXPECT_EQ(error.code(), ENOSPC);
  EXPECT_STREQ(error.what(), "cannot write /dev/full: No space left on device");
  EXPECT_EQ(error.exit_code(), 1);
}

TEST(RealFileSystem, AcceptsAnExistingFolderButNotAFileInItsPlace) {
  const TempFolder folder;
  real_file_system().make_folder(folder / "sub");
  EXPECT_NO_THROW(real_file_system().make_folder(folder / "sub"));
  folder.write("file", "");
  EXPECT_EQ(io_error_of([&] { real_file_system().make_folder(folder / "file"); }).code(), EEXIST);
}

TEST(RealFileSystem, RefusesToRenameOverAFilledFolder) {
  const TempFolder folder;
  folder.write("from/a", "1");
  folder.write("to/b", "2");
  EXPECT_EQ(io_error_of([&] { real_file_system().rename(folder / "from", folder / "to"); }).code(),
            ENOTEMPTY);
}

std::atomic<int> signals_handled{0};

/// A handler that interrupts system calls instead of restarting them.
class InterruptingSignal {
 public:
  InterruptingSignal() {
    struct sigaction action {};
    action.sa_handler = [](int) { ++signals_handled; };
    sigaction(SIGUSR2, &action, &before_);
    signals_handled = 0;
  }
  ~InterruptingSignal() { sigaction(SIGUSR2, &before_, nullptr); }
  InterruptingSignal(const InterruptingSignal&) = delete;
  InterruptingSignal& operator=(const InterruptingSignal&) = delete;

 private:
  struct sigaction before_ {};
};

/// A call that runs in a thread and is interrupted whenever it sleeps in the kernel.
class InterruptedCall {
 public:
  explicit InterruptedCall(std::function<void()> call)
      : thread_([this, call = std::move(call)] {
          thread_id_ = gettid();
          result_ = io_error_code(call);
          done_ = true;
        }) {}
  ~InterruptedCall() { thread_.join(); }

  /// False when the call ended instead.
  bool interrupt() {
    if (!wait_until_it_sleeps()) return false;
    const int before = signals_handled;
    pthread_kill(thread_.native_handle(), SIGUSR2);
    while (signals_handled == before && !done_) std::this_thread::yield();
    return true;
  }
  /// Its errno, or 0.
  int result() {
    while (!done_) std::this_thread::yield();
    return result_;
  }

 private:
  static int io_error_code(const std::function<void()>& call) {
    try {
      call();
      return 0;
    } catch (const IoError& error) {
      return error.code();
    }
  }

  bool wait_until_it_sleeps() const {
    while (!done_) {
      if (thread_id_ == 0) continue;
      const auto status = read_file_if_exists(fmt::format("/proc/self/task/{}/stat", thread_id_.load()));
      if (status && status->find(") S ") != std::string::npos) return true;
    }
    return false;
  }

  std::atomic<pid_t> thread_id_{0};
  std::atomic<bool> done_{false};
  int result_ = 0;
  std::thread thread_;
};

/// A FIFO is the one file whose write sleeps where a signal reaches it.
TEST(RealFileSystem, GoesOnAfterInterruptedCallsAndShortWrites) {
  const TempFolder folder;
  const InterruptingSignal signal;
  const Path path = folder / "fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::string content(1 << 20, '\0');  // many times what a pipe holds
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 >> 3);

  // For both ways, so that opening waits for nobody.
  Descriptor both(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  const Descriptor reader(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  Descriptor writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(both && reader && writer);
  both.reset();
  InterruptedCall call([&] {
    const auto file = writable_file(path, std::move(writer));
    file->write(content);
    file->close();
  });
  std::string read;
  std::string piece(40'000, '\0');
  while (read.size() < content.size()) {
    call.interrupt();  // a part was taken: a short write
    call.interrupt();  // nothing was taken since: EINTR
    const ssize_t n = ::read(reader.get(), piece.data(), piece.size());
    if (n <= 0) break;
    read.append(piece, 0, static_cast<size_t>(n));
  }
  EXPECT_EQ(call.result(), 0);
  EXPECT_TRUE(read == content);
  EXPECT_GT(signals_handled, 10);
}

TEST(RealFileSystem, WritesWhatFitsAndThenTellsWhyNotTheRest) {
  const TempFolder folder;
  const auto file = real_file_system().create(folder / "a");
  struct rlimit before {};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit limit { .rlim_cur = 5, .rlim_max = before.rlim_max };
  setrlimit(RLIMIT_FSIZE, &limit);
  const IoError error = io_error_of([&] { file->write(std::string_view("12345678")); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(error.code(), EFBIG);
  EXPECT_EQ(read_file(folder / "a"), "12345");
}

TEST(WriteFileAtomically, ReplacesTheContentAndSyncsEverything) {
  const TempFolder folder;
  folder.write("a", "old");
  FaultyFileSystem files;
  write_file_atomically(files, folder / "a", "new");
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
  EXPECT_THAT(files.unsynced(), IsEmpty());
}

TEST(WriteFileAtomically, LeavesOldOrNewContentAndNoOtherFileWhenACallFails) {
  const TempFolder folder;
  const Path path = folder / "a";
  bool succeeded = false;
  for (uint64_t call = 1; !succeeded; ++call) {
    folder.write("a", "old");
    FaultyFileSystem files;
    files.set_fault({.kind = test::Fault::Kind::kShortWrite, .code = ENOSPC, .first_call = call});
    try {
      write_file_atomically(files, path, "new content");
      succeeded = true;
    } catch (const IoError& error) {
      EXPECT_EQ(error.code(), ENOSPC);
      EXPECT_THAT(read_file(path), testing::AnyOf("old", "new content")) << call;
    }
    EXPECT_THAT(names_in(folder.path()), ElementsAre("a")) << call;
  }
  EXPECT_EQ(read_file(path), "new content");
}

TEST(WriteFileAtomically, OverwritesWhatAKilledProcessLeft) {
  const TempFolder folder;
  FaultyFileSystem files;
  files.set_fault({.code = EIO, .first_call = 3, .lasting = true});
  EXPECT_THROW(write_file_atomically(files, folder / "a", "lost"), IoError);
  EXPECT_EQ(names_in(folder.path()).size(), 1U);
  write_file_atomically(real_file_system(), folder / "a", "kept");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(RemoveTree, RemovesEverythingBelowButFollowsNoLinks) {
  const TempFolder folder;
  folder.write("doomed/deep/er/file", "x");
  folder.write("kept/file", "x");
  std::filesystem::create_directory_symlink(folder / "kept", folder / "doomed/link");
  FaultyFileSystem files;
  remove_tree(files, folder / "doomed");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("kept"));
  EXPECT_TRUE(file_exists(folder / "kept/file"));
  EXPECT_THAT(files.unsynced(), IsEmpty());
  EXPECT_NO_THROW(remove_tree(files, folder / "doomed"));
}

TEST(MakeFolders, CreatesAllParentsDurably) {
  const TempFolder folder;
  FaultyFileSystem files;
  make_folders(files, folder / "a/b/c");
  EXPECT_TRUE(folder_exists(folder / "a/b/c"));
  EXPECT_THAT(files.unsynced(), IsEmpty());
  folder.write("a/b/c/file", "");  // so c was finished
  const uint64_t calls = files.call_count();
  make_folders(files, folder / "a/b/c");
  EXPECT_EQ(files.call_count(), calls);
}

TEST(MakeFolders, MakesDurableWhatAFailedAttemptLeft) {
  const TempFolder folder;
  for (uint64_t call = 1; call <= 4; ++call) {  // two folders, two syncs
    const Path path = folder / std::to_string(call) / "b";
    FaultyFileSystem files;
    files.set_fault({.code = EIO, .first_call = call});
    EXPECT_EQ(io_error_of([&] { make_folders(files, path); }).code(), EIO);
    make_folders(files, path);
    EXPECT_TRUE(folder_exists(path));
    EXPECT_THAT(files.unsynced(), IsEmpty()) << call;
  }
}

TEST(MakeFolders, AcceptsAFolderInAPlaceThatItMayNotSync) {
  const TempFolder folder;
  FaultyFileSystem files;
  make_folders(files, folder / "a");
  files.set_fault({.code = EACCES, .first_call = files.call_count() + 1});
  EXPECT_NO_THROW(make_folders(files, folder / "a"));
  files.set_fault({.code = EIO, .first_call = files.call_count() + 1});
  EXPECT_EQ(io_error_of([&] { make_folders(files, folder / "a"); }).code(), EIO);
}

TEST(ReadableFile, ReadsAtAnyOffsetAndStopsAtTheEnd) {
  const TempFolder folder;
  const ReadableFile file(folder.write("a", "0123456789"));
  std::array<char, 4> buffer{};
  const auto bytes = std::as_writable_bytes(std::span(buffer));
  EXPECT_EQ(file.size(), 10U);
  EXPECT_EQ(file.read_at(3, bytes), 4U);
  EXPECT_EQ(std::string_view(buffer.data(), 4), "3456");
  EXPECT_EQ(file.read_at(8, bytes), 2U);
  EXPECT_EQ(file.read_at(10, bytes), 0U);
  EXPECT_EQ(file.read_at(1000, bytes), 0U);
  file.drop_cache();
  EXPECT_EQ(file.read_at(0, bytes), 4U);
}

TEST(ReadableFile, RefusesWhatIsNoRegularFileWithoutBlocking) {
  const TempFolder folder;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(io_error_of([&] { ReadableFile(folder / "fifo"); }).what(), HasSubstr("not a regular file"));
  EXPECT_THAT(io_error_of([&] { ReadableFile(folder.path()); }).what(), HasSubstr("it is a folder"));
  EXPECT_THROW(ReadableFile("/dev/zero"), IoError);
  EXPECT_EQ(io_error_of([&] { ReadableFile(folder / "absent"); }).code(), ENOENT);
}

TEST(ReadableFile, MovesItsFile) {
  const TempFolder folder;
  ReadableFile first(folder.write("a", "A"));
  ReadableFile second(folder.write("b", "BB"));
  first = std::move(second);
  EXPECT_EQ(first.size(), 2U);
  EXPECT_EQ(first.path(), folder / "b");
}

TEST(ReadFile, ReadsFilesThatTellNoSize) {
  EXPECT_THAT(read_file("/proc/self/status"), HasSubstr("VmRSS:"));
}

TEST(ReadFile, RefusesWhatIsLargerThanTheLimit) {
  const TempFolder folder;
  const Path path = folder.write("a", std::string(100, 'x'));
  EXPECT_EQ(read_file(path, 100).size(), 100U);
  EXPECT_EQ(io_error_of([&] { read_file(path, 99); }).code(), EFBIG);
  EXPECT_EQ(io_error_of([&] { read_file("/proc/self/status", 10); }).code(), EFBIG);
}

TEST(ReadFileIfExists, TellsAbsentFromEmpty) {
  const TempFolder folder;
  EXPECT_EQ(read_file_if_exists(folder.write("empty", "")), "");
  EXPECT_EQ(read_file_if_exists(folder / "absent"), std::nullopt);
  EXPECT_EQ(read_file_if_exists(folder / "empty" / "below"), std::nullopt);
}

TEST(ListFolder, SortsAndFollowsLinks) {
  const TempFolder folder;
  folder.write("b", "12345");
  folder.write("a/inner", "");
  std::filesystem::create_symlink(folder / "b", folder / "to_file");
  std::filesystem::create_directory_symlink(folder / "a", folder / "to_folder");
  std::filesystem::create_symlink(folder / "nowhere", folder / "broken");
  const auto entries = list_folder(folder.path());
  ASSERT_EQ(entries.size(), 5U);
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a", "b", "broken", "to_file", "to_folder"));
  EXPECT_TRUE(entries[0].is_folder);
  EXPECT_EQ(entries[1].size_bytes, 5U);
  EXPECT_FALSE(entries[2].is_folder || entries[2].is_regular);
  EXPECT_TRUE(entries[3].is_regular && entries[3].is_link);
  EXPECT_TRUE(entries[4].is_folder && entries[4].is_link);
}

TEST(Existence, TellsFilesFromFolders) {
  const TempFolder folder;
  folder.write("a", "");
  EXPECT_TRUE(file_exists(folder / "a"));
  EXPECT_FALSE(folder_exists(folder / "a"));
  EXPECT_TRUE(folder_exists(folder.path()));
  EXPECT_FALSE(file_exists(folder.path()));
  EXPECT_FALSE(file_exists(folder / "absent"));
}

TEST(FreeDiskBytes, LooksAtTheNearestExistingAncestor) {
  const TempFolder folder;
  EXPECT_GT(free_disk_bytes(folder / "not" / "yet" / "there"), 0U);
  EXPECT_GT(free_disk_bytes("relative/path"), 0U);
}

TEST(FileLock, IsHeldOnceAndGivenBackAtTheEndOfItsScope) {
  const TempFolder folder;
  {
    const auto lock = FileLock::try_acquire(folder / "lock");
    ASSERT_TRUE(lock);
    EXPECT_FALSE(FileLock::try_acquire(folder / "lock"));
  }
  EXPECT_TRUE(FileLock::try_acquire(folder / "lock"));
}

TEST(FileLock, ShutsOutAnotherProcessUntilThatOneIsKilled) {
  const TempFolder folder;
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = FileLock::try_acquire(folder / "lock");
    const char answer = lock ? 'y' : 'n';
    if (write(ends[1], &answer, 1) != 1) _exit(1);
    while (true) pause();
  }
  char answer = 0;
  ASSERT_EQ(read(ends[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_FALSE(FileLock::try_acquire(folder / "lock"));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(FileLock::try_acquire(folder / "lock"));
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace pretrain
