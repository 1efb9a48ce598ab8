// SPDX-License-Identifier: Apache-2.0
// The export of a recorded checkpoint is, byte for byte, the file that an independent writer made of it.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/file.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;

fs::path golden(const std::string& name) {
  return source_folder() / "tests/golden/data" / name;
}

/// Exports a model and compares the file with the recorded one.
void expect_recorded(const std::string& model, const std::string& type) {
  const TempFolder temp;
  const std::string name = fmt::format("export-{}", type);  // the model's name is in the file
  const fs::path output = temp / name;
  const auto result = run_program(binary(), {"export", "--checkpoint", golden(model).string(), "--output",
                                             output.string(), "--format", "gguf", "--type", type});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  const std::string file = fmt::format("{}.gguf", name);
  EXPECT_TRUE(read_file(output / file) == read_file(golden("gguf") / file));
}

TEST(GoldenExport, GivesTheGgufOfAnIndependentWriter) {
  expect_recorded("concat/checkpoints/step-000000380", "f16");
}

/// With fewer key-value heads than heads, rows in another order than here, and a head of its own.
TEST(GoldenExport, GivesTheSameForLlama) {
  expect_recorded("llama", "q8_0");
}

}  // namespace
}  // namespace pretrain::test
