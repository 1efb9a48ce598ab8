// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/limit_check.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const RunNeeds kNeeds{.memory_bytes = 50'000'000,
                      .model_bytes = 3'000'000,
                      .optimizer_bytes = 6'000'000,
                      .stream_bytes = 9'000'000,
                      .files = 30,
                      .memory_remedy = [](uint64_t left) { return "use " + std::to_string(left); }};

/// What is said when the run is refused, else "".
std::string refusal(const RunNeeds& needs, const ProcessLimits& limits) {
  try {
    check_process_limits(needs, limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error.what();
  }
  return "";
}

TEST(LimitCheck, TakesARunThatFitsExactly) {
  EXPECT_EQ(refusal(kNeeds, {}), "");
  EXPECT_EQ(refusal(kNeeds, {.file_bytes = 64'000'000, .more_files = 30, .more_memory = 50'000'000}), "");
}

TEST(LimitCheck, RefusesALimitBelowTheLargestFileThatEachCheckpointHas) {
  EXPECT_THAT(refusal(kNeeds, {.file_bytes = 5'999'999}),
              AllOf(HasSubstr("optimizer.safetensors has 6.00 MB"), HasSubstr("(ulimit -f)")));
  RunNeeds light = kNeeds;
  light.optimizer_bytes = 1'000'000;
  EXPECT_THAT(refusal(light, {.file_bytes = 2'999'999}), HasSubstr("model.safetensors has 3.00 MB"));
}

TEST(LimitCheck, WarnsOfALimitThatAFileMayReachLater) {
  testing::internal::CaptureStdout();  // where the log goes before the program has set it up
  EXPECT_EQ(refusal(kNeeds, {.file_bytes = 8'000'000}), "");
  EXPECT_THAT(
      testing::internal::GetCapturedStdout(),
      AllOf(HasSubstr("stream.safetensors of a checkpoint may reach 9.00 MB"), HasSubstr("(ulimit -f)")));
}

TEST(LimitCheck, RefusesTooFewOpenFilesAndTooLittleMemory) {
  EXPECT_THAT(refusal(kNeeds, {.more_files = 27}),
              AllOf(HasSubstr("(ulimit -n)"), HasSubstr("raise it by 3")));
  EXPECT_THAT(refusal(kNeeds, {.more_memory = 49'999'999}),
              AllOf(HasSubstr("ulimit -v"), HasSubstr("raise them, or use 49999999")));
}

}  // namespace
}  // namespace pretrain
