// SPDX-License-Identifier: Apache-2.0
#include "libs/base/log.h"

#include <regex>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

constexpr std::chrono::system_clock::time_point kSomeTime{std::chrono::hours(24 * 365 * 40)};

std::string entry(LogPlace place, LogLevel level, std::string_view text) {
  return format_log_entry(place, level, kSomeTime, text);
}

TEST(LogEntry, HasTheTimeOnATerminal) {
  EXPECT_TRUE(std::regex_match(entry(LogPlace::kTerminal, LogLevel::kInfo, "text"),
                               std::regex("\\d\\d:\\d\\d:\\d\\d info: text\n")));
}

TEST(LogEntry, HasTheDateTooInAFile) {
  EXPECT_TRUE(std::regex_match(entry(LogPlace::kFile, LogLevel::kWarning, "text"),
                               std::regex("2009-12-\\d\\d \\d\\d:\\d\\d:\\d\\d warning: text\n")));
}

TEST(LogEntry, HasItsPriorityAndNoClockInTheJournal) {
  EXPECT_EQ(entry(LogPlace::kJournal, LogLevel::kInfo, "text"), "<6>text\n");
  EXPECT_EQ(entry(LogPlace::kJournal, LogLevel::kWarning, "text"), "<4>warning: text\n");
  EXPECT_EQ(entry(LogPlace::kJournal, LogLevel::kError, "text"), "<3>error: text\n");
}

TEST(LogEntry, BeginsEachLineOfALongTextAlikeWhereLinesAreEntries) {
  EXPECT_EQ(entry(LogPlace::kJournal, LogLevel::kInfo, "sample:\none\n\ntwo"),
            "<6>sample:\n<6>one\n<6>\n<6>two\n");
  EXPECT_TRUE(std::regex_match(entry(LogPlace::kFile, LogLevel::kInfo, "one\ntwo"),
                               std::regex("2009\\S+ \\S+ info: one\n2009\\S+ \\S+ info: two\n")));
  EXPECT_TRUE(std::regex_match(entry(LogPlace::kTerminal, LogLevel::kInfo, "one\ntwo"),
                               std::regex("\\S+ info: one\n  two\n")));
}

TEST(LogEntry, IsOneLineForNoTextToo) {
  EXPECT_EQ(entry(LogPlace::kJournal, LogLevel::kInfo, ""), "<6>\n");
  EXPECT_EQ(entry(LogPlace::kJournal, LogLevel::kInfo, "text\n"), "<6>text\n");
}

TEST(LogEntry, ShowsControlCharactersAndObeysNone) {
  for (const LogPlace place : {LogPlace::kTerminal, LogPlace::kFile, LogPlace::kJournal}) {
    const std::string shown = entry(place, LogLevel::kInfo,
                                    "a\033[2Jb\rc\ad\xC2\x9B"
                                    "e\x80");
    EXPECT_NE(shown.find("a\\x1b[2Jb\\rc\\x07d\\u009be\\x80"), std::string::npos) << shown;
    EXPECT_EQ(shown.find('\033'), std::string::npos);
  }
}

TEST(LogEntry, LeavesOutTheMiddleOfAnErrorThatQuotesAnEndlessArgument) {
  std::string endless;
  for (int i = 0; i < 50'000; ++i) endless += "é";  // every second byte is inside of a character
  for (const std::string start : {"unknown option ", "unknown  option "}) {
    const std::string text = start + endless + "; try pretrain help";
    const std::string shown = entry(LogPlace::kJournal, LogLevel::kError, text);
    EXPECT_LT(shown.size(), 8'100U);
    EXPECT_TRUE(shown.starts_with("<3>error: " + start + "éé"));
    EXPECT_TRUE(shown.ends_with("éé; try pretrain help\n"));
    EXPECT_NE(shown.find("é [92,0"), std::string::npos);
    EXPECT_NE(shown.find(" bytes left out] é"), std::string::npos);
    EXPECT_EQ(shown.find("\\x"), std::string::npos) << "no character is cut";
  }
  EXPECT_GT(entry(LogPlace::kJournal, LogLevel::kInfo, endless).size(), endless.size()) << "a sample stays";
}

TEST(LogEntry, IsOneLineForAWarningOrAnErrorWhateverItQuotes) {
  EXPECT_EQ(entry(LogPlace::kJournal, LogLevel::kWarning, "shard a\nerror: b"),
            "<4>warning: shard a\\nerror: b\n");
  EXPECT_EQ(entry(LogPlace::kJournal, LogLevel::kError, "file a\tb\n"), "<3>error: file a\\tb\\n\n");
}

/// A text can't pretend to be another entry, or one of another priority.
TEST(LogEntry, KeepsItsPriorityInEachLine) {
  EXPECT_EQ(entry(LogPlace::kJournal, LogLevel::kInfo, "a\n<0>b"), "<6>a\n<6><0>b\n");
}

}  // namespace
}  // namespace pretrain
