// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/report.h"

#include <cstdlib>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/pretrain/shell_text.h"
#include "libs/base/error.h"
#include "libs/base/text.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::run_program;
using test::TempFolder;
using testing::HasSubstr;

RunConfiguration tiny(const test::TempFolder& folder, const KeyValues& more) {
  KeyValues values{{"corpus", "/wiki"}, {"model", "tiny"}, {"state", (folder / "state").string()}};
  for (const auto& [key, value] : more) values[key] = value;
  return to_configuration(resolve(values));
}

std::string refusal(const RunConfiguration& config, const Machine& machine) {
  try {
    check_resources(config, ParameterLayout(config.model), machine);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error.what();
  }
  return "";
}

constexpr uint64_t kPlenty = uint64_t{1} << 60;

TEST(CheckResources, TakesWhatFits) {
  const test::TempFolder folder;
  EXPECT_EQ(refusal(tiny(folder, {}), {.memory_bytes = kPlenty, .available_bytes = kPlenty}), "");
}

TEST(CheckResources, RefusesARunThatMemoryCannotHold) {
  const test::TempFolder folder;
  EXPECT_THAT(refusal(tiny(folder, {}), {.memory_bytes = 1'000'000, .available_bytes = 1'000'000}),
              HasSubstr("of memory"));
}

TEST(CheckResources, RefusesARunThatTheDiskCannotHold) {
  const test::TempFolder folder;
  // 100 million sequences of 65,536 tokens: 13 TB.
  const RunConfiguration config = tiny(folder, {{"shuffle-buffer", "100M"}, {"context", "64Ki"}});
  EXPECT_THAT(refusal(config, {.memory_bytes = kPlenty, .available_bytes = kPlenty}), HasSubstr("free"));
}

StepEvaluation evaluation(uint64_t step, double loss) {
  return {.step = step, .result = {.loss = loss, .bits_per_byte = loss / 2}};
}

TEST(Report, TellsTheFirstAndTheLastValidation) {
  RunSummary summary;
  EXPECT_EQ(validation_text(summary), "");
  summary.first_evaluation = evaluation(0, 5.521);
  EXPECT_EQ(validation_text(summary), "5.5210 at step 0") << "of an earlier session";
  summary.last_evaluation = evaluation(1400, 1.9032);
  EXPECT_EQ(validation_text(summary), "5.5210 at step 0, 1.9032 at step 1,400 (0.952 bits per byte)");
  summary.first_evaluation = summary.last_evaluation;
  EXPECT_EQ(validation_text(summary), "1.9032 at step 1,400 (0.952 bits per byte)");
}

TEST(Report, SaysInWordsThatAValidationIsNoNumber) {
  RunSummary summary;
  summary.first_evaluation = evaluation(0, 5.521);
  summary.last_evaluation = evaluation(20, -std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(validation_text(summary), "5.5210 at step 0, not finite at step 20 (the weights have overflown)");
}

TEST(Report, NamesKernelsAsPeopleKnowThem) {
  EXPECT_EQ(kernel_name("AVX3", "float32"), "AVX-512");
  EXPECT_EQ(kernel_name("AVX3_SPR", "pairs"), "AVX-512");
  EXPECT_EQ(kernel_name("AVX3", "tiles"), "AVX-512 and AMX");
  EXPECT_EQ(kernel_name("AVX2", "float32"), "AVX2");
  EXPECT_EQ(kernel_name("EMU128", "float32"), "portable");
}

TEST(Report, PrintsCommandsThatAShellTakes) {
  EXPECT_EQ(shell_word("/a/b-c.d"), "/a/b-c.d");
  EXPECT_EQ(shell_word("/my run"), "'/my run'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_path("-run"), "./-run");
  EXPECT_EQ(shell_path("/my run"), "'/my run'");
  EXPECT_EQ(resume_command("/no/default"), "pretrain resume --state /no/default");
  EXPECT_EQ(resume_command(state_folder_of({})), "pretrain resume");
}

/// What a log would escape, the shell must make of escapes again.
TEST(Report, PrintsCommandsThatAShellTakesThoughTheLogShowsNoControlCharacters) {
  const TempFolder folder;
  const Path read = folder / "read";
  for (const std::string word :
       {"a\nb", "it's\ttab\r", "\x1b[31mred\\", "\xff\xfe", "\xe2\x80\xaertl caf\xc3\xa9 \n", "$x`y`\n"}) {
    const std::string shown = shell_word(word);
    EXPECT_EQ(printable(shown), shown);
    const auto result = run_program("/bin/bash", {"-c", "printf %s " + shown + " > " + read.string()});
    EXPECT_EQ(result.exit_code, 0) << shown << result.output;
    EXPECT_EQ(read_file(read), word) << shown;
  }
}

TEST(Report, PrintsCommandsThatMeanTheSameRunInAnotherShell) {
  const Path usual = state_folder_of({});
  setenv("STATE_DIRECTORY", "/var/lib/pretrain", 1);
  EXPECT_EQ(resume_command("/var/lib/pretrain"), "pretrain resume --state /var/lib/pretrain");
  unsetenv("STATE_DIRECTORY");
  setenv("PRETRAIN_STATE", "/runs/other", 1);  // which pretrain continue would take
  EXPECT_EQ(command_on("pretrain continue", usual), "pretrain continue --state " + usual.string());
  unsetenv("PRETRAIN_STATE");
}

}  // namespace
}  // namespace pretrain
