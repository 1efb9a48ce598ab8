// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/input_history.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "apps/pretrain/configuration.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using Lines = std::vector<std::string>;

TEST(InputHistory, BringsBackTheLinesOfEarlierSessions) {
  const test::TempFolder folder;
  const Path path = folder / "new/folder/history";
  {
    InputHistory first(real_file_system(), path);
    EXPECT_EQ(first.lines(), Lines());
    first.add("The history");
    InputHistory meanwhile(real_file_system(), path);
    meanwhile.add("of");
    first.add("/temperature 0.5");
  }
  const InputHistory next(real_file_system(), path);
  EXPECT_EQ(next.lines(), (Lines{"The history", "of", "/temperature 0.5"}));
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(path).permissions(), perms::owner_read | perms::owner_write);
}

TEST(InputHistory, IsCutToItsLastLines) {
  const test::TempFolder folder;
  std::string text;
  for (size_t i = 0; i < 2 * InputHistory::kMostLines + 1; ++i) text += fmt::format("line {}\n", i);
  const Path path = folder.write("history", text);
  const InputHistory history(real_file_system(), path);
  EXPECT_EQ(history.lines().size(), InputHistory::kMostLines);
  EXPECT_EQ(history.lines().back(), "line 2000");
  EXPECT_LT(read_file(path).size(), text.size() * 3 / 5);
}

TEST(InputHistory, SurvivesWhatIsNoHistory) {
  const test::TempFolder folder;
  const Path damaged = folder.write("damaged", std::string("\xFF\xFE\0line\n\n\nlast", 14));
  const InputHistory repaired(real_file_system(), damaged);
  EXPECT_EQ(repaired.lines().back(), "last");
  InputHistory blocked(real_file_system(), folder.path() / "damaged/under a file");
  blocked.add("kept for the session");
  EXPECT_EQ(blocked.lines(), Lines{"kept for the session"});
  InputHistory none(real_file_system(), "");
  none.add("a");
  EXPECT_EQ(none.lines(), Lines{"a"});
}

TEST(InputHistory, IsNextToTheDefaultStateFolderAndNotInIt) {
  setenv("XDG_STATE_HOME", "/somewhere", 1);
  EXPECT_EQ(input_history_file(), Path("/somewhere/pretrain_history"));
  setenv("HOME", "/home/a", 1);
  setenv("XDG_STATE_HOME", "relative", 1);
  EXPECT_EQ(input_history_file(), Path("/home/a/.local/state/pretrain_history"));
  EXPECT_EQ(state_folder_of({}), Path("/home/a/.local/state/pretrain"));
  unsetenv("XDG_STATE_HOME");
  EXPECT_EQ(input_history_file(), Path("/home/a/.local/state/pretrain_history"));
  // A relative one would put a run wherever the shell happens to be.
  setenv("HOME", "relative", 1);
  EXPECT_EQ(input_history_file(), Path());
  EXPECT_THROW(state_folder_of({}), Error);
  setenv("HOME", "/home/a", 1);  // for the tests after this one in the same process
}

}  // namespace
}  // namespace pretrain
