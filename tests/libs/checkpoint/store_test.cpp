// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/store.h"

#include <algorithm>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/libs/checkpoint/sample.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using namespace test;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class CheckpointStoreTest : public testing::Test {
 protected:
  CheckpointStore open() { return open(files_); }
  CheckpointStore open(FileSystem& files) {
    return CheckpointStore(
        files, state_.path(),
        {.keep = 10,
         .on_failed = [this](const FailedCheckpoint& failed) { failed_.push_back(failed); },
         .judge =
             [this](const Path& path) {
               return unreadable_.contains(path) ? CheckpointVerdict{.trouble = Trouble::kUnreadable,
                                                                     .reason = "can't be read (EIO)"}
                                                 : judge_checkpoint(path);
             }});
  }
  void save(uint64_t step) { open().save(Sample(step).content()); }
  Path folder() const { return checkpoints_folder(state_.path()); }
  Path folder(uint64_t step) const { return folder() / checkpoint_name(step); }
  std::optional<Checkpoint> newest() const { return find_newest_verified(state_.path()); }

  TempFolder state_;
  FaultyFileSystem files_;  // without a fault: it only spares the time that a sync takes
  std::vector<FailedCheckpoint> failed_;
  std::set<Path> unreadable_;  // as if the device failed there
};

TEST_F(CheckpointStoreTest, GivesBackWhatWasSaved) {
  const SaveReport report = open(real_file_system()).save(Sample(1200).content());
  const auto found = open().newest_verified();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->step, 1200U);
  EXPECT_EQ(found->folder, folder() / "step-000001200");
  EXPECT_TRUE(holds_sample(*found));
  EXPECT_EQ(found->manifest.configuration["seed"], 7);
  EXPECT_EQ(found->manifest.fingerprint["processor"], "test");
  EXPECT_THAT(names_in(found->folder),
              ElementsAre("config.json", "loader.safetensors", "manifest.json", "model.safetensors"));
  uint64_t bytes = 0;
  for (const FolderEntry& entry : list_folder(found->folder)) bytes += entry.size_bytes;
  EXPECT_EQ(report.bytes, bytes);
  EXPECT_LT(content_size_bytes(Sample(1200).content()), bytes);
}

/// Somebody removes or moves the folder of a running program, or its disk is unmounted.
TEST_F(CheckpointStoreTest, SavesAlsoWhenItsFolderIsGone) {
  CheckpointStore store = open();
  EXPECT_EQ(store.save(Sample(1).content()).new_place, "");
  std::filesystem::remove_all(state_.path());
  const SaveReport second = store.save(Sample(2).content());
  EXPECT_THAT(second.new_place, HasSubstr("was gone"));
  EXPECT_TRUE(second.is_state_folder_new);
  const SaveReport third = store.save(Sample(3).content());
  EXPECT_EQ(third.new_place, "");
  EXPECT_FALSE(third.is_state_folder_new);
  const auto found = newest();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->step, 3U);
  EXPECT_TRUE(holds_sample(*found));
  EXPECT_EQ(store.list().size(), 2U);
}

TEST_F(CheckpointStoreTest, LocksAFolderThatItMakesAnew) {
  const Path elsewhere = state_.path().native() + "-moved";
  const StateLock lock = lock_state_folder(files_, state_.path());
  CheckpointStore store(files_, state_.path(), {.lock = &lock});
  store.save(Sample(1).content());
  std::filesystem::rename(state_.path(), elsewhere);
  EXPECT_THAT(store.save(Sample(2).content()).new_place, StartsWith(state_.path().native() + " was gone"));
  EXPECT_THROW((void)lock_state_folder(files_, state_.path()), Error);
  EXPECT_EQ(store.save(Sample(3).content()).new_place, "");
  std::filesystem::remove_all(state_.path());
  std::filesystem::rename(elsewhere, state_.path());
  EXPECT_THAT(store.save(Sample(4).content()).new_place, HasSubstr("is another folder than before"));
  EXPECT_EQ(store.list().size(), 2U);
}

/// As an unmounted disk leaves the folder below its mount point, and brings its own back when it is mounted again.
TEST_F(CheckpointStoreTest, NoticesThatItsFolderIsAnotherOne) {
  const Path disk = state_.path().native() + "-disk", below = state_.path().native() + "-below";
  const StateLock lock = lock_state_folder(files_, state_.path());
  CheckpointStore store(files_, state_.path(), {.lock = &lock});
  const auto mount = [&](const Path& from, const Path& aside) {
    std::filesystem::rename(folder(), aside);
    std::filesystem::rename(from, folder());
  };
  store.save(Sample(1).content());
  std::filesystem::create_directory(below);
  mount(below, disk);
  const SaveReport below_it = store.save(Sample(2).content());
  EXPECT_THAT(below_it.new_place, StartsWith(folder().native() + " was gone"));
  EXPECT_FALSE(below_it.is_state_folder_new);
  EXPECT_THAT(steps_in(state_.path()), ElementsAre(2));
  EXPECT_EQ(store.save(Sample(3).content()).new_place, "");
  mount(disk, below);
  EXPECT_THAT(store.save(Sample(4).content()).new_place,
              StartsWith(folder().native() + " is another folder"));
  EXPECT_THAT(steps_in(state_.path()), ElementsAre(4, 1));
  EXPECT_EQ(store.save(Sample(5).content()).new_place, "");
  std::filesystem::remove_all(below);
}

TEST_F(CheckpointStoreTest, TellsOfANewPlaceAlsoWhenTheFirstSaveThereFails) {
  CheckpointStore store = open();
  store.save(Sample(1).content());
  std::filesystem::remove_all(folder());
  files_.set_fault(
      {.kind = test::Fault::Kind::kFail, .code = ENOSPC, .first_call = 1, .only = test::Operation::kWrite});
  EXPECT_THROW(store.save(Sample(2).content()), Error);
  files_.clear_fault();
  EXPECT_THAT(store.save(Sample(3).content()).new_place, HasSubstr("was gone"));
}

TEST_F(CheckpointStoreTest, LeavesCheckpointsOfAnotherRunInTheFolderAlone) {
  CheckpointStore store = open();
  store.save(Sample(5).content());
  std::filesystem::rename(folder(), state_ / "ours");
  save(1);
  EXPECT_THAT(error_of(ErrorKind::kRuntime, [&] { store.save(Sample(6).content()); }),
              HasSubstr("was replaced by a folder with other checkpoints"));
  EXPECT_THAT(steps_in(state_.path()), ElementsAre(1));
}

/// The user moved the folder of a running program and started another run under its name.
TEST_F(CheckpointStoreTest, LeavesAFolderThatAnotherRunHasPutInItsPlace) {
  const Path elsewhere = state_.path().native() + "-moved";
  const StateLock lock = lock_state_folder(files_, state_.path());
  CheckpointStore store(files_, state_.path(), {.lock = &lock});
  store.save(Sample(5).content());
  std::filesystem::rename(state_.path(), elsewhere);
  {
    const StateLock others = lock_state_folder(files_, state_.path());
    save(1);
    EXPECT_THROW(store.save(Sample(6).content()), Error) << "it is in use";
  }
  EXPECT_THROW(store.save(Sample(7).content()), Error) << "it has checkpoints of another run";
  EXPECT_EQ(newest()->step, 1U);
  std::filesystem::remove_all(elsewhere);
}

TEST_F(CheckpointStoreTest, HasNothingInAnEmptyStateFolder) {
  EXPECT_FALSE(newest());
  EXPECT_FALSE(open().newest_verified());
  EXPECT_THAT(open().list(), IsEmpty());
}

TEST_F(CheckpointStoreTest, SyncsEverythingBeforeItReturns) {
  FaultyFileSystem files;
  open(files).save(Sample(1).content());
  EXPECT_THAT(files.unsynced(), IsEmpty());
}

TEST_F(CheckpointStoreTest, SyncsEveryFileBeforeTheFolderGetsItsName) {
  FaultyFileSystem files;
  std::vector<Path> unsynced_at_rename{"not renamed"};
  files.set_observer([&](const Call& call) {
    if (call.operation == Operation::kRename) unsynced_at_rename = files.unsynced();
  });
  open(files).save(Sample(1).content());
  EXPECT_THAT(unsynced_at_rename, ElementsAre(folder()));  // it knows of the temporary name only
}

TEST_F(CheckpointStoreTest, LetsTheSourcesGoOnceTheyAreRead) {
  Sample sample(5);
  int calls = 0;
  open().save(sample.content(), [&] {
    ++calls;
    std::ranges::fill(sample.weights, std::numeric_limits<float>::quiet_NaN());
    std::ranges::fill(sample.tokens, 0);
  });
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(holds_sample(*newest()));
}

TEST_F(CheckpointStoreTest, NeverSavesWeightsThatAreNotFinite) {
  save(1);
  Sample sample(2);
  sample.weights[17] = std::numeric_limits<float>::infinity();
  int calls = 0;
  const std::string message =
      error_of(ErrorKind::kRuntime, [&] { open().save(sample.content(), [&] { ++calls; }); });
  EXPECT_THAT(message, AllOf(HasSubstr("tensor w"), HasSubstr("element 17")));
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(names_in(folder()), ElementsAre("step-000000001"));
}

TEST_F(CheckpointStoreTest, LeavesAnIntactCheckpointOfTheSameStepAsItIs) {
  save(1);
  const std::string before = read_file(folder(1) / kManifestName);
  int calls = 0;
  EXPECT_EQ(open().save(Sample(1).content(), [&] { ++calls; }).bytes, 0U);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(read_file(folder(1) / kManifestName), before);
}

TEST_F(CheckpointStoreTest, SetsADamagedCheckpointOfTheSameStepAside) {
  save(1);
  flip_bit(folder(1) / "config.json", 0, 0);
  save(1);
  EXPECT_TRUE(holds_sample(*newest()));
  EXPECT_THAT(names_in(folder()), ElementsAre("damaged-step-000000001", "step-000000001"));
  ASSERT_EQ(failed_.size(), 1U);
  EXPECT_EQ(failed_[0].reason, "is damaged (config.json: its content does not match its hash)");
}

TEST_F(CheckpointStoreTest, DetectsEveryFlippedByteOfEveryFile) {
  save(1);
  size_t flips = 0;
  for (const std::string& name : names_in(folder(1))) {
    const size_t size = read_file(folder(1) / name).size();
    for (size_t byte = 0; byte < size; ++byte) {
      const int bit = static_cast<int>(byte % 8);
      flip_bit(folder(1) / name, byte, bit);
      EXPECT_FALSE(newest()) << name << " byte " << byte;
      flip_bit(folder(1) / name, byte, bit);
      ++flips;
    }
  }
  EXPECT_GT(flips, 500U);
  EXPECT_TRUE(newest());
}

TEST_F(CheckpointStoreTest, DetectsTruncationAtEach4KiB) {
  const Sample large(1, 10000);
  open().save(large.content());
  const Path path = folder(1) / "model.safetensors";
  const std::string intact = read_file(path);
  for (size_t length = 0; length < intact.size(); length += 4096) {
    overwrite(path, intact.substr(0, length));
    EXPECT_THAT(judge_checkpoint(folder(1)).reason, HasSubstr("model.safetensors")) << length;
  }
  overwrite(path, intact + '\0');
  EXPECT_THAT(judge_checkpoint(folder(1)).reason, HasSubstr("bytes instead of"));
}

TEST_F(CheckpointStoreTest, DetectsAMissingFile) {
  for (const char* name : {"config.json", "model.safetensors", "loader.safetensors", kManifestName}) {
    save(1);
    std::filesystem::remove(folder(1) / name);
    EXPECT_THAT(judge_checkpoint(folder(1)).reason, AllOf(HasSubstr(name), HasSubstr("it is missing")));
  }
}

TEST_F(CheckpointStoreTest, DetectsTheManifestOfAnotherStep) {
  save(1);
  std::filesystem::rename(folder(1), folder(2));
  EXPECT_THAT(judge_checkpoint(folder(2)).reason, HasSubstr("manifest of step 1"));
}

TEST_F(CheckpointStoreTest, SetsOneDamagedCheckpointAsideAndReportsIt) {
  for (const uint64_t step : {1, 2, 3}) save(step);
  flip_bit(folder(3) / "model.safetensors", 100, 3);
  const auto found = open().newest_verified();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->step, 2U);
  EXPECT_THAT(names_in(folder()), ElementsAre("damaged-step-000000003", "step-000000001", "step-000000002"));
  ASSERT_EQ(failed_.size(), 1U);
  EXPECT_EQ(failed_[0].step, 3U);
  EXPECT_TRUE(failed_[0].set_aside);
  EXPECT_EQ(failed_[0].folder, folder() / "damaged-step-000000003");
}

TEST_F(CheckpointStoreTest, MovesNothingWhenTwoOrMoreFailAtOnce) {
  for (const uint64_t step : {1, 2, 3}) save(step);
  flip_bit(folder(3) / "model.safetensors", 100, 3);
  std::filesystem::remove(folder(2) / "loader.safetensors");
  const auto before = names_in(folder());
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { open().newest_verified(); }),
              AllOf(HasSubstr("step 3 is damaged (model.safetensors"), HasSubstr("step 2 is damaged"),
                    HasSubstr("nothing was moved")));
  EXPECT_EQ(names_in(folder()), before);
  const StartPoint start = find_start_point(state_.path());
  EXPECT_FALSE(start.may_continue());
  EXPECT_EQ(start.newest->step, 1U) << "what to go back to is known";
}

TEST_F(CheckpointStoreTest, MovesNothingWhenNoneVerifies) {
  for (const uint64_t step : {1, 2, 3, 4, 5}) save(step);
  for (const uint64_t step : {1, 2, 3, 4, 5}) flip_bit(folder(step) / "config.json", 0, 0);
  error_of(ErrorKind::kData, [&] { open().newest_verified(); });
  EXPECT_EQ(list_checkpoints(state_.path()).size(), 5U);
  for (const uint64_t step : {2, 3, 4, 5}) std::filesystem::remove_all(folder(step));
  error_of(ErrorKind::kData, [&] { open().newest_verified(); });
  EXPECT_THAT(names_in(folder()), ElementsAre("step-000000001")) << "the only one is not moved either";
}

TEST_F(CheckpointStoreTest, TakesAnErrorOfTheDeviceForNoDamage) {
  for (const uint64_t step : {1, 2}) save(step);
  unreadable_ = {folder(2)};
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { open().newest_verified(); }),
              HasSubstr("step 2 can't be read (EIO)"));
  EXPECT_THAT(error_of(ErrorKind::kRuntime, [&] { open().save(Sample(2).content()); }),
              HasSubstr("it stays as it is"));
  EXPECT_THAT(names_in(folder()), ElementsAre("step-000000001", "step-000000002"));
  unreadable_.clear();
  EXPECT_EQ(open().newest_verified()->step, 2U);
}

TEST_F(CheckpointStoreTest, MovesNothingWhenTheNewestCheckpointIsALinkToADiskThatIsNotThere) {
  for (const uint64_t step : {1, 2}) save(step);
  std::filesystem::rename(folder(2), state_ / "elsewhere");
  std::filesystem::create_directory_symlink(state_ / "elsewhere", folder(2));
  EXPECT_EQ(open().newest_verified()->step, 2U);
  std::filesystem::rename(state_ / "elsewhere", state_ / "unmounted");
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { open().newest_verified(); }),
              HasSubstr("step 2 can't be read"));
  EXPECT_THAT(names_in(folder()), ElementsAre("step-000000001", "step-000000002"));
}

TEST_F(CheckpointStoreTest, JudgesADeviceThatFailsAsUnreadable) {
  save(1);
  const Path path = folder(1) / "model.safetensors";
  std::filesystem::remove(path);
  // A socket can't be opened as a file, which says nothing about a checkpoint.
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string short_name = "model.safetensors";
  const Path before = std::filesystem::current_path();
  std::filesystem::current_path(folder(1));  // the length of a socket's name is bounded
  std::ranges::copy(short_name, address.sun_path);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  std::filesystem::current_path(before);
  EXPECT_EQ(judge_checkpoint(folder(1)).trouble, Trouble::kUnreadable);
  EXPECT_THAT(judge_checkpoint(folder(1)).reason, HasSubstr("can't be read ("));
  ::close(socket);
}

TEST_F(CheckpointStoreTest, LeavesDamageInPlaceWhenItMayOnlyRead) {
  for (const uint64_t step : {1, 2}) save(step);
  flip_bit(folder(2) / "config.json", 0, 0);
  std::vector<uint64_t> reported;
  const auto found = find_newest_verified(
      state_.path(), [&](const FailedCheckpoint& failed) { reported.push_back(failed.step); });
  EXPECT_EQ(found->step, 1U);
  EXPECT_THAT(reported, ElementsAre(2U));
  EXPECT_THAT(names_in(folder()), ElementsAre("step-000000001", "step-000000002"));
}

TEST_F(CheckpointStoreTest, NeverSetsACheckpointOfANewerProgramAside) {
  save(1);
  save(2);
  Manifest manifest = verify_checkpoint(folder(2)).manifest;
  manifest.format_version = kManifestVersion + 1;
  overwrite(folder(2) / kManifestName, manifest_text(manifest));
  EXPECT_THROW(open().newest_verified(), NewerFormatError);
  EXPECT_THROW(open().save(Sample(2).content()), NewerFormatError);
  EXPECT_THAT(names_in(folder()), ElementsAre("step-000000001", "step-000000002"));
}

TEST_F(CheckpointStoreTest, IgnoresForeignFiles) {
  save(1);
  const std::vector<std::string> foreign{
      ".tmp-mine",      ".tmp-step-000000001-x",    "damaged-by-me",   "latest",
      "step-",          "step-00000000002",         "step-000000002a", "step-2",
      "step-000000009", "step-99999999999999999999"};
  for (const std::string& name : foreign) state_.write("checkpoints/" + name, "not yours");
  state_.write("checkpoints/step-000000001/notes.txt", "mine too");
  EXPECT_EQ(open().newest_verified()->step, 1U);
  EXPECT_EQ(names_in(folder()).size(), foreign.size() + 1);
}

TEST_F(CheckpointStoreTest, RemovesWhatDeadRunsLeft) {
  save(1);
  for (const char* name :
       {".tmp-step-000000002", ".tmp-step-000000002-2", ".del-step-000000001", ".del-step-000000001-13"}) {
    state_.write(std::string("checkpoints/") + name + "/model.safetensors", "half");
  }
  open();
  EXPECT_THAT(names_in(folder()), ElementsAre("step-000000001"));
}

TEST_F(CheckpointStoreTest, NamesStepsBeyondNineDigits) {
  EXPECT_EQ(checkpoint_name(12345678901), "step-12345678901");
  for (const uint64_t step : {uint64_t{0}, uint64_t{999999999}, uint64_t{1000000000}, UINT64_MAX}) {
    EXPECT_EQ(checkpoint_step(checkpoint_name(step)), step);
  }
  save(999999999);
  save(1000000000);
  EXPECT_EQ(newest()->step, 1000000000U);
}

TEST_F(CheckpointStoreTest, AbandonsNewerCheckpointsDurablyNewestFirst) {
  for (const uint64_t step : {1, 2, 3}) save(step);
  FaultyFileSystem files;
  std::vector<std::vector<uint64_t>> states;
  files.set_observer([&](const Call&) { states.push_back(steps_in(state_.path())); });
  const std::vector<MovedCheckpoint> moved = open(files).abandon_newer_than(1);
  ASSERT_EQ(moved.size(), 2U);
  EXPECT_EQ(moved[0].step, 3U);
  EXPECT_EQ(moved[1].folder, state_ / "abandoned" / "step-000000002");
  EXPECT_THAT(files.unsynced(), IsEmpty());
  states.erase(std::unique(states.begin(), states.end()), states.end());
  EXPECT_THAT(states, ElementsAre(ElementsAre(3, 2, 1), ElementsAre(2, 1), ElementsAre(1)));
  EXPECT_THAT(names_in(state_ / "abandoned"), ElementsAre("step-000000002", "step-000000003"));
  save(2);
  open().abandon_newer_than(1);
  EXPECT_THAT(names_in(state_ / "abandoned"),
              ElementsAre("step-000000002", "step-000000002-2", "step-000000003"));
}

TEST_F(CheckpointStoreTest, AbandonsWithinTheFolderOfCheckpointsWhenThatIsOnAnotherDevice) {
  const TempFolder elsewhere(memory_folder());
  struct stat here {
  }, there{};
  ASSERT_EQ(::stat(state_.path().c_str(), &here), 0);
  ASSERT_EQ(::stat(elsewhere.path().c_str(), &there), 0);
  if (here.st_dev == there.st_dev) GTEST_SKIP() << "one device only";
  std::filesystem::create_directory_symlink(elsewhere.path(), folder());
  for (const uint64_t step : {1, 2, 3}) save(step);
  EXPECT_FALSE(holds_former_checkpoints(state_.path()));
  const auto moved = open().abandon_newer_than(1);
  ASSERT_EQ(moved.size(), 2U);
  EXPECT_EQ(moved[0].folder, folder() / "abandoned" / "step-000000003");
  EXPECT_THAT(names_in(folder() / "abandoned"), ElementsAre("step-000000002", "step-000000003"));
  EXPECT_THAT(steps_in(state_.path()), ElementsAre(1));
  EXPECT_TRUE(holds_former_checkpoints(state_.path()));
}

TEST_F(CheckpointStoreTest, KnowsThatItHeldCheckpoints) {
  EXPECT_FALSE(holds_former_checkpoints(state_.path()));
  open();
  std::filesystem::create_directories(abandoned_folder(state_.path()));
  EXPECT_FALSE(holds_former_checkpoints(state_.path()));
  state_.write("checkpoints/damaged-by-me/x", "mine");
  EXPECT_FALSE(holds_former_checkpoints(state_.path()));
  state_.write("abandoned/step-000000003-2/x", "");
  EXPECT_TRUE(holds_former_checkpoints(state_.path()));
}

TEST_F(CheckpointStoreTest, LocksTheStateFolderForOneProcess) {
  std::optional<StateLock> lock = lock_state_folder(real_file_system(), state_ / "new");
  std::filesystem::remove(state_ / "new" / "lock");  // the folder's own lock can't be removed
  const pid_t child = fork();
  if (child == 0) {
    try {
      const StateLock second = lock_state_folder(real_file_system(), state_ / "new");
      _exit(0);
    } catch (const Error& error) {
      _exit(std::string(error.what()).find("in use by another pretrain") != std::string::npos ? 7 : 8);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  lock.reset();
  EXPECT_NO_THROW(static_cast<void>(lock_state_folder(real_file_system(), state_ / "new")));
}

TEST_F(CheckpointStoreTest, IsShutOutByAVersionThatLocksTheFileAlone) {
  const auto old = FileLock::try_acquire(state_ / "lock");
  EXPECT_THAT(error_of(ErrorKind::kRuntime,
                       [&] { static_cast<void>(lock_state_folder(real_file_system(), state_.path())); }),
              HasSubstr("in use by another pretrain"));
}

}  // namespace
}  // namespace pretrain
