// SPDX-License-Identifier: Apache-2.0
// What lies in and below the folders that a run reads: its own state, folders in another order, places that
// are skipped in each epoch.

#include <algorithm>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/corpus/blocks.h"
#include "tests/end_to_end/run.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string sample_file(const char* name) {
  return read_file(Path(sample_corpus()) / name);
}

/// Epochs of some hundred steps.
Words short_epochs(const Path& state) {
  return tiny_run(state) + Words{"--shuffle-buffer", "200", "--queue", "2", "--evaluate-every", "0"};
}

TEST(StateFolderBelowTheCorpus, IsLeftOutOfItInEveryEpochAndByEveryCommand) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "wiki");
  folder.write("wiki/wiki_00", sample_file("wiki_00"));
  const Path corpus = folder / "wiki";
  const Path state = corpus / "run";
  const Words command = short_epochs(state) + Words{"--corpus", corpus.string(), "--checkpoint-every", "100"};
  const auto run = run_program(binary(), command + Words{"--steps", "300"});
  ASSERT_EQ(run.exit_code, 0) << run.output;
  EXPECT_GE(steps(state).back()["epoch"], 1) << "this corpus is too large for the test";
  EXPECT_THAT(run.output, HasSubstr("not read: run: the state folder of a run"));
  const auto again = run_program(binary(), command + Words{"--steps", "310"});
  EXPECT_EQ(again.exit_code, 0) << again.output;

  const auto inspected = run_program(binary(), {"inspect", corpus.string()});
  EXPECT_EQ(inspected.exit_code, 0) << inspected.output;
  EXPECT_THAT(inspected.output, HasSubstr("1 file, "));
  EXPECT_THAT(inspected.output, HasSubstr("run: the state folder of a run"));
  EXPECT_THAT(inspected.output, Not(HasSubstr("metrics.jsonl")));
  const auto tokens_of = [&](const Path& text) {
    return run_program(binary(), {"eval", "--checkpoint", state.string(), "--corpus", text.string()}).output;
  };
  const std::string whole = tokens_of(corpus);
  const std::string file = tokens_of(corpus / "wiki_00");
  ASSERT_NE(whole.find("\nloss "), std::string::npos) << whole;
  EXPECT_EQ(whole.substr(whole.find("\nloss ")), file.substr(file.find("\nloss ")));
}

TEST(FoldersWithFilesOfTheSameName, MayBeGivenInAnotherOrderAndWithAFurtherOne) {
  const TempFolder folder;
  for (const char* name : {"en", "fr", "de"}) std::filesystem::create_directories(folder / name / "AA");
  folder.write("en/AA/wiki_00", sample_file("wiki_00"));
  folder.write("fr/AA/wiki_00", sample_file("wiki_01"));
  folder.write("de/AA/wiki_00", sample_file("wiki_02"));
  const auto train = [&](const Path& state, const std::vector<const char*>& inputs, const char* limit) {
    Words command = short_epochs(state) + Words{"--steps", limit};
    std::erase(command, "--corpus");
    std::erase(command, sample_corpus());
    command.emplace_back("--corpus");
    for (const char* input : inputs) command.push_back((folder / input).string());
    const auto run = run_program(binary(), command);
    EXPECT_EQ(run.exit_code, 0) << run.output;
  };
  train(folder / "straight", {"en", "fr"}, "400");
  EXPECT_GE(steps(folder / "straight").back()["epoch"], 1) << "this corpus is too large for the test";
  train(folder / "turned", {"en", "fr"}, "40");
  train(folder / "turned", {"fr", "en"}, "400");
  EXPECT_EQ(state_hashes(folder / "turned", 400), state_hashes(folder / "straight", 400));
  train(folder / "turned", {"de", "fr", "en"}, "800");
}

TEST(StartOfARun, SaysWhatIsNotReadByReasonAndHowMuchIsNotUtf8) {
  const TempFolder folder;
  folder.write("c/wiki_00", sample_file("wiki_00"));
  for (const char* name : {"a", "b", "c", "d"}) folder.write(std::string("c/x.") + name, "");
  folder.write("c/y.zip", "PK\x03\x04");
  std::string latin = sample_file("wiki_01");
  latin.erase(latin.find("<doc"), 4);
  for (int i = 0; i < 3000; ++i) latin += "caf\xE9 ";
  folder.write("c/late.txt", std::string(66'000, 'a') + latin);
  const auto run = run_program(
      binary(), short_epochs(folder / "run") + Words{"--corpus", (folder / "c").string(), "--steps", "1"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("not read: 4 files, such as x.a: empty"));
  EXPECT_THAT(run.output, HasSubstr("not read: y.zip: damaged archive"));
  EXPECT_THAT(run.output, HasSubstr("% of the text is not UTF-8 and is read as U+FFFD"));
}

TEST(CorpusOfOneShortDocument, ThatIsHeldOutIsRefusedWithARemedyThatWorks) {
  const TempFolder folder;
  const auto book = [](int number) { return std::to_string(number) + " " + random_text(1, 20'000); };
  int number = 0;
  while (!is_held_out(book(number), 0.5)) ++number;
  folder.write("c/book", book(number));
  const Words command = tiny_run(folder / "run") + Words{"--corpus", (folder / "c").string(), "--steps", "2"};
  const auto refused = run_program(binary(), command + Words{"--validation-fraction", "0.5"});
  EXPECT_EQ(refused.exit_code, 3) << refused.output;
  EXPECT_THAT(refused.output, HasSubstr("all of the corpus is held out for validation; add text, or give "
                                        "--validation-fraction 0"));
  const auto run = run_program(binary(), command + Words{"--validation-fraction", "0"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
}

TEST(SkippedPlaces, AreTheSameInARunThatWasResumedFromTheMiddle) {
  const TempFolder folder;
  folder.write("c/wiki_00", sample_file("wiki_00"));
  std::string lines;
  for (int i = 0; i < 40; ++i)
    lines += i % 4 == 0 ? "{\"text\": broken}\n" : "{\"text\": \"words of a line\"}\n";
  folder.write("c/damaged.jsonl", lines);
  const auto train = [&](const Path& state, const Words& more) {
    const auto run = run_program(
        binary(), short_epochs(state) +
                      Words{"--corpus", (folder / "c").string(), "--checkpoint-every", "50", "--keep", "20"} +
                      more);
    EXPECT_EQ(run.exit_code, 0) << run.output;
  };
  train(folder / "straight", {"--steps", "300"});
  const std::string expected = read_file(folder / "straight/skipped.jsonl");
  EXPECT_EQ(std::ranges::count(expected, '\n'), 10);
  EXPECT_THAT(expected, HasSubstr("\"epoch\":0"));
  train(folder / "resumed", {"--steps", "300"});
  for (int resumes = 0; resumes < 2; ++resumes) {
    const auto back = run_program(
        binary(), {"resume", "--state", (folder / "resumed").string(), "--from", "50", "--steps", "300"});
    ASSERT_EQ(back.exit_code, 0) << back.output;
  }
  EXPECT_EQ(read_file(folder / "resumed/skipped.jsonl"), expected);
}

}  // namespace
}  // namespace pretrain::test
