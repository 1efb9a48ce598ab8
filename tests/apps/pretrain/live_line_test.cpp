// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/live_line.h"

#include <limits>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/log.h"

namespace pretrain {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

StepEvaluation validation(double loss, double bits_per_byte) {
  return {.step = 1500, .result = {.loss = loss, .perplexity = 6.7, .bits_per_byte = bits_per_byte}};
}

RunSnapshot ordinary() {
  return {.phase = RunPhase::kTraining,
          .limits = {.max_steps = 2000},
          .step = 1897,
          .tokens = 387'456,
          .epoch = 1,
          .epoch_progress = 0.342,
          .loss = 1.859,
          .validation = validation(1.903, 2.743),
          .learning_rate = 0.003,
          .tokens_per_second = 2919.4,
          .utilization = 0.62,
          .wait_share = 0.03,
          .time_left = seconds(724),
          .since_save = seconds(57),
          .saved_step = 1880};
}

RunSnapshot extreme() {
  constexpr auto kMost = std::numeric_limits<uint64_t>::max();
  return {.limits = {.max_steps = kMost},
          .step = kMost - 1,
          .tokens = kMost,
          .epoch = 4'000'000'000,
          .loss = 1.2345e30,
          .validation = validation(123.456, 999.999),
          .learning_rate = 1.2345e-7,
          .tokens_per_second = 1e12,
          .utilization = 10,
          .wait_share = 1,
          .time_left = hours(24 * 9999),
          .since_save = hours(24 * 99),
          .bad_steps = kMost};
}

/// At the first step of a run without limits.
RunSnapshot fresh() {
  return {.step = 1, .tokens = 512, .loss = 5.5, .learning_rate = 1e-5, .tokens_per_second = 1000};
}

/// The weights have overflown, and the disk is full.
RunSnapshot broken() {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  RunSnapshot run = ordinary();
  run.loss = -kNone;
  run.validation = validation(-kNone, kNone);
  run.tokens_per_second = std::numeric_limits<double>::infinity();
  run.bad_steps = 3;
  run.failed_save = "checkpoint of step 1890 failed: No space left on device";
  return run;
}

/// Each part of the line is one that was made whole.
void expect_whole_parts(const std::string& line) {
  static const std::regex part(
      R"((step )?[0-9.,kMGTPE]+(/[0-9.,kMGTPE]+)?|loss (not finite|[0-9.e+]+)|)"
      R"(val (not finite|[0-9.e+]+( [0-9.e+]+bpb| \([0-9.e+]+ (bpb|bits per byte)\))?)|)"
      R"(([0-9]+ (ms|s)|[0-9.]+ s|[0-9]+ [a-z]+ [0-9]+ [a-z]+|[0-9dhms]+) left|)"
      R"(saved ([0-9.]+ (ms|s)|[0-9]+ [a-z]+ [0-9]+ [a-z]+|[0-9dhms]+)( ago)?|not saved|(last )?save FAILED|)"
      R"([0-9,.]+[kMGTPE]?( tokens| tok)?/s|[0-9,.]+[kMGTPE]? tokens|rate [0-9.e-]+|)"
      R"([0-9.,kMGTPE]+ not finite|epoch [0-9,]+( \([0-9]+ % done\))?|[0-9]+ % of peak|[0-9]+ % waiting)");
  std::string rest = line;
  const std::string separator = line.find(" | ") != std::string::npos ? " | " : "  ";
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(separator), rest.size());
    const std::string text = rest.substr(0, end);
    EXPECT_TRUE(std::regex_match(text, part)) << "'" << text << "' in " << line;
    rest.erase(0, std::min(end + separator.size(), rest.size()));
  }
}

TEST(LiveLine, FitsEveryWidthWithoutCuttingAPart) {
  for (const RunSnapshot& status : {ordinary(), extreme(), fresh(), broken()}) {
    for (size_t columns = 0; columns < 250; ++columns) {
      const std::string line = live_line(status, columns);
      EXPECT_LE(line.size(), columns);
      expect_whole_parts(line);
    }
  }
}

TEST(LiveLine, ShowsWhatMattersAt60Columns) {
  const std::string line = live_line(ordinary(), 59);
  for (const char* part : {"1,897/2,000", "loss 1.8", "12m04s left", "saved 57s", "val 1.90"})
    EXPECT_THAT(line, HasSubstr(part)) << line;
  const std::string long_run = live_line(extreme(), 59);
  for (const char* part : {"18.4E/18.4E", "loss", "left", "saved"})
    EXPECT_THAT(long_run, HasSubstr(part)) << long_run;
}

TEST(LiveLine, ShowsBitsPerByteAndTheRateAt80Columns) {
  const std::string line = live_line(ordinary(), 79);
  for (const char* part : {"step 1,897/2,000", "loss 1.859", "left", "saved", "bpb", "/s"})
    EXPECT_THAT(line, HasSubstr(part)) << line;
}

TEST(LiveLine, ShowsEverythingThatMattersInFullAt120Columns) {
  const std::string line = live_line(ordinary(), 119);
  for (const char* part : {"step 1,897/2,000", "loss 1.859", "val 1.903", "bits per byte", "12 min 04 s left",
                           "saved 57 s ago", "2,919 tok"})
    EXPECT_THAT(line, HasSubstr(part)) << line;
}

TEST(LiveLine, PutsTheStepFirstAndTheRestInOrder) {
  const std::string line = live_line(ordinary(), 300);
  size_t before = 0;
  for (const char* part : {"step", "loss", "val", "left", "saved", "tokens/s", "epoch 2 (34 % done)",
                           " tokens |", "rate 0.003", "of peak"}) {
    const size_t at = line.find(part, before);
    EXPECT_NE(at, std::string::npos) << part << " in " << line;
    before = at;
  }
}

TEST(LiveLine, SaysWhatBecameOfTheSaves) {
  RunSnapshot run = ordinary();
  for (const size_t columns : {59, 79, 119}) {
    run.since_save = seconds(57);
    EXPECT_THAT(live_line(run, columns), HasSubstr("saved 57"));
    run.since_save.reset();
    EXPECT_THAT(live_line(run, columns), HasSubstr("not saved"));
    EXPECT_THAT(live_line(broken(), columns), HasSubstr("save FAILED"));
  }
}

TEST(LiveLine, SaysInWordsThatALossIsNoNumber) {
  for (const size_t columns : {59, 79, 119}) {
    const std::string line = live_line(broken(), columns);
    EXPECT_THAT(line, HasSubstr("loss not finite"));
    EXPECT_THAT(line, Not(HasSubstr("nan"))) << line;
  }
  EXPECT_THAT(live_line(broken(), 119), HasSubstr("val not finite"));
}

TEST(StatusLine, FitsALogOf120ColumnsWithWhatMatters) {
  const auto entry = [](const RunSnapshot& run) {
    return format_log_entry(LogPlace::kFile, LogLevel::kInfo, {}, status_line(run));
  };
  for (const RunSnapshot& run : {ordinary(), extreme(), fresh(), broken()})
    EXPECT_LE(entry(run).size(), 120U + 1) << entry(run);
  const std::string line = status_line(ordinary());
  for (const char* part : {"step 1,897/2,000", "loss 1.859", "val 1.903", "bpb", "left", "saved", "/s"})
    EXPECT_THAT(line, HasSubstr(part)) << line;
}

TEST(ServiceStatus, TellsAllThatMattersInOneSentence) {
  EXPECT_EQ(service_status(ordinary()),
            "step 1,897 of 2,000, loss 1.859, validation 1.903 (2.743 bits per byte), 12 min 04 s left, "
            "2,919 tokens/s, saved at step 1,880");
  EXPECT_EQ(service_status(fresh()), "step 1, loss 5.500, 1,000 tokens/s");
}

TEST(ServiceStatus, HasWhatMattersMostWithin60Columns) {
  const std::string beginning = service_status(ordinary()).substr(0, 60);
  for (const char* part : {"step 1,897 of 2,000", "loss 1.859", "validation 1.903"})
    EXPECT_THAT(beginning, HasSubstr(part));
  EXPECT_THAT(service_status(ordinary()).substr(0, 120), HasSubstr("12 min 04 s left, 2,919 tokens/s"));
}

TEST(ServiceStatus, NamesTroubleWithItsReason) {
  RunSnapshot run = broken();
  run.tokens_per_second = 100;
  EXPECT_EQ(
      service_status(run),
      "step 1,897 of 2,000, loss not finite, validation not finite, 12 min 04 s left, 100 tokens/s, saved "
      "at step 1,880, 3 steps not finite, checkpoint of step 1890 failed: No space left on device");
}

TEST(EvaluationText, HasNumbersOrSaysThatThereAreNone) {
  EXPECT_EQ(evaluation_text(validation(1.9032, 2.743).result),
            "loss 1.9032, perplexity 6.7, 2.743 bits per byte");
  EXPECT_EQ(evaluation_text(validation(1.9032, 0).result), "loss 1.9032, perplexity 6.7");
  EXPECT_EQ(evaluation_text({.loss = 9, .perplexity = 8103.08, .bits_per_byte = 4}),
            "loss 9.0000, perplexity 8103.1, 4.000 bits per byte");
  EXPECT_EQ(evaluation_text({.loss = 800, .perplexity = std::numeric_limits<double>::infinity()}),
            "loss 800.0000");
  EXPECT_EQ(evaluation_text(broken().validation->result),
            "the loss is not finite: the weights have overflown");
}

TEST(LiveLine, NamesTheBestEvaluationOnceALaterOneWasWorse) {
  RunSnapshot run{.step = 700, .loss = 3.4};
  run.validation = StepEvaluation{.step = 600, .result = {.loss = 3.52}};
  EXPECT_EQ(best_text(run), "");
  run.best = BestEvaluation{.step = 600, .loss = 3.52};
  EXPECT_EQ(best_text(run), ", the best so far");
  EXPECT_EQ(live_line(run, 200).find("best"), std::string::npos);
  run.best = BestEvaluation{.step = 400, .loss = 3.5, .since = 2};
  EXPECT_EQ(best_text(run), "; best 3.5000 at step 400, 2 evaluations ago");
  EXPECT_NE(live_line(run, 200).find("best 3.500, 2 evaluations ago"), std::string::npos);
  EXPECT_LE(live_line(run, 60).size(), 60U);
}

}  // namespace
}  // namespace pretrain
