// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/pretrain/run_report.h"
#include "tests/apps/pretrain/recorded_run.h"

namespace pretrain {
namespace {

using test::TempFolder;
using test::write_ended_run;
using testing::HasSubstr;
using testing::Not;

size_t count_of(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

RunViews views_of(const std::vector<Path>& states) {
  RunViews views;
  for (const Path& state : states) {
    views.push_back(std::make_unique<RunView>(state, state.filename().string(), RecordLimits{}));
    views.back()->update();
  }
  return views;
}

std::string report_of(const std::vector<Path>& states) {
  const RunViews views = views_of(states);
  return report_page(report_data(views, {}), report_summary(views));
}

TEST(ReportPage, HoldsEverythingAndRequestsNothing) {
  const TempFolder folder;
  const std::string page = report_of({write_ended_run(folder, "a")});
  EXPECT_THAT(page, HasSubstr("default-src 'none'; script-src 'nonce-"));
  EXPECT_THAT(page, HasSubstr("\"validation_loss\":[10.0,6.0]"));
  for (const char* request : {" src=", "href=\"http", "@import", "url("})
    EXPECT_EQ(count_of(page, request), 0U) << request;
  EXPECT_EQ(count_of(page, "{{"), 2U) << "in the data and in words: the planted slot; the others are filled";
}

TEST(ReportPage, ShowsPlantedMarkupAsText) {
  const TempFolder folder;
  const std::string page = report_of({write_ended_run(folder, "a")});
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, HasSubstr("\\u003c/script\\u003e\\u003cscript\\u003ealert(1)"));
  EXPECT_THAT(page, HasSubstr("&lt;/script&gt;&lt;script&gt;alert(1)"))
      << "in the words for browsers without scripts";
  EXPECT_EQ(count_of(page, "</script>"), 2U) << "the data and the script end once";
}

TEST(ReportPage, HasANewNonceEachTime) {
  const auto nonce = [] {
    const std::string page = report_page({{"runs", nlohmann::json::array()}}, "");
    return page.substr(page.find("'nonce-"), 40);
  };
  EXPECT_NE(nonce(), nonce());
}

TEST(ReportPage, HoldsSeveralRunsAndEmptyOnes) {
  const TempFolder folder;
  folder.write("new/lock", "");
  const auto views = views_of({write_ended_run(folder, "a"), write_ended_run(folder, "b"), folder / "new"});
  const nlohmann::json data = report_data(views, {.samples = false});
  ASSERT_EQ(data["runs"].size(), 3U);
  EXPECT_EQ(data["runs"][1]["name"], "b");
  EXPECT_TRUE(data["runs"][0]["samples"].empty());
  EXPECT_EQ(data["runs"][2]["phase"], "starting");
  EXPECT_THAT(report_summary(views), HasSubstr("new: starting at step 0"));
}

TEST(ReportPage, OfTwoLongRunsIsSmall) {
  const TempFolder folder;
  const auto long_run = [&](const char* name) {
    return test::write_run(folder, name, test::session_line(0, 1), test::steps_lines(1, 6000));
  };
  const size_t without = page_script().size() + page_style().size() + page_markup().size();
  EXPECT_LT(report_of({long_run("a"), long_run("b")}).size() - without, 300'000U);
}

TEST(ServedPage, LoadsItsOwnFilesOnly) {
  EXPECT_THAT(served_page(), HasSubstr("<script src=\"page.js\">"));
  EXPECT_THAT(served_page(), HasSubstr("href=\"page.css\""));
  EXPECT_EQ(count_of(served_page(), "{{"), 0U);
  EXPECT_THAT(std::string(served_page_policy()), HasSubstr("default-src 'none'"));
}

TEST(PageScript, NeverMakesMarkupFromText) {
  for (const char* call :
       {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"}) {
    EXPECT_THAT(std::string(page_script()), Not(HasSubstr(call)));
  }
}

TEST(Markup, IsEscaped) {
  EXPECT_EQ(escape_markup("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

}  // namespace
}  // namespace pretrain
