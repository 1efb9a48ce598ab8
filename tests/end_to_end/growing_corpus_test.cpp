// SPDX-License-Identifier: Apache-2.0
// A folder of dumps that changes while a run reads it.

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{300};

std::string dump_of(uint64_t seed, Compression compression) {
  const auto pages = random_pages(seed, 45, 40'000);
  if (compression == Compression::kBzip2) return multistream(pages, 5);
  std::string plain = kDumpHead;
  for (const std::string& page : pages) plain += page;
  return plain + kDumpFoot;
}

class GrowingCorpus : public testing::TestWithParam<Compression> {
 protected:
  GrowingCorpus() {
    folder_.write("c/dump.xml", dump_of(1, GetParam()));
    folder_.write("c/small.xml", kDumpHead + random_pages(9, 1, 40'000)[0] + kDumpFoot);
  }

  /// Epochs of some hundred steps, of which few batches wait.
  Words run() const {
    return tiny_run(state()) +
           Words{"--corpus", (folder_ / "c").string(), "--vocab", "300", "--queue", "2", "--shuffle-buffer",
                 "200",      "--evaluate-every",       "0"};
  }
  std::filesystem::path state() const { return folder_ / "state"; }
  std::filesystem::path dump() const { return folder_ / "c/dump.xml"; }

  std::string skipped() const { return read_file_if_exists(state() / "skipped.jsonl").value_or(""); }

  /// Trains some steps, changes the dump, and waits for the end.
  template <typename Change>
  ProgramResult train_around(const Change& change) {
    Program program(binary(), run());
    EXPECT_TRUE(program.wait_until([&] { return is_under_way(state(), 5); }, kPatience)) << program.output();
    change();
    return program.wait();
  }

  /// The run ended with a checkpoint and a line about the dump, and continues without it when asked to.
  void expect_named_and_passed_over(const ProgramResult& result, const std::string& what) {
    EXPECT_EQ(result.exit_code, 3) << result.output;
    EXPECT_THAT(result.output, HasSubstr("shard dump.xml changed since the epoch began: " + what));
    EXPECT_THAT(result.output, HasSubstr("--on-changed skip"));
    const uint64_t step = last_step(state());
    ASSERT_FALSE(list_checkpoints(state()).empty());
    EXPECT_EQ(list_checkpoints(state()).front().step, step);
    const auto resumed =
        run_program(binary(), run() + Words{"--on-changed", "skip", "--steps", std::to_string(step + 3)});
    EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
    EXPECT_EQ(last_step(state()), step + 3);
    EXPECT_THAT(skipped(), HasSubstr("shard changed since the epoch began"));
  }

  TempFolder folder_;
};

TEST_P(GrowingCorpus, ADumpThatIsCutShortEndsTheRunWithACheckpoint) {
  const auto result =
      train_around([&] { std::filesystem::resize_file(dump(), std::filesystem::file_size(dump()) / 20); });
  expect_named_and_passed_over(result, "it ");
}

TEST_P(GrowingCorpus, ADumpThatIsReplacedEndsTheRunWithACheckpoint) {
  const auto result = train_around([&] {
    folder_.write("new", dump_of(2, GetParam()));
    std::filesystem::rename(folder_ / "new", dump());
  });
  expect_named_and_passed_over(result, "it has ");
}

TEST_P(GrowingCorpus, ADumpThatVanishesEndsTheRunWithACheckpoint) {
  expect_named_and_passed_over(train_around([&] { std::filesystem::remove(dump()); }), "it is gone");
}

INSTANTIATE_TEST_SUITE_P(Forms, GrowingCorpus, testing::Values(Compression::kNone, Compression::kBzip2),
                         [](const auto& form) { return std::string(compression_name(form.param)); });

/// Epochs of a few steps; a page without text shows in skipped.jsonl when its shard is read.
TEST(ShardAddedToACorpus, JoinsAtTheNextEpochOnceItsCopyIsComplete) {
  const TempFolder folder;
  const auto state = folder / "state";
  const std::string faulty = "<page><title>F</title><ns>0</ns><revision></revision></page>";
  folder.write("c/old.xml", kDumpHead + random_pages(1, 1, 20'000)[0] + kDumpFoot);
  const auto epoch = [&] {
    const auto all = steps(state);
    return all.empty() ? 0 : all.back()["epoch"].get<uint64_t>();
  };
  const auto skipped = [&] { return read_file_if_exists(state / "skipped.jsonl").value_or(""); };
  Program program(binary(), tiny_run(state) + Words{"--corpus", (folder / "c").string(), "--vocab", "300",
                                                    "--batch", "2", "--evaluate-every", "0"});
  ASSERT_TRUE(program.wait_until([&] { return epoch() >= 1; }, kPatience)) << program.output();
  folder.write("c/new.xml.part", kDumpHead + faulty + page_of("N", "new words") + kDumpFoot);
  const uint64_t begun = epoch();
  ASSERT_TRUE(program.wait_until([&] { return epoch() >= begun + 2; }, kPatience)) << program.output();
  EXPECT_THAT(skipped(), Not(HasSubstr("new.xml")));
  std::filesystem::rename(folder / "c/new.xml.part", folder / "c/new.xml");
  EXPECT_TRUE(
      program.wait_until([&] { return skipped().find("\"new.xml\"") != std::string::npos; }, kPatience))
      << program.output();
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().exit_code, 0);
}

}  // namespace
}  // namespace pretrain::test
