// SPDX-License-Identifier: Apache-2.0
// The export of a recorded checkpoint is, byte for byte, the file that an independent writer made of it.

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

TEST(GoldenExport, GivesTheGgufOfAnIndependentWriter) {
  const TempFolder temp;
  const fs::path output = temp / "export-f16";  // the model's name is in the file
  const auto result =
      run_program(binary(), {"export", "--checkpoint", golden("concat/checkpoints/step-000000380").string(),
                             "--output", output.string(), "--format", "gguf", "--type", "f16"});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_TRUE(read_file(output / "export-f16.gguf") == read_file(golden("gguf/export-f16.gguf")));
}

}  // namespace
}  // namespace pretrain::test
