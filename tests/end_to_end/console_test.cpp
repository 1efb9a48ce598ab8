// SPDX-License-Identifier: Apache-2.0
// What the user sees on a terminal.

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/pseudo_terminal.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kPatience(120);

/// Characters that a terminal obeys. It gets "\r\n" for each line break.
size_t control_characters(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n' && c != '\t' && c != '\r') || byte == 0x7f;
  }));
}

/// What the program shows until it ends.
std::string shown(const Words& words, PseudoTerminal& terminal) {
  Program program(binary(), words, terminal.surroundings());
  program.wait_until(
      [&] {
        terminal.screen();
        return false;
      },
      kPatience);
  EXPECT_EQ(program.wait().exit_code, 0) << terminal.screen();
  return terminal.screen();
}

TEST(Console, NoTextOfAModelIsObeyedByATerminal) {
  const TempFolder folder;
  const auto state = folder / "run";
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "1"}).exit_code, 0);
  size_t raw = 0;
  for (const std::string seed : {"1", "2", "3", "4"}) {
    const Words words{"generate", "--checkpoint", state.string(), "--seed", seed};
    raw += control_characters(run_program(binary(), words).output);
    PseudoTerminal terminal;
    EXPECT_EQ(control_characters(shown(words, terminal)), 0U) << "seed " << seed;
  }
  EXPECT_GT(raw, 0U) << "to a pipe the text goes as it is, and this model writes control characters";
}

TEST(Console, AResumedRunShowsItsLastSaveAndValidationAtOnce) {
  const TempFolder folder;
  const auto state = folder / "run";
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "5"}).exit_code, 0);
  PseudoTerminal terminal;
  const std::string screen =
      shown({"resume", "--state", state.string(), "--steps", "6", "--evaluate-every", "0"}, terminal);
  const size_t line = screen.find("step 6/6");
  ASSERT_NE(line, std::string::npos) << screen;
  const std::string live = screen.substr(line, screen.find('\r', line) - line);
  EXPECT_THAT(live, testing::AllOf(HasSubstr("saved "), HasSubstr("val "))) << screen;
}

TEST(Console, NoLineOfTheLogIsBrokenWithinAWord) {
  const TempFolder folder;
  PseudoTerminal terminal;
  std::istringstream lines(shown(tiny_run(folder / "run") + Words{"--steps", "1"}, terminal));
  size_t continued = 0;
  std::string before;
  for (std::string line; std::getline(lines, line); before = line) {
    const bool is_after_entry = before.find(" info: ") != std::string::npos && !before.ends_with(":\r");
    if (is_after_entry && line.starts_with("  ")) ++continued;
    // A path stays whole, and the live line is cut, not broken.
    const bool is_entry = line.find(" info: ") != std::string::npos && line.find('/') == std::string::npos;
    if (is_entry && line.find("\033") == std::string::npos) {
      EXPECT_LE(line.size(), 80U + 1U) << line;  // and its carriage return
    }
  }
  EXPECT_GT(continued, 0U);
}

}  // namespace
}  // namespace pretrain::test
