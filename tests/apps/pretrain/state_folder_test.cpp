// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/state_folder.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/checkpoint/verify.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;
using testing::HasSubstr;

const std::string kStepRecord = "{\"step\":1,\"loss\":2.5,\"batch_hash\":\"00ff\"}\n";
const std::string kSaveRecord = "{\"step\":0,\"checkpoint_bytes\":100}\n";
const std::string kFailureRecord = "{\"step\":0,\"checkpoint_error\":\"No space left on device\"}\n";

TEST(StateFolderRemains, AreNoneAfterAStartThatFailed) {
  const TempFolder state;
  EXPECT_EQ(remains_of_run(state / "absent"), "");
  EXPECT_EQ(first_content(state / "absent"), "");
  state.write("lock", "");
  state.write("metrics.jsonl", kFailureRecord + kStepRecord);
  state.write("skipped.jsonl", "{}\n");
  state.write("skip-steps.json", "[]\n");
  state.write("run.ini", "steps = 10\n");
  state.write("checkpoints/.tmp-step-000000000/model.safetensors", "half");
  EXPECT_EQ(remains_of_run(state.path()), "") << "nothing was ever saved";
  EXPECT_EQ(first_content(state.path()), "");
}

TEST(StateFolderRemains, AreWhatOnlyARunWithCheckpointsLeaves) {
  const TempFolder state;
  state.write("metrics.jsonl", std::string(3'000'000, ' ') + kSaveRecord);
  EXPECT_EQ(remains_of_run(state.path()), "metrics.jsonl");
  state.write("evaluation.safetensors", "x");
  EXPECT_EQ(remains_of_run(state.path()), "evaluation.safetensors, metrics.jsonl");
  const TempFolder other;
  other.write("checkpoints/damaged-step-000000010/x", "");
  EXPECT_EQ(remains_of_run(other.path()), "abandoned or damaged checkpoints");
  const TempFolder rotated;
  rotated.write("metrics-000003.jsonl", "");
  EXPECT_EQ(remains_of_run(rotated.path()), "metrics.jsonl");
}

TEST(StateFolderRemains, ARecordIsFoundWhereverItLiesInTheLog) {
  constexpr size_t kBlock = 1 << 20;
  for (size_t at = kBlock - 20; at < kBlock + 2; ++at) {
    const TempFolder state(test::memory_folder());
    state.write("metrics.jsonl", std::string(at, ' ') + kSaveRecord);
    EXPECT_EQ(remains_of_run(state.path()), "metrics.jsonl") << at;
  }
}

TEST(StateFolder, IsNoPlaceAmongTheCheckpointsOfARun) {
  const TempFolder folder;
  folder.write("my run/checkpoints/step-000000010/manifest.json", "");
  folder.write("copy/manifest.json", "");
  folder.write("text/checkpoints/notes", "");
  std::filesystem::create_directory_symlink(folder / "my run/checkpoints", folder / "link");
  const auto refusal = [&](const Path& place) -> std::string {
    try {
      refuse_place_in_checkpoints(folder / place);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
  };
  for (const char* place :
       {"my run/checkpoints", "my run/checkpoints/new", "my run/checkpoints/step-000000010",
        "my run/checkpoints/step-000000010/new/er", "my run/abandoned/x", "link", "link/new"}) {
    EXPECT_THAT(refusal(place), HasSubstr("pretrain resume --state '" +
                                          std::filesystem::canonical(folder / "my run").string() + "'"))
        << place;
  }
  EXPECT_THAT(refusal("copy"), HasSubstr("pretrain branch --checkpoint"));
  for (const char* place : {"my run", "my run/sub", "text", "text/checkpoints", "text/checkpoints/x", "none"})
    EXPECT_EQ(refusal(place), "") << place;
}

TEST(StateFolder, IsKnownWithAndWithoutACheckpoint) {
  const TempFolder folder;
  folder.write("corpus/text.txt", "Some text.");
  EXPECT_FALSE(is_state_folder(folder / "corpus"));
  folder.write("run/checkpoints/step-000000010/x", "");
  EXPECT_TRUE(is_state_folder(folder / "run"));
  folder.write("begun/lock", "");
  EXPECT_FALSE(is_state_folder(folder / "begun"));
  folder.write("begun/checkpoints/.tmp-step-000000000/x", "");
  EXPECT_TRUE(is_state_folder(folder / "begun"));
}

TEST(StateFolder, IsUntrainedWithTheCheckpointOfStepZeroAloneAndNoStepInTheLog) {
  const TempFolder state;
  EXPECT_FALSE(is_untrained(state.path()));
  state.write("checkpoints/step-000000000/x", "");
  state.write("metrics.jsonl", kSaveRecord);
  EXPECT_TRUE(is_untrained(state.path()));
  state.write("metrics.jsonl", kSaveRecord + kStepRecord);
  EXPECT_FALSE(is_untrained(state.path()));
  state.write("metrics.jsonl", kSaveRecord);
  state.write("checkpoints/step-000000010/x", "");
  EXPECT_FALSE(is_untrained(state.path()));
}

}  // namespace
}  // namespace pretrain
