// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "apps/pretrain/export_folder.h"
#include "apps/pretrain/value_text.h"
#include "libs/base/error.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;
using testing::HasSubstr;

/// What the check says of a path; empty when it may be written.
std::string refusal(const Path& path) {
  try {
    check_output_file({.option = "--csv", .path = path, .beginning = "kind,step", .example = "run.csv"});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "";
}

TEST(OutputFile, MayBeNewEmptyOrOfTheSameKind) {
  const TempFolder folder;
  EXPECT_EQ(refusal(folder / "new.csv"), "");
  EXPECT_EQ(refusal("new.csv"), "");
  folder.write("empty", "");
  EXPECT_EQ(refusal(folder / "empty"), "");
  folder.write("old.csv", "kind,step,steps\n");
  EXPECT_EQ(refusal(folder / "old.csv"), "");
}

TEST(OutputFile, ReplacesNoFileOfAnotherKind) {
  const TempFolder folder;
  folder.write("metrics.jsonl", "{\"kind\":\"step\",\"step\":1}\n");
  EXPECT_THAT(refusal(folder / "metrics.jsonl"), HasSubstr("--csv would replace "));
  folder.write("short", "kind");
  EXPECT_THAT(refusal(folder / "short"), HasSubstr("another kind"));
}

TEST(OutputFile, IsInAFolderThatExists) {
  const TempFolder folder;
  EXPECT_THAT(refusal(folder / "none/run.csv"),
              HasSubstr("there is no folder " + (folder / "none").string()));
  EXPECT_THAT(refusal(folder.path()), HasSubstr("--csv must be a file, such as "));
}

TEST(OutputFile, IsNotAmongTheCheckpointsOfARunWhichRemovesThem) {
  const TempFolder folder;
  folder.write("run/checkpoints/step-000000010/manifest.json", "");
  for (const char* place : {"run/checkpoints/a.csv", "run/checkpoints/step-000000010/a.csv"})
    EXPECT_THAT(refusal(folder / place), HasSubstr("lies among the checkpoints of the run in ")) << place;
  EXPECT_EQ(refusal(folder / "run/a.csv"), "");
  EXPECT_THROW(check_folder_of("--new-token", folder / "run/checkpoints/token"), Error);
  EXPECT_THROW(require_free_output(folder / "run/checkpoints/step-000000010/model"), Error);
  EXPECT_NO_THROW(require_free_output(folder / "run/model"));
}

TEST(OutputFile, IsNoDeviceNorAPipeWhichARenameWouldReplace) {
  const TempFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const Path& path : {folder / "pipe", Path("/dev/null"), Path("/dev/stdout"), Path("/dev/new.csv")})
    EXPECT_THAT(refusal(path), HasSubstr("which is a device or a pipe"));
}

TEST(OutputFile, MayBeStandardOutputWhereThatMakesSense) {
  EXPECT_THAT(refusal("-"),
              HasSubstr("--csv must be a file (got -, which means standard output); ./- is one"));
  EXPECT_EQ(refusal("./-"), "");
  EXPECT_NO_THROW(check_output_file({.option = "--csv",
                                     .path = "-",
                                     .beginning = "kind,step",
                                     .example = "run.csv",
                                     .may_be_standard_output = true}));
  EXPECT_THROW(refuse_standard_output("--output", "-", "a folder"), Error);
  EXPECT_NO_THROW(refuse_standard_output("--output", "./-", "a folder"));
}

TEST(OutputPath, OfADashIsStandardOutputAndThatOfAnInputIsAFile) {
  EXPECT_TRUE(is_standard_output(read_output_path("-")));
  EXPECT_FALSE(is_standard_output(read_output_path("./-")));
  EXPECT_EQ(read_path("-"), std::filesystem::current_path() / "-") << "a run records absolute paths";
}

}  // namespace
}  // namespace pretrain
