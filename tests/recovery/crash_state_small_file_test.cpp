// SPDX-License-Identifier: Apache-2.0
// Each state in which a crash can leave a small file that is replaced.

#include <cerrno>
#include <iostream>
#include <set>

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/crash_file_system.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using namespace test;
using testing::IsEmpty;

constexpr const char* kName = "pinned.json";

std::string content(int version) {
  return std::string(5000, static_cast<char>('a' + version));  // more than one sector of either size
}

/// Replaces a file again and again, and looks at each crash state before each call and between them.
class SmallFileStates {
 public:
  using Write = void (*)(FileSystem&, const Path&, std::string_view);

  explicit SmallFileStates(Write method) : write_(method) {
    calls_.set_observer([this](const Call&) { check_all(); });
  }

  void write(int version) {
    allowed_.insert(content(version));
    try {
      write_(device_, folder_ / kName, content(version));
      allowed_ = {content(version)};
      must_exist_ = true;
    } catch (const IoError&) {  // old or new, until the next one succeeds
    }
    check_all();
  }

  void write_with_fault(int version, const Fault& fault) {
    calls_.set_fault(fault);
    write(version);
    calls_.clear_fault();
  }

  uint64_t states() const { return states_; }
  const std::set<std::string>& violations() const { return violations_; }

 private:
  void check_all() {
    for (const Loss loss : {Loss::kNothing, Loss::kUnsynced, Loss::kRandomSubset, Loss::kTorn512,
                            Loss::kTorn4096, Loss::kRenamedFirst}) {
      for (uint64_t seed = 0; seed < 20; ++seed) check(loss, derive_seed(calls_.call_count(), seed));
    }
  }

  void check(Loss loss, uint64_t seed) {
    ++states_;
    const Image image = device_.after_crash(loss, seed);
    const auto found = image.find(kName);
    const bool holds = found == image.end() ? !must_exist_ : allowed_.contains(found->second.value_or(""));
    if (!holds)
      violations_.insert(fmt::format("call {} loss {}", calls_.call_count(), static_cast<int>(loss)));
    if (!seen_.insert(image).second) return;
    // Leftovers do not prevent the next one.
    write_image(image, restart_.path());
    FaultyFileSystem files;
    write_file_atomically(files, restart_ / kName, "next");
    if (read_image(restart_.path()) != Image{{kName, "next"}}) violations_.insert("after the restart");
  }

  const Write write_;
  TempFolder folder_{memory_folder()};
  TempFolder restart_{memory_folder()};
  FaultyFileSystem calls_;
  CrashFileSystem device_{calls_, folder_.path()};
  std::set<std::string> allowed_;
  bool must_exist_ = false;
  uint64_t states_ = 0;
  std::set<Image> seen_;
  std::set<std::string> violations_;
};

void create_write_rename(FileSystem& files, const Path& path, std::string_view text, bool sync_file,
                         bool sync_folder) {
  const Path temporary = path.parent_path() / ".pinned.json.tmp";
  const auto file = files.create(temporary);
  file->write(text);
  if (sync_file) file->sync();
  file->close();
  files.rename(temporary, path);
  if (sync_folder) files.sync_folder(path.parent_path());
}

TEST(CrashDuringWriteFileAtomically, LeavesTheOldOrTheNewContent) {
  SmallFileStates states(write_file_atomically);
  for (const int version : {0, 1, 2}) states.write(version);
  EXPECT_THAT(states.violations(), IsEmpty());
  std::cout << states.states() << " crash states\n";
}

TEST(CrashDuringWriteFileAtomically, LeavesTheOldOrTheNewContentAroundEachFailingCall) {
  uint64_t checked = 0;
  for (uint64_t call = 1; call <= 8; ++call) {
    for (const bool lasting : {false, true}) {
      SmallFileStates states(write_file_atomically);
      states.write(0);
      const uint64_t calls_of_a_write = 6;
      states.write_with_fault(1, {.kind = Fault::Kind::kShortWrite,
                                  .code = ENOSPC,
                                  .first_call = calls_of_a_write + call,
                                  .lasting = lasting});
      states.write(2);
      EXPECT_THAT(states.violations(), IsEmpty()) << call;
      checked += states.states();
    }
  }
  std::cout << checked << " crash states\n";
}

TEST(CrashDuringWriteFileAtomically, IsSeenToLoseContentWithoutTheFilesSync) {
  SmallFileStates states([](FileSystem& files, const Path& path, std::string_view text) {
    create_write_rename(files, path, text, false, true);
  });
  states.write(0);
  states.write(1);
  EXPECT_FALSE(states.violations().empty());
}

TEST(CrashDuringWriteFileAtomically, IsSeenToLoseContentWithoutTheFoldersSync) {
  SmallFileStates states([](FileSystem& files, const Path& path, std::string_view text) {
    create_write_rename(files, path, text, true, false);
  });
  states.write(0);
  states.write(1);
  EXPECT_FALSE(states.violations().empty());
}

TEST(CrashDuringWriteFileAtomically, IsSeenToLoseContentWhenItIsWrittenInPlace) {
  SmallFileStates states([](FileSystem& files, const Path& path, std::string_view text) {
    const auto file = files.append(path, 0);
    file->write(text);
    file->sync();
    file->close();
    files.sync_folder(path.parent_path());
  });
  states.write(0);
  states.write(1);
  EXPECT_FALSE(states.violations().empty());
}

}  // namespace
}  // namespace pretrain
