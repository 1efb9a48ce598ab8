// SPDX-License-Identifier: Apache-2.0
#include "libs/world/checkpoint_copy.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/checkpoint/store.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::FaultyFileSystem;
using test::TempFolder;
using testing::HasSubstr;

constexpr size_t kBytes = 2'500'000;  // three parts

/// A checkpoint of this step in `state`, of the run with this seed, and its folder.
Path save(const Path& state, uint64_t step, int seed = 1) {
  CheckpointStore store(real_file_system(), state, {.keep = 100});
  store.save({.step = step,
              .files = {{.name = "large", .data = std::string(kBytes, 'x')}, {.name = "empty", .data = ""}},
              .configuration = {{"seed", seed}}});
  return checkpoints_folder(state) / checkpoint_name(step);
}

/// Sends parts until the end or a problem.
CopyAnswer copy(CopySource& source, CopyTarget& target) {
  CopyAnswer answer;
  while (const auto part = source.next()) {
    answer = target.take(CopyPart::unpack(part->pack()));
    source.note_answer();
    if (!answer.problem.empty()) break;
  }
  return answer;
}

std::vector<uint64_t> steps_in(const Path& state) {
  std::vector<uint64_t> steps;
  for (const CheckpointEntry& entry : list_checkpoints(state)) steps.push_back(entry.step);
  return steps;
}

TEST(CheckpointCopy, HasEveryByte) {
  const TempFolder folder;
  const Path original = save(folder / "head", 7);
  CopySource source(original, 7);
  CopyTarget target(real_file_system(), folder / "copies", CopyTarget::Keeps::kNewest);
  const CopyAnswer answer = copy(source, target);
  EXPECT_TRUE(answer.is_complete) << answer.problem;
  ASSERT_TRUE(target.newest());
  const Path found = target.newest()->folder;
  for (const FolderEntry& entry : list_folder(original))
    EXPECT_EQ(read_file(found / entry.name), read_file(original / entry.name)) << entry.name;
}

TEST(CheckpointCopy, HasFewPartsOnTheWay) {
  const TempFolder folder;
  CopySource source(save(folder / "head", 7), 7);
  uint64_t sent = 0;
  while (source.next()) ++sent;
  EXPECT_LE(sent, kCopyPartsOnTheWay);
  source.note_answer();
  EXPECT_TRUE(source.next().has_value() || source.is_read());
}

TEST(CheckpointCopy, KeepsTheNewestTwo) {
  const TempFolder folder;
  CopyTarget target(real_file_system(), folder / "copies", CopyTarget::Keeps::kNewest);
  for (const uint64_t step : {1, 2, 3}) {
    CopySource source(save(folder / "head", step), step);
    EXPECT_TRUE(copy(source, target).is_complete);
  }
  EXPECT_EQ(steps_in(folder / "copies"), (std::vector<uint64_t>{3, 2}));
}

TEST(CheckpointCopy, NeverRemovesCopiesOfAnotherRun) {
  const TempFolder folder;
  save(folder / "copies", 100);
  CopySource source(save(folder / "head", 7), 7);
  CopyTarget target(real_file_system(), folder / "copies", CopyTarget::Keeps::kNewest);
  EXPECT_THAT(copy(source, target).problem, HasSubstr("has a copy of step 100, of another run"));
  EXPECT_EQ(steps_in(folder / "copies"), (std::vector<uint64_t>{100}));
}

/// As the runs of save() have it.
bool have_one_seed(const Manifest& a, const Manifest& b) {
  return a.configuration["seed"] == b.configuration["seed"];
}

TEST(CheckpointCopy, NeverPushesOutCheckpointsOfAnotherRunWithFewerSteps) {
  const TempFolder folder;
  for (const uint64_t step : {0, 10, 20}) save(folder / "copies", step, 1);
  CopyTarget target(real_file_system(), folder / "copies", CopyTarget::Keeps::kNewest, have_one_seed);
  for (const uint64_t step : {20, 30}) {
    CopySource source(save(folder / "head", step, 2), step);
    EXPECT_THAT(copy(source, target).problem,
                HasSubstr("has a copy of step 20 of another run; name another folder"));
  }
  EXPECT_EQ(steps_in(folder / "copies"), (std::vector<uint64_t>{20, 10, 0}));
  EXPECT_EQ(list_folder(folder / "copies/checkpoints").size(), 3U) << "nothing is set aside";
}

TEST(CheckpointCopy, OfTheStepThatIsThereReplacesItAndCallsNoneDamaged) {
  const TempFolder folder;
  CopyTarget target(real_file_system(), folder / "copies", CopyTarget::Keeps::kNewest, have_one_seed);
  CheckpointStore after_going_back(real_file_system(), folder / "back", {.keep = 100});
  after_going_back.save(
      {.step = 7, .files = {{.name = "large", .data = "other"}}, .configuration = {{"seed", 1}}});
  save(folder / "head", 7);
  for (const char* head : {"head", "head", "back"}) {
    const Path original = checkpoints_folder(folder / head) / checkpoint_name(7);
    CopySource source(original, 7);
    EXPECT_TRUE(copy(source, target).is_complete);
    const auto entries = list_folder(folder / "copies/checkpoints");
    ASSERT_EQ(entries.size(), 1U) << head;
    EXPECT_EQ(read_file(folder / "copies/checkpoints" / entries[0].name / "large"),
              read_file(original / "large"));
  }
}

TEST(CheckpointCopy, SetsADamagedOneOfItsStepAside) {
  const TempFolder folder;
  const Path original = save(folder / "head", 7);
  save(folder / "copies", 7);
  folder.write("copies/checkpoints/step-000000007/large", "spoiled");
  CopySource source(original, 7);
  CopyTarget target(real_file_system(), folder / "copies", CopyTarget::Keeps::kNewest, have_one_seed);
  EXPECT_TRUE(copy(source, target).is_complete);
  EXPECT_EQ(read_file(folder / "copies/checkpoints/damaged-step-000000007/large"), "spoiled");
  EXPECT_TRUE(target.newest());
}

TEST(CheckpointCopy, LeavesNothingWhenTheDiskIsFull) {
  const TempFolder folder;
  const Path original = save(folder / "head", 7);
  FaultyFileSystem full;
  CopyTarget target(full, folder / "copies", CopyTarget::Keeps::kNewest);
  for (const test::Operation operation :
       {test::Operation::kMakeFolder, test::Operation::kCreate, test::Operation::kAllocate,
        test::Operation::kWrite, test::Operation::kSync}) {
    CopySource source(original, 7);
    full.set_fault({.code = ENOSPC, .first_call = 1, .only = operation});
    const CopyAnswer answer = copy(source, target);
    EXPECT_FALSE(answer.is_complete) << static_cast<int>(operation);
    EXPECT_THAT(answer.problem, HasSubstr("No space left on device"));
    EXPECT_EQ(steps_in(folder / "copies"), (std::vector<uint64_t>{}));
  }
  full.clear_fault();
  CopySource source(original, 7);
  EXPECT_TRUE(copy(source, target).is_complete) << "the next copy finds room again";
}

TEST(CheckpointCopy, RefusesPartsThatDoNotFit) {
  const TempFolder folder;
  const CopyPart good{.step = 7, .file = "a", .file_bytes = 10, .offset = 0, .bytes = "12345"};
  std::vector<CopyPart> bad(4, good);
  bad[0].file = "../a";
  bad[1].offset = 5;
  bad[2].file = ".hidden/a";
  bad[3].is_last = true;  // no manifest
  for (const CopyPart& part : bad) {
    CopyTarget target(real_file_system(), folder / "copies", CopyTarget::Keeps::kNewest);
    EXPECT_NE(target.take(part).problem, "") << part.file;
    EXPECT_FALSE(target.newest());
  }
  CopyPart beyond = good;
  beyond.offset = 6;
  EXPECT_THROW(CopyPart::unpack(beyond.pack()), Error);
  beyond.offset = UINT64_MAX;
  EXPECT_THROW(CopyPart::unpack(beyond.pack()), Error);
}

TEST(CheckpointCopy, ADamagedPartIsFound) {
  const TempFolder folder;
  CopySource source(save(folder / "head", 7), 7);
  CopyTarget target(real_file_system(), folder / "copies", CopyTarget::Keeps::kNewest);
  CopyAnswer answer;
  while (auto part = source.next()) {
    if (part->file == "large" && part->offset > 0) part->bytes[100] ^= 1;
    answer = target.take(*part);
    source.note_answer();
  }
  EXPECT_THAT(answer.problem, HasSubstr("the copy is damaged"));
  EXPECT_FALSE(target.newest());
}

}  // namespace
}  // namespace pretrain
