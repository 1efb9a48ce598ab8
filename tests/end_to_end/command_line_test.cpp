// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

/// One line that names what is wrong, and the exit code.
void expect_refusal(const Words& words, int exit_code, const std::string& part) {
  const auto result = run_program(binary(), words);
  EXPECT_EQ(result.exit_code, exit_code) << result.output;
  EXPECT_NE(result.output.find(part), std::string::npos) << result.output;
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
}

TEST(CommandLine, RefusesBadUsageWithOneLineAndCode2) {
  const TempFolder folder;
  const std::string state = (folder / "s").string();
  expect_refusal({"fly"}, 2, "'fly' is not a command");
  expect_refusal({"--corpus", sample_corpus(), "--state", state, "--setps", "3"}, 2, "--setps");
  expect_refusal({"--corpus", sample_corpus(), "--state", state, "--model", "huge"}, 2,
                 "--model must be base, large,");
  expect_refusal({"presets", "large", "lareg"}, 2, "name must be base, large,");
  expect_refusal({"--corpus", sample_corpus(), "--state", state, "--batch", "0"}, 2,
                 "--batch must be an integer between 1 and 1,000,000 (got 0)");
  expect_refusal({"--corpus", sample_corpus(), "--state", state, "--batch", "4x"}, 2,
                 "--batch must be an integer between 1 and 1,000,000 (got 4x)");
  expect_refusal({"--corpus", sample_corpus(), "--state", state, "--learning-rate", "nan"}, 2,
                 "--learning-rate must be a number between 0 and 10 (got nan)");
  expect_refusal({"--corpus", sample_corpus(), "--state", state, "--schedule", "cosine"}, 2, "cosine needs");
  expect_refusal({"--corpus", sample_corpus(), "--state", state, "--heads", "7"}, 2, "heads");
  expect_refusal({"--corpus", sample_corpus(), "--state", state, "--time", "soon"}, 2,
                 "--time must be a duration such as 90s, 10min, 2h or 1d12h (got soon)");
  expect_refusal({"--corpus", sample_corpus(), "--state", state, "--keep", "1"}, 2,
                 "--keep must be an integer between 2 and 1,000,000 (got 1)");
  expect_refusal({"train", "--state", state}, 2, "--corpus is missing");
  expect_refusal({"--lr", "1"}, 2, "did you mean --learning-rate?");
  expect_refusal({sample_corpus()}, 2, "pretrain train --corpus");
  expect_refusal({"chat"}, 2, "did you mean pretrain generate?");
  expect_refusal({"trian"}, 2, "did you mean pretrain train?");
  expect_refusal({"train", "--config", (folder / "none.ini").string()}, 2, "none.ini");
  folder.write("help.ini", "helpp = 1\n");
  expect_refusal({"train", "--config", (folder / "help.ini").string()}, 2,
                 "unknown key 'helpp'; see pretrain train --help");
  expect_refusal({"train", "--corpus", sample_corpus(), "--state", ""}, 2, "--state has no value");
  expect_refusal({"train", "--corpus", "https://example.org/x", "--state", state}, 2, "download");
  expect_refusal({"generate", "--checkpoint", state, "--top-k", "-1"}, 2, "--top-k must be");
  expect_refusal({"generate", "--checkpoint", state, "--temperature", "-1"}, 2, "--temperature must be");
  expect_refusal({"generate", "--checkpoint", state, "--top-p", "0"}, 2, "--top-p must be");
  expect_refusal({"generate", "--checkpoint", state, "--threads", "100000"}, 2,
                 "--threads must be an integer between 0 and 1,024 (got 100000)");
  expect_refusal({"export", "--output", state}, 2, "--checkpoint is missing");
  expect_refusal({"eval", "--checkpoint", state, "--threads", "-5"}, 2, "--threads must be");
  expect_refusal({"eval", "--checkpoint", state}, 2, "--corpus is missing");
  expect_refusal({"tokenizer", "train", "--corpus", state, "--output", state, "--vocab", "-5"}, 2,
                 "(got -5)");
  expect_refusal({"tokenizer", "encod"}, 2, "did you mean encode?");
  expect_refusal({"inspect"}, 2, "the path is missing");
  expect_refusal({"bench", "--model", "Base"}, 2, "did you mean base?");
  expect_refusal({"resume", "--from", "-3", "--state", state}, 2, "--from must be");
  expect_refusal({"inspect", sample_corpus(), "--documents", "pages"}, 2,
                 "--documents must be files or paragraphs (got pages)");
  expect_refusal({"inspect", sample_corpus(), "--show", "-3"}, 2, "--show must be");
  expect_refusal({"inspect", sample_corpus(), "--tokens-per-second", "0"}, 2, "--tokens-per-second must be");
  expect_refusal({"eval", "--checkpoint", state, "--corpus", state, "--namespaces", "x"}, 2,
                 "--namespaces must be integers separated by commas, such as 0 or 0,14 (got x)");
  expect_refusal({"eval", "--checkpoint", state, "--corpus", state, "--on-changed", "x"}, 2,
                 "--on-changed must be fail or skip (got x)");
  expect_refusal({"tokenizer", "train", "--corpus", state, "--output", state, "--disambiguation", "x"}, 2,
                 "--disambiguation must be keep or drop (got x)");
  EXPECT_FALSE(folder_exists(state)) << "a refused command leaves nothing behind";
}

TEST(CommandLine, RefusesAnUnusableCorpusOrCheckpointWithCode3) {
  const TempFolder folder;
  folder.write("empty/nothing.bin", std::string(100, '\0'));
  const std::string state = (folder / "s").string();
  const auto missing = run_program(binary(), {"--corpus", (folder / "missing").string(), "--state", state});
  EXPECT_EQ(missing.exit_code, 3) << missing.output;
  const auto unreadable = run_program(binary(), {"--corpus", (folder / "empty").string(), "--state", state});
  EXPECT_EQ(unreadable.exit_code, 3) << unreadable.output;
  EXPECT_EQ(run_program(binary(), {"resume", "--state", (folder / "none").string()}).exit_code, 3);
  EXPECT_EQ(run_program(binary(), {"generate", "--checkpoint", folder.path().string()}).exit_code, 3);
}

TEST(CommandLine, ACorpusSmallerThanABatchEndsInAClearError) {
  const TempFolder folder;
  folder.write("corpus/a.txt", "A short text about nothing in particular, and then it ends.");
  const auto run =
      run_program(binary(), {"--corpus", (folder / "corpus").string(), "--state", (folder / "s").string(),
                             "--model", "tiny", "--validation-fraction", "0", "--sample-tokens", "0"});
  EXPECT_EQ(run.exit_code, 3) << run.output;
  EXPECT_NE(run.output.find("less than one batch"), std::string::npos) << run.output;
}

TEST(CommandLine, StopsDuringVocabularyTrainingAndLeavesNoRun) {
  const auto data = real_data_folder();
  if (!data) GTEST_SKIP() << "needs the real text";
  const TempFolder folder;
  const auto state = folder / "s";
  Program program(binary(), {"--corpus", (*data / "enwiki-2018").string(), "--state", state.string()});
  program.wait_until([&] { return file_exists(state / "lock"); }, std::chrono::seconds(60));
  program.signal(SIGTERM);
  const auto result = program.wait();
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_TRUE(list_checkpoints(state).empty());
}

TEST(CommandLine, KeysComeFromCommandLineThenEnvironmentThenFile) {
  const TempFolder folder;
  const auto state = folder / "run";
  const auto file = folder.write("run.ini", "steps = 9\nbatch = 4\nlearning-rate = 0.5\n");
  setenv("PRETRAIN_STEPS", "2", 1);
  setenv("PRETRAIN_LEARNING_RATE", "0.25", 1);
  const Words words{
      "--corpus", sample_corpus(), "--state",     state.string(),    "--model", "tiny",     "--sample-tokens",
      "0",        "--config",      file.string(), "--learning-rate", "0.001",   "--warmup", "0"};
  const auto run = run_program(binary(), words);
  unsetenv("PRETRAIN_STEPS");
  unsetenv("PRETRAIN_LEARNING_RATE");
  ASSERT_EQ(run.exit_code, 0) << run.output;
  ASSERT_EQ(steps(state).size(), 2U);
  EXPECT_EQ(steps(state).back()["learning_rate"], 0.001);
  EXPECT_EQ(steps(state).back()["tokens"], 2 * 4 * 32);
}

TEST(CommandLine, RefusesAMisspeltVariable) {
  const Surroundings wrong{.environment = {{"PRETRAIN_LEARNINGRATE", "1"}}};
  for (const Words& words :
       {Words{"train", "--corpus", sample_corpus()}, Words{"inspect", sample_corpus()}}) {
    const auto run = run_program(binary(), words, wrong);
    EXPECT_EQ(run.exit_code, 2) << run.output;
    EXPECT_NE(run.output.find("did you mean PRETRAIN_LEARNING_RATE?"), std::string::npos) << run.output;
  }
}

TEST(CommandLine, EveryHelpFitsEightyColumns) {
  for (const Words& words :
       {Words{"--help"}, Words{"train", "--help"}, Words{"resume", "--help"}, Words{"report", "--help"},
        Words{"dashboard", "--help"}, Words{"serve", "--help"}, Words{"export-metrics", "--help"},
        Words{"eval", "--help"}, Words{"generate", "--help"}, Words{"inspect", "--help"},
        Words{"bench", "--help"}, Words{"tokenizer", "--help"}, Words{"tokenizer", "train", "--help"},
        Words{"tokenizer", "encode", "--help"}, Words{"tokenizer", "decode", "--help"},
        Words{"help", "train"}}) {
    const auto help = run_program(binary(), words);
    EXPECT_EQ(help.exit_code, 0) << help.output;
    std::istringstream lines(help.output);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  }
  EXPECT_EQ(run_program(binary(), {"help", "train"}).output,
            run_program(binary(), {"train", "--help"}).output);
  EXPECT_EQ(run_program(binary(), {"--help", "train"}).output,
            run_program(binary(), {"train", "--help"}).output);
  EXPECT_EQ(run_program(binary(), {"-V"}).output, run_program(binary(), {"--version"}).output);
}

TEST(CommandLine, TheVersionNamesCommitBuildAndLibrariesAndNoPath) {
  const std::string text = run_program(binary(), {"--version"}).output;
  EXPECT_THAT(text,
              testing::MatchesRegex("pretrain [0-9]+\\.[0-9]+\\.[0-9]+\ncommit [0-9a-z+]+\nbuild [^\n]+\n"
                                    "libraries\n(  [A-Za-z0-9+ ]+ [0-9][0-9.]*\n)+"));
  EXPECT_EQ(text.find('/'), std::string::npos) << text;
  const std::string version = text.substr(9, text.find('\n') - 9);
  EXPECT_THAT(read_file(source_folder() / "CHANGELOG.md"), testing::HasSubstr("\n## [" + version + "] - 20"));
}

TEST(CommandLine, ChecksAConfigurationWithoutStarting) {
  const TempFolder folder;
  const auto state = folder / "run";
  Words words = tiny_run(state) + Words{"--steps", "2"};
  words.push_back("--check");
  const auto well = run_program(binary(), words);
  EXPECT_EQ(well.exit_code, 0) << well.output;
  EXPECT_NE(well.output.find("check passed"), std::string::npos) << well.output;
  EXPECT_FALSE(folder_exists(state)) << "a check leaves nothing behind";
  EXPECT_EQ(
      run_program(binary(), {"--check", "--corpus", (folder / "no").string(), "--state", state.string()})
          .exit_code,
      3);
  EXPECT_EQ(run_program(binary(), {"--check", "--corpus", sample_corpus(), "--heads", "7"}).exit_code, 2);
  EXPECT_EQ(run_program(binary(), {"--check", "--corpus", sample_corpus(), "--state", state.string(),
                                   "--batch", "1000000", "--shuffle-buffer", "100000000"})
                .exit_code,
            2);
}

TEST(CommandLine, ARunLeavesAConfigurationThatBeginsTheSameRun) {
  const TempFolder folder;
  const auto state = folder / "run";
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "3", "--beta2", "0.9"}).exit_code, 0);
  const auto again = run_program(
      binary(), {"--config", (state / "run.ini").string(), "--state", (folder / "again").string()});
  ASSERT_EQ(again.exit_code, 0) << again.output;
  EXPECT_EQ(state_hashes(folder / "again", 3), state_hashes(state, 3));
}

TEST(CommandLine, TellsOfOptionsThatHaveNoEffect) {
  const TempFolder folder;
  const std::string golden = (source_folder() / "tests/golden/data/llama").string();
  const auto expect = [](const Words& words, const std::string& text) {
    const auto run = run_program(binary(), words);
    EXPECT_EQ(run.exit_code, 0) << run.output;
    EXPECT_NE(run.output.find(text), std::string::npos) << text << " in " << run.output;
  };
  expect({"join", "127.0.0.1", "--new-secret", (folder / "secret").string()}, "--head has no effect");
  expect({"dashboard", folder.path().string(), "--new-token", (folder / "token").string()},
         "--state has no effect");
  expect({"help", "--format", "man", "--output", (folder / "share").string()}, "--format has no effect");
  expect({"inspect", golden, golden, "--show", "3"}, "--show has no effect on a model");
  expect({"generate", golden, "--tokens", "1", "--temperature", "0", "--top-k", "5"},
         "--top-k has no effect with --temperature 0");
  const auto refused = run_program(binary(), tiny_run(folder / "run") + Words{"--muon-warmup", "5"});
  EXPECT_EQ(refused.exit_code, 2) << refused.output;
  EXPECT_NE(refused.output.find("--muon-warmup has no effect without --optimizer muon"), std::string::npos);
  EXPECT_FALSE(folder_exists(folder / "run"));
}

TEST(CommandLine, TellsWhichLimitEndedARunAndWhatToTypeNext) {
  const TempFolder folder;
  const auto state = folder / "run";
  const auto run = run_program(binary(), tiny_run(state) + Words{"--steps", "3"});
  for (const std::string part : {"limit reached (--steps 3)", "pretrain generate --checkpoint",
                                 "pretrain resume --state", "--steps 6", "Ctrl-C saves", "words"})
    EXPECT_NE(run.output.find(part), std::string::npos) << part << " in " << run.output;
  const auto nothing = run_program(binary(), {"resume", "--state", state.string()});
  EXPECT_EQ(nothing.exit_code, 0);
  EXPECT_NE(nothing.output.find("nothing to do: --steps 3 is reached"), std::string::npos) << nothing.output;
}

TEST(CommandLine, TokenizerTrainRefusesAnOutputThatCannotBeMadeBeforeItTrains) {
  const TempFolder folder;
  const auto refused = run_program(binary(), {"tokenizer", "train", "--corpus", sample_corpus(), "--output",
                                              (folder / std::string(253, 'x')).string()});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.output, testing::AllOf(testing::HasSubstr("use a shorter name"),
                                             testing::Not(testing::HasSubstr("vocabulary:"))));
}

TEST(CommandLine, TokenizerEncodesAndDecodesBack) {
  const TempFolder folder;
  const std::string model = (folder / "my.model").string();
  const auto train = run_program(
      binary(), {"tokenizer", "train", "--corpus", sample_corpus(), "--output", model, "--vocab", "500"});
  ASSERT_EQ(train.exit_code, 0) << train.output;
  const std::string text = "Rivers  carry 42 % silt \xE2\x80\x93 not \xF0\x9F\x8C\x8A!";
  const auto ids = run_program(binary(), {"tokenizer", "encode", "--model", model, "--text", text});
  const auto back = run_program(binary(), {"tokenizer", "decode", "--model", model, "--ids", ids.output});
  EXPECT_EQ(back.output, text + "\n");
}

TEST(CommandLine, EvalAndInspectDescribeARun) {
  const TempFolder folder;
  const auto state = folder / "run";
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "2"}).exit_code, 0);
  const auto eval = run_program(
      binary(), {"eval", "--checkpoint", state.string(), "--corpus", sample_corpus(), "--tokens", "4000"});
  EXPECT_EQ(eval.exit_code, 0) << eval.output;
  EXPECT_NE(eval.output.find("bits per byte"), std::string::npos);
  const auto checkpoint = run_program(binary(), {"inspect", state.string()});
  EXPECT_EQ(checkpoint.exit_code, 0) << checkpoint.output;
  EXPECT_NE(checkpoint.output.find("step 2: verified"), std::string::npos) << checkpoint.output;
  const auto corpus = run_program(binary(), {"inspect", sample_corpus()});
  EXPECT_NE(corpus.output.find("110 documents"), std::string::npos) << corpus.output;
}

TEST(CommandLine, EveryCommandThatReadsACorpusTakesTheNamespacesOfADump) {
  const TempFolder folder;
  std::string pages;
  for (int i = 0; i < 100; ++i) {
    pages +=
        fmt::format("<page><title>Category:C{}</title><ns>14</ns><revision><text>{}</text></revision></page>",
                    i, "Words of a category, some of them alike and number " + std::to_string(i * 7));
  }
  const std::string dump = folder.write("dump.xml", "<mediawiki>" + pages + "</mediawiki>").string();
  const Words chosen{"--namespaces", "14", "--disambiguation", "keep"};
  const Words train{"tokenizer", "train", "--corpus", dump, "--output", (folder / "my.model").string(),
                    "--vocab",   "300"};
  EXPECT_EQ(run_program(binary(), train).exit_code, 3);
  const auto trained = run_program(binary(), train + chosen);
  EXPECT_EQ(trained.exit_code, 0) << trained.output;
  const auto state = folder / "run";
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "2"}).exit_code, 0);
  const Words eval{"eval", "--checkpoint", state.string(), "--corpus", dump};
  EXPECT_EQ(run_program(binary(), eval).exit_code, 3);
  const auto evaluated = run_program(binary(), eval + chosen);
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.output;
  EXPECT_NE(evaluated.output.find("bits per byte"), std::string::npos) << evaluated.output;
}

}  // namespace
}  // namespace pretrain::test
