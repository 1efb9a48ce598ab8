// SPDX-License-Identifier: Apache-2.0
// What a run is evaluated on and what is said about it, and `pretrain eval`.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Words one_epoch(const Path& state) {
  return tiny_run(state) + Words{"--epochs", "1", "--evaluate-every", "0"};
}

uint64_t tokens_of_an_epoch(const Path& state, const Words& more) {
  const auto run = run_program(binary(), one_epoch(state) + more);
  EXPECT_EQ(run.exit_code, 0) << run.output;
  return steps(state).back()["tokens"].get<uint64_t>();
}

TEST(Evaluation, OnAnotherCorpusLeavesAllOfTheTrainingCorpusToTraining) {
  const TempFolder folder;
  folder.write("other/text", read_file(Path(sample_corpus()) / "wiki_00").substr(0, 30'000));
  const Words other{"--validation-corpus", (folder / "other").string()};
  const uint64_t all = tokens_of_an_epoch(folder / "all", {"--validation-fraction", "0"});
  EXPECT_EQ(tokens_of_an_epoch(folder / "other_run", other), all);
  EXPECT_EQ(tokens_of_an_epoch(folder / "none", {"--validation-tokens", "0"}), all);
  EXPECT_LT(tokens_of_an_epoch(folder / "usual", {}), all);
  // Asked for, it is done, and said.
  const auto run = run_program(
      binary(), one_epoch(folder / "asked") + other + Words{"--validation-fraction", "0.1", "--steps", "1"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("--validation-fraction holds out 10 % of the training corpus"));
}

/// What is said of the evaluation set.
std::string output_with(const Path& state, const Words& more) {
  const auto run = run_program(binary(), tiny_run(state) + Words{"--steps", "1"} + more);
  EXPECT_EQ(run.exit_code, 0) << run.output;
  return run.output;
}

TEST(Evaluation, OfLessThanASequenceIsDoneAndOneOfNothingSaysWhy) {
  const TempFolder folder;
  EXPECT_THAT(output_with(folder / "few", {"--validation-tokens", "10"}),
              AllOf(HasSubstr("evaluation set: 1 sequence, 10 tokens"), Not(HasSubstr("no validation"))));
  EXPECT_THAT(output_with(folder / "zero", {"--validation-tokens", "0"}),
              AllOf(HasSubstr("no validation: --validation-tokens is 0"), Not(HasSubstr("warning: no "))));
  EXPECT_THAT(output_with(folder / "off", {"--validation-fraction", "0"}),
              HasSubstr("no validation: --validation-fraction is 0"));
  EXPECT_THAT(output_with(folder / "unlucky", {"--validation-fraction", "0.000001"}),
              HasSubstr("the corpus is too small to hold out a share"));
}

TEST(Evaluation, OfACorpusIsOfExactlyTheTokensThatAreAskedFor) {
  const TempFolder folder;
  const Path state = folder / "run";
  (void)output_with(state, {});
  const auto eval = [&](const Words& more) {
    const auto run = run_program(
        binary(), Words{"eval", "--checkpoint", state.string(), "--corpus", sample_corpus()} + more);
    EXPECT_EQ(run.exit_code, 0) << run.output;
    return run.output;
  };
  for (const char* tokens : {"1", "10", "32", "100"})
    EXPECT_THAT(eval({"--tokens", tokens}), HasSubstr(std::string(": ") + tokens + " token"));
  EXPECT_THAT(eval({}), HasSubstr("bits per byte"));
  folder.write("byte", "a");
  const std::string byte = eval({"--corpus", (folder / "byte").string()});
  EXPECT_THAT(byte, AllOf(HasSubstr(": 1 token, "), HasSubstr("no bits per byte"), Not(HasSubstr("0.0000"))));
}

TEST(Evaluation, ThreadsBeyondTheCoresAreSaidOnce) {
  const TempFolder folder;
  const std::string output = output_with(folder / "run", {"--threads", "300"});
  const size_t at = output.find("warning: --threads 300 is more");
  ASSERT_NE(at, std::string::npos) << output;
  EXPECT_EQ(output.find("--threads 300 is more", at + 20), std::string::npos) << output;
  EXPECT_THAT(output_with(folder / "more", {"--workers", "300"}),
              HasSubstr("warning: --workers 300 is more"));
  EXPECT_THAT(output_with(folder / "one", {"--workers", "1"}), Not(HasSubstr("warning: --workers")));
}

}  // namespace
}  // namespace pretrain::test
