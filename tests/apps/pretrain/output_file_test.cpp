// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace pretrain
