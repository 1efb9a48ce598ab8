// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/processor_choice.h"

#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/tensor/peak.h"
#include "libs/tensor/precision.h"
#include "libs/tensor/product_kernel.h"

namespace pretrain {
namespace {

using testing::HasSubstr;

/// The message that this value of PRETRAIN_CPU ends with; it changes no limit.
std::string refusal(const std::string& value) {
  setenv("PRETRAIN_CPU", value.c_str(), 1);
  std::string message = "accepted";
  try {
    limit_processor();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    message = error.what();
  }
  unsetenv("PRETRAIN_CPU");
  return message;
}

TEST(ProcessorChoice, WithoutTheVariableNothingIsLimited) {
  unsetenv("PRETRAIN_CPU");
  const std::string before = vector_target();
  limit_processor();
  EXPECT_EQ(vector_target(), before);
}

#if defined(__x86_64__)
TEST(ProcessorChoice, AnUnknownNameIsRefusedWithThoseThereAre) {
  for (const char* value : {"", "AVX2", "avx", "avx2 ", "avx\n2"}) {
    const std::string message = refusal(value);
    EXPECT_THAT(message, HasSubstr("PRETRAIN_CPU must be one of portable, sse4, avx2")) << value;
    EXPECT_EQ(message.find('\n'), std::string::npos) << value;
  }
}

TEST(ProcessorChoice, WhatTheProcessorLacksIsRefusedWithWhatItHas) {
  for (const InstructionSet& set : instruction_sets()) {
    if (set.is_supported) continue;
    EXPECT_THAT(refusal(std::string(set.name)), HasSubstr("this processor supports portable")) << set.name;
  }
}

TEST(ProcessorChoice, ASupportedNameLimitsTheKernels) {
  const KernelShape best = kernel_shape(Precision::kFloat32);
  EXPECT_EQ(refusal("portable"), "accepted");
  EXPECT_FALSE(multiplies_bf16());
  EXPECT_THAT(vector_target(), testing::Not(HasSubstr("AVX")));
  EXPECT_LT(kernel_shape(Precision::kFloat32).panel_columns, best.panel_columns)
      << "the kernels are others, too";
  for (const InstructionSet& set : instruction_sets()) {
    if (!set.is_supported) continue;
    EXPECT_EQ(refusal(std::string(set.name)), "accepted") << set.name;
  }  // the last one is the best
}
#endif

}  // namespace
}  // namespace pretrain
