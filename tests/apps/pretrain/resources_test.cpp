// SPDX-License-Identifier: Apache-2.0
// Whether a run fits into memory and disk is told before it starts.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/pretrain/report.h"
#include "libs/base/error.h"
#include "libs/checkpoint/verify.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Resources : public testing::Test {
 protected:
  /// What is said when the run is refused, else "".
  std::string refusal(const KeyValues& more, uint64_t available_bytes) const {
    KeyValues given{{"corpus", "/wiki"}, {"model", "tiny"}, {"state", folder_.path().string()}};
    for (const auto& [key, value] : more) given[key] = value;
    const RunConfiguration config = to_configuration(resolve(given));
    try {
      check_resources(config, ParameterLayout(config.model),
                      {.processor = "one for tests",
                       .cores = 64,
                       .memory_bytes = available_bytes,
                       .available_bytes = available_bytes});
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.what();
    }
    return "";
  }

  static constexpr uint64_t kMuch = uint64_t{1} << 60;
  const test::TempFolder folder_;
};

TEST_F(Resources, ThatSufficeAreNoFault) {
  EXPECT_EQ(refusal({{"shuffle-buffer", "100"}}, 1'000'000'000), "");
}

TEST_F(Resources, OfTooLittleMemoryAreRefusedWithBothNumbers) {
  EXPECT_THAT(refusal({{"shuffle-buffer", "100"}}, 1'000'000),
              AllOf(HasSubstr("of memory"), HasSubstr("1.00 MB"), HasSubstr("--shuffle-buffer")));
}

TEST_F(Resources, CountTheBuffersAndTheQueueOfTheLoader) {
  EXPECT_EQ(refusal({{"shuffle-buffer", "1000"}, {"queue", "32"}}, 500'000'000), "");
  // Three million sequences of 33 tokens in 16 bits, with lengths and origins, in place and in a checkpoint.
  EXPECT_THAT(refusal({{"shuffle-buffer", "3000000"}}, 500'000'000), HasSubstr("of memory"));
  EXPECT_THAT(refusal({{"queue", "100000"}}, 500'000'000), HasSubstr("of memory"));
}

TEST_F(Resources, OfTooLittleDiskAreRefusedForANewRunOnly) {
  const KeyValues many{{"shuffle-buffer", "100"}, {"keep", "1000000"}, {"d-model", "1024"}, {"layers", "8"}};
  EXPECT_THAT(refusal(many, kMuch), AllOf(HasSubstr("free"), HasSubstr("1000001 checkpoints"),
                                          HasSubstr("--state"), Not(HasSubstr("of memory"))));
  std::filesystem::create_directories(checkpoints_folder(folder_.path()) / checkpoint_name(5));
  folder_.write("checkpoints/" + checkpoint_name(5) + "/manifest.json", "{}");
  EXPECT_EQ(refusal(many, kMuch), "") << "what is there counts towards what is kept";
}

TEST_F(Resources, AreComparedWithTheThreads) {
  testing::internal::CaptureStdout();  // where the log goes before the program has set it up
  EXPECT_EQ(refusal({{"threads", "65"}, {"workers", "64"}}, kMuch), "");
  const std::string output = testing::internal::GetCapturedStdout();
  EXPECT_THAT(output,
              AllOf(HasSubstr("--threads 65 is more than the 64 cores"), Not(HasSubstr("--workers"))));
}

}  // namespace
}  // namespace pretrain
