// SPDX-License-Identifier: Apache-2.0
// A real file system that is too small for a checkpoint, and then is not.

#include <csignal>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "libs/checkpoint/start_point.h"
#include "tests/end_to_end/run.h"
#include "tests/support/notify_socket.h"

namespace pretrain::test {
namespace {

constexpr std::chrono::seconds kPatience{300};
constexpr const char* kRoomyMegabytes = "size=64m";

/// Gives the calling process a file system of its own at `folder`: in memory, and of the size given.
bool mount_memory(const std::filesystem::path& folder, const char* options = kRoomyMegabytes) {
  const uid_t user = geteuid();
  if (unshare(CLONE_NEWNS | (user == 0 ? 0 : CLONE_NEWUSER)) != 0) return false;
  return mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", folder.c_str(), "tmpfs", 0, options) == 0;
}

TEST(FewFiles, AreToldAtTheStartWhenCheckpointsNeedMore) {
  const TempFolder folder;
  const auto mounted = folder.write("state/keep", "").parent_path();
  const ProgramResult result = run_program(
      binary(), tiny_run(mounted) + Words{"--steps", "4", "--checkpoint-every", "2"},
      Surroundings{.before_exec = [&] { return mount_memory(mounted, "size=64m,nr_inodes=34"); }});
  if (result.exit_code == 126) GTEST_SKIP() << "mount namespaces are not allowed here";
  EXPECT_NE(result.output.find("more files, but 4 checkpoints may need 64; remove files (df -i shows"),
            std::string::npos)
      << result.output;
  EXPECT_NE(result.output.find("(df -h and df -i show what is full)"), std::string::npos) << result.output;
}

/// The file system that the program sees, from outside.
class FullDisk : public testing::Test {
 protected:
  void start() {
    program_.emplace(binary(), tiny_run(mounted_) + Words{"--checkpoint-every", "20", "--sample-tokens", "0"},
                     Surroundings{.environment = {{"NOTIFY_SOCKET", manager_.path()}},
                                  .before_exec = [this] { return mount_memory(mounted_); }});
  }

  std::filesystem::path seen() const {
    return "/proc/" + std::to_string(program_->pid()) + "/root" + mounted_.string();
  }

  bool resize(uint64_t bytes) {
    const auto result =
        run_program("/usr/bin/nsenter", {"-t", std::to_string(program_->pid()), "-m", "mount", "-o",
                                         "remount,size=" + std::to_string(bytes), mounted_.string()});
    return result.exit_code == 0;
  }

  uint64_t used_bytes() const {
    struct statvfs status {};
    EXPECT_EQ(statvfs(seen().c_str(), &status), 0);
    return (status.f_blocks - status.f_bfree) * status.f_frsize;
  }

  bool told_status(const std::string& part, size_t after) {
    const auto& messages = manager_.messages();
    return std::any_of(messages.begin() + static_cast<int64_t>(std::min(after, messages.size())),
                       messages.end(),
                       [&](const std::string& message) { return message.find(part) != std::string::npos; });
  }

  bool wait_for_status(const std::string& part, size_t after) {
    return program_->wait_until([&] { return told_status(part, after); }, kPatience);
  }

  /// Takes away room until a save has too little. Not once: a save may continue between the check and the
  /// resize, and one that ends frees the room of an older checkpoint.
  bool run_out_of_room() {
    constexpr uint64_t kTooLittle = 400'000;
    const size_t messages = manager_.messages().size();
    return program_->wait_until(
        [&] {
          resize(used_bytes() + kTooLittle);
          return told_status("No space left on device", messages);
        },
        kPatience);
  }

  uint64_t newest() const {
    const auto entries = list_checkpoints(seen());
    return entries.empty() ? 0 : entries.front().step;
  }

  const TempFolder folder_;
  const std::filesystem::path mounted_ = folder_.write("state/keep", "").parent_path();
  NotifySocket manager_;
  std::optional<Program> program_;
};

TEST_F(FullDisk, TrainingGoesOnAndTheNextSaveAfterRoomIsMadeSucceeds) {
  start();
  const bool started = program_->wait_until([&] { return newest() >= 20; }, kPatience);
  if (!started && program_->wait().exit_code == 126) GTEST_SKIP() << "mount namespaces are not allowed here";
  ASSERT_TRUE(started) << program_->output();

  ASSERT_TRUE(run_out_of_room()) << program_->output();
  const uint64_t good = newest();
  const size_t messages = manager_.messages().size();
  ASSERT_TRUE(wait_for_status("STATUS=step ", messages)) << "training does not continue";
  EXPECT_TRUE(find_newest_verified(seen()).has_value());

  ASSERT_TRUE(resize(uint64_t{64} << 20));
  ASSERT_TRUE(program_->wait_until([&] { return newest() > good; }, kPatience)) << program_->output();
  program_->signal(SIGTERM);
  const auto result = program_->wait();
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("training continues, the next save tries again"), std::string::npos);
}

TEST_F(FullDisk, ALastSaveThatFailsExitsOneAndNamesTheLastGoodStep) {
  start();
  const bool started = program_->wait_until([&] { return newest() >= 20; }, kPatience);
  if (!started && program_->wait().exit_code == 126) GTEST_SKIP() << "mount namespaces are not allowed here";
  ASSERT_TRUE(started) << program_->output();
  ASSERT_TRUE(run_out_of_room()) << program_->output();
  program_->signal(SIGTERM);
  const auto result = program_->wait();
  EXPECT_EQ(result.exit_code, 1) << result.output;
  EXPECT_NE(result.output.find("the last good one is step "), std::string::npos) << result.output;
}

}  // namespace
}  // namespace pretrain::test
