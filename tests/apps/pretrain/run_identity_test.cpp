// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;
using testing::HasSubstr;

Manifest manifest(const std::string& learning_rate, const std::string& threads,
                  const std::string& vocabulary = "a") {
  return {.files = {{.name = "tokenizer.model", .size_bytes = 1, .hash = vocabulary}},
          .configuration = {{"learning-rate", learning_rate}, {"threads", threads}, {"seed", "1"}}};
}

TEST(RunIdentity, IsWhatIsFixedForARun) {
  const Manifest one = manifest("0.001", "2");
  EXPECT_TRUE(may_be_of_one_run(one, manifest("0.001", "4")));
  EXPECT_FALSE(may_be_of_one_run(one, manifest("0.002", "2")));
  EXPECT_FALSE(may_be_of_one_run(one, manifest("0.001", "2", "b"))) << "another vocabulary";
  Manifest newer = one;
  newer.configuration["batch"] = "8";
  EXPECT_TRUE(may_be_of_one_run(one, newer)) << "a key of a newer version";
  Manifest moved = newer;
  newer.configuration["validation-corpus"] = "/old";
  moved.configuration["validation-corpus"] = "/new";
  EXPECT_TRUE(may_be_of_one_run(newer, moved));
}

std::string refusal(const Path& folder) {
  try {
    refuse_copies_in_run(folder);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "";
}

TEST(RunIdentity, CopiesGoToNoFolderOfARun) {
  const TempFolder folder;
  folder.write("run/metrics.jsonl", "");
  folder.write("begun/run.ini", "");
  folder.write("run/checkpoints/step-000000010/manifest.json", "");
  folder.write("copies/checkpoints/step-000000010/manifest.json", "");
  EXPECT_THAT(refusal(folder / "run"), HasSubstr("is the state folder of a run (metrics.jsonl)"));
  EXPECT_THAT(refusal(folder / "begun"), HasSubstr("is the state folder of a run (run.ini)"));
  EXPECT_THAT(refusal(folder / "run/checkpoints"), HasSubstr("lies among the checkpoints of the run in "));
  EXPECT_EQ(refusal(folder / "copies"), "");
  EXPECT_EQ(refusal(folder / "new"), "");
}

}  // namespace
}  // namespace pretrain
