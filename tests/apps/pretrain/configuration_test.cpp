#include "apps/pretrain/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

using testing::HasSubstr;

TEST(MergeForResume, TakesWhatMayChangeAndKeepsTheRest) {
  const KeyValues saved = resolve({{"corpus", "/wiki"}, {"model", "tiny"}, {"steps", "100"}});
  const KeyValues merged = merge_for_resume(saved, {{"steps", "300"}, {"grad-clip", "1"}});
  EXPECT_EQ(merged.at("steps"), "300");
  EXPECT_EQ(merged.at("model"), "tiny");
  EXPECT_EQ(merged.at("corpus"), "/wiki");
}

TEST(MergeForResume, RefusesAnotherValueOfAFixedKeyAndNamesBoth) {
  const KeyValues saved = resolve({{"corpus", "/wiki"}, {"model", "tiny"}});
  try {
    merge_for_resume(saved, {{"seed", "7"}});
    FAIL() << "another seed was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_THAT(error.what(), HasSubstr("--seed 7 (the run has 1)"));
  }
}

}  // namespace
}  // namespace pretrain
