// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/memory_advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pretrain {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MemoryAdvice, NamesOptionsThatTheCommandTakes) {
  EXPECT_THAT(memory_advice({"train", "--corpus", "x"}), HasSubstr("--batch"));
  EXPECT_THAT(memory_advice({"--corpus", "x"}), HasSubstr("--batch"));
  EXPECT_THAT(memory_advice({}), HasSubstr("--batch"));
  for (const char* command :
       {"resume", "eval", "generate", "tokenizer", "inspect", "bench", "export", "presets", "serve", "report",
        "dashboard", "export-metrics", "plan", "join", "status"})
    EXPECT_THAT(memory_advice({command}), Not(HasSubstr("--batch"))) << command;
  EXPECT_THAT(memory_advice({"join", "192.168.1.10"}), HasSubstr("--threads"));
  EXPECT_THAT(memory_advice({"generate", "--samples", "256"}), HasSubstr("fewer --samples"));
}

}  // namespace
}  // namespace pretrain
