// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/run_log.h"

#include <map>
#include <random>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libs/metrics/record.h"
#include "libs/metrics/record_lines.h"
#include "libs/metrics/record_reader.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::FaultyFileSystem;
using test::TempFolder;

nlohmann::json step_of_run(uint64_t step) {
  return {{"step", step},
          {"tokens", 10 * step},
          {"step_seconds", 0.5},
          {"loss", 10.0 / static_cast<double>(step)}};
}

nlohmann::json evaluation(uint64_t step, double loss) {
  return {{"step", step}, {"tokens", 10 * step}, {"validation_loss", loss}, {"bits_per_byte", loss / 2}};
}

std::vector<nlohmann::json> records_in(const Path& path) {
  std::vector<nlohmann::json> records;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) records.push_back(nlohmann::json::parse(line));
  return records;
}

std::vector<std::string> kinds_in(const Path& path) {
  std::vector<std::string> kinds;
  for (const auto& record : records_in(path)) kinds.push_back(record.at("kind"));
  return kinds;
}

/// Steps, each with its count.
std::map<uint64_t, uint64_t> steps_in(const RunRecord& run) {
  std::map<uint64_t, uint64_t> steps;
  for (const CurvePoint& point : run.curve.all_points()) steps[point.step] += point.steps;
  return steps;
}

TEST(RunLog, GivesEachRecordItsKindAndTheTimeOfDay) {
  const TempFolder folder;
  const double before = seconds_since_1970(std::chrono::system_clock::now());
  RunLog log(real_file_system(), folder.path(), {});
  log.write("session", {{"step", 0}, {"schema", 1}});
  log.write("step", step_of_run(1));
  log.write("evaluation", evaluation(1, 3.0));
  EXPECT_EQ(kinds_in(folder / "metrics.jsonl"), (std::vector<std::string>{"session", "step", "evaluation"}));
  EXPECT_EQ(kinds_in(folder / "events.jsonl"), (std::vector<std::string>{"session", "evaluation"}));
  EXPECT_EQ(kinds_in(folder / "curve.jsonl"), (std::vector<std::string>{"curve"}));
  for (const auto& record : records_in(folder / "metrics.jsonl")) {
    EXPECT_GE(record.at("time").get<double>(), before);
    EXPECT_LE(record.at("time").get<double>(), before + 3600);
  }
}

/// Root could read every file.
class WithoutRightsOfRoot {
 public:
  WithoutRightsOfRoot() { set(kNobody); }
  ~WithoutRightsOfRoot() { set(0); }
  WithoutRightsOfRoot(const WithoutRightsOfRoot&) = delete;
  WithoutRightsOfRoot& operator=(const WithoutRightsOfRoot&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;
  void set(uid_t user) const {
    if (was_root_ && seteuid(user) != 0) ADD_FAILURE() << "can't become user " << user;
  }
  bool was_root_ = geteuid() == 0;
};

TEST(RunLog, LeavesFilesThatItCantReadAsTheyAreAndContinuesThemOnceItCan) {
  const TempFolder folder;
  const std::vector<Path> files{folder / "metrics.jsonl", folder / "events.jsonl", folder / "curve.jsonl"};
  StepLogPosition position;
  {
    RunLog log(real_file_system(), folder.path(), {});
    log.write("session", {{"step", 0}});
    for (uint64_t step = 1; step <= 20; ++step) log.write("step", step_of_run(step));
    log.write("evaluation", evaluation(20, 3.0));
    position = log.position();
  }
  std::filesystem::remove(folder /
                          "metrics.jsonl");  // as if it had been lost: only the others have the steps
  folder.write("metrics.jsonl", "");
  ASSERT_EQ(chmod(folder.path().c_str(), 0777), 0);
  std::map<Path, std::string> before;
  for (const Path& file : files) {
    before[file] = read_file(file);
    ASSERT_EQ(chmod(file.c_str(), 0222), 0) << "it may be written";
  }
  std::optional<WithoutRightsOfRoot> rights(std::in_place);
  RunLog log(real_file_system(), folder.path(), {.position = position, .step = 20});
  log.write("session", {{"step", 20}});
  EXPECT_EQ(log.new_errors().size(), 2);
  log.write("step", step_of_run(21));
  log.write("evaluation", evaluation(21, 2.5));
  EXPECT_TRUE(log.new_errors().empty()) << "it was told before";
  EXPECT_GE(log.lost().total(), 5U);
  EXPECT_NE(log.curve_error(), "");
  rights.reset();
  for (const Path& file : files) {
    ASSERT_EQ(chmod(file.c_str(), 0666), 0);
    EXPECT_EQ(read_file(file), before[file]) << file;
  }
  log.write("evaluation", evaluation(21, 2.0));
  EXPECT_EQ(kinds_in(folder / "events.jsonl"),
            (std::vector<std::string>{"session", "evaluation", "evaluation"}));
  EXPECT_EQ(kinds_in(folder / "metrics.jsonl"), (std::vector<std::string>{"evaluation"}));
  EXPECT_EQ(log.best_evaluation()->loss, 2.0);
  for (uint64_t step = 22; step <= 200; ++step) log.write("step", step_of_run(step));
  EXPECT_EQ(log.curve_error(), "");
  EXPECT_EQ(kinds_in(folder / "curve.jsonl").size(), 199U) << "all but the one that no file has";
}

TEST(RunLog, NamesTheFileThatLosesRecordsOnce) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "events.jsonl");
  RunLog log(real_file_system(), folder.path(), {});
  log.write("session", {{"step", 0}});
  ASSERT_EQ(log.new_errors().size(), 1);
  EXPECT_NE(log.new_errors()[0].find("events.jsonl"), std::string::npos) << log.new_errors()[0];
  for (uint64_t step = 1; step <= 3; ++step) {
    log.write("step", step_of_run(step));
    log.write("evaluation", evaluation(step, 3.0));
    EXPECT_TRUE(log.new_errors().empty());
  }
  EXPECT_EQ(kinds_in(folder / "metrics.jsonl").size(), 7U);
}

TEST(RunLog, ReturnsWithoutADuplicateAndWithoutAGap) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const TempFolder folder(test::memory_folder());
    uint64_t step = 0, sessions = 0;
    StepLogPosition saved;
    uint64_t saved_step = 0;
    for (int session = 0; session < 6; ++session) {
      RunLog log(real_file_system(), folder.path(), {.position = saved, .step = saved_step});
      step = saved_step;
      log.write("session", {{"step", step}, {"schema", 1}});
      ++sessions;
      for (uint64_t end = step + random() % 40; step < end;) {
        log.write("step", step_of_run(++step));
        if (step % 5 == 0) log.write("evaluation", evaluation(step, 3.0));
        if (random() % 7 != 0) continue;
        saved = log.position();
        saved_step = step;
      }
    }
    const RunRecord run = read_run_record(folder.path());
    std::map<uint64_t, uint64_t> expected;
    for (uint64_t i = 1; i <= step; ++i) expected[i] = 1;
    EXPECT_EQ(steps_in(run), expected);
    std::vector<uint64_t> evaluations;
    for (const auto& e : run.evaluations) evaluations.push_back(e.step);
    std::vector<uint64_t> all;
    for (uint64_t i = 5; i <= step; i += 5) all.push_back(i);
    EXPECT_EQ(evaluations, all);
    EXPECT_EQ(run.sessions.size(), sessions);
    EXPECT_EQ(run.damaged_lines, 0U);
  }
}

TEST(RunLog, IsWholeAfterAKillAtAnyByteOfAnyFile) {
  const TempFolder whole(test::memory_folder());
  StepLogPosition saved;
  {
    RunLog log(real_file_system(), whole.path(), {});
    log.write("session", {{"step", 0}, {"schema", 1}});
    for (uint64_t step = 1; step <= 6; ++step) {
      log.write("step", step_of_run(step));
      if (step == 2) saved = log.position();
      if (step % 2 == 0) log.write("evaluation", evaluation(step, 3.0));
    }
  }
  for (const std::string name : {"events.jsonl", "curve.jsonl"}) {
    const std::string text = read_file(whole / name);
    const size_t needed = name == "events.jsonl" ? text.find("evaluation\"") : 0;
    for (size_t size = text.find('\n', needed) + 1; size < text.size(); size += 7) {
      const TempFolder folder(test::memory_folder());
      for (const FolderEntry& entry : list_folder(whole.path()))
        folder.write(entry.name, read_file(whole / entry.name));
      folder.write(name, text.substr(0, size));
      EXPECT_LE(read_run_record(folder.path()).damaged_lines, 0U) << "an incomplete line is not damage";
      RunLog log(real_file_system(), folder.path(), {.position = saved, .step = 2});
      log.write("step", step_of_run(3));
      log.write("evaluation", evaluation(3, 1.0));
      const RunRecord run = read_run_record(folder.path());
      EXPECT_EQ(steps_in(run), (std::map<uint64_t, uint64_t>{{1, 1}, {2, 1}, {3, 1}})) << name << " " << size;
      EXPECT_EQ(run.damaged_lines, 0U);
      EXPECT_EQ(run.evaluations.back().step, 3U);
    }
  }
}

TEST(RunLog, TakesOverTheLogOfVersion020) {
  const TempFolder folder;
  std::string old;
  for (uint64_t step = 1; step <= 9; ++step) {
    old += step_of_run(step).dump() + "\n";
    if (step == 4) old += evaluation(step, 2.5).dump() + "\n";
  }
  folder.write("metrics.jsonl", old);
  const RunRecord before = read_run_record(folder.path());
  EXPECT_EQ(before.schema, 0U);
  EXPECT_EQ(before.curve.all_points().size(), 9U);
  ASSERT_EQ(before.evaluations.size(), 1U);
  EXPECT_EQ(before.evaluations.front().loss, 2.5);
  EXPECT_EQ(before.newest_step.at("step"), 9);

  RunLog log(real_file_system(), folder.path(), {.position = {.offset_bytes = old.size()}, .step = 9});
  log.write("session", {{"step", 9}, {"schema", 1}});
  log.write("step", step_of_run(10));
  const RunRecord after = read_run_record(folder.path());
  EXPECT_EQ(after.schema, 1U);
  EXPECT_EQ(after.curve.all_points().size(), 10U);
  EXPECT_EQ(after.evaluations.size(), 1U);
  EXPECT_EQ(log.best_evaluation()->step, 4U);
}

TEST(RunLog, KnowsTheBestEvaluationAfterAResume) {
  const TempFolder folder;
  StepLogPosition saved;
  {
    RunLog log(real_file_system(), folder.path(), {});
    for (const auto& [step, loss] :
         std::map<uint64_t, double>{{1, 5.0}, {2, 3.0}, {3, 4.0}, {4, NAN}, {5, 1.0}}) {
      log.write("step", step_of_run(step));
      log.write("evaluation", evaluation(step, loss));
      if (step == 4) saved = log.position();
    }
    EXPECT_EQ(log.best_evaluation()->step, 5U);
  }
  const RunLog log(real_file_system(), folder.path(), {.position = saved, .step = 4});
  ASSERT_TRUE(log.best_evaluation());
  EXPECT_EQ(log.best_evaluation()->step, 2U);
  EXPECT_EQ(log.best_evaluation()->since, 2U);
}

TEST(EventLog, StaysWithinItsSizeAndKeepsFirstNewestAndBest) {
  const TempFolder folder(test::memory_folder());
  constexpr uint64_t kMost = 20'000;
  {
    EventLog log(real_file_system(), folder.path(), 0, {.most_bytes = kMost});
    log.write({{"kind", "session"}, {"step", 0}});
    for (uint64_t step = 1; step <= 2000; ++step) {
      nlohmann::json record = evaluation(step, step == 777 ? 0.5 : 3.0);
      record["kind"] = "evaluation";
      log.write(record);
      EXPECT_LE(read_file(folder / "events.jsonl").size(), kMost);
    }
    EXPECT_EQ(log.failed_writes(), 0U);
  }
  std::set<uint64_t> steps;
  for (const auto& record : records_in(folder / "events.jsonl")) {
    if (record.at("kind") == "evaluation") steps.insert(record.at("step").get<uint64_t>());
  }
  EXPECT_TRUE(steps.contains(1));
  EXPECT_TRUE(steps.contains(777));
  EXPECT_TRUE(steps.contains(2000));
  EXPECT_EQ(kinds_in(folder / "events.jsonl").front(), "session");
}

TEST(EventLog, CountsWhatAFullDiskLosesAndContinues) {
  const TempFolder folder;
  FaultyFileSystem files;
  EventLog log(files, folder.path(), 0);
  log.write({{"kind", "session"}, {"step", 0}});
  files.set_fault({.code = ENOSPC, .first_call = files.call_count() + 1, .lasting = true});
  for (int i = 0; i < 3; ++i) log.write({{"kind", "settings"}, {"step", 1}});
  EXPECT_EQ(log.failed_writes(), 3U);
  EXPECT_NE(log.last_error(), "");
  files.clear_fault();
  log.write({{"kind", "end"}, {"step", 2}});
  EXPECT_EQ(kinds_in(folder / "events.jsonl"), (std::vector<std::string>{"session", "end"}));
}

TEST(RunLog, ContinuesInNewFilesWhereOnesAreRemovedOrReplacedWhileItWrites) {
  const TempFolder folder;
  RunLog log(real_file_system(), folder.path(), {});
  log.write("session", {{"step", 0}});
  for (uint64_t step = 1; step <= 5; ++step) log.write("step", step_of_run(step));
  EXPECT_TRUE(log.new_removals().empty());
  for (const char* name : {"metrics.jsonl", "curve.jsonl"}) std::filesystem::remove(folder / name);
  folder.write("other", "{\"kind\":\"sample\",\"step\":2}\n");
  std::filesystem::rename(folder / "other", folder / "events.jsonl");
  log.write("evaluation", evaluation(5, 3.0));
  EXPECT_EQ(log.new_removals(), (std::vector<std::string>{"metrics.jsonl", "events.jsonl"}));
  log.write("step", step_of_run(6));
  EXPECT_TRUE(log.new_removals().empty());
  EXPECT_EQ(log.lost().total(), 0U);
  EXPECT_EQ(kinds_in(folder / "metrics.jsonl"), (std::vector<std::string>{"evaluation", "step"}));
  EXPECT_EQ(kinds_in(folder / "events.jsonl"), (std::vector<std::string>{"sample", "evaluation"}));
  EXPECT_EQ(kinds_in(folder / "curve.jsonl").size(), 6U) << "it knows all points";
  EXPECT_EQ(log.position().offset_bytes, std::filesystem::file_size(folder / "metrics.jsonl"));
}

TEST(RunLog, FollowsItsFolderWhenThatIsMoved) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "run");
  RunLog log(real_file_system(), folder / "run", {});
  log.write("session", {{"step", 0}});
  std::filesystem::rename(folder / "run", folder / "moved");
  log.write("evaluation", evaluation(5, 3.0));
  EXPECT_TRUE(log.new_removals().empty());
  EXPECT_EQ(log.lost().total(), 0U);
  EXPECT_EQ(kinds_in(folder / "moved/events.jsonl"), (std::vector<std::string>{"session", "evaluation"}));
}

TEST(CurveLog, LosesNoPointToADiskThatWasFullForAWhile) {
  const TempFolder folder;
  FaultyFileSystem files;
  {
    RunLog log(files, folder.path(), {});
    for (uint64_t step = 1; step <= 20; ++step) {
      if (step == 5) files.set_fault({.code = ENOSPC, .first_call = files.call_count() + 1, .lasting = true});
      if (step == 15) files.clear_fault();
      log.write("step", step_of_run(step));
    }
    EXPECT_GT(log.lost().total(), 0U);
  }
  EXPECT_EQ(kinds_in(folder / "curve.jsonl").size(), 20U);
}

TEST(CurveLog, ContinuesWhateverTheFileAndTheStep) {
  for (const uint64_t most : {8U, 32U}) {
    for (uint64_t step = 0; step <= 60; step += 3) {
      const TempFolder folder(test::memory_folder());
      std::string log_text;
      const auto record = [](uint64_t i) {
        nlohmann::json json = step_of_run(i);
        json["kind"] = "step";
        return json;
      };
      for (uint64_t i = 1; i <= 50; ++i) log_text += record(i).dump() + "\n";
      folder.write("metrics.jsonl", log_text);
      {
        CurveLog curve(real_file_system(), folder.path(), 0, most);
        for (uint64_t i = 1; i <= 50; ++i) curve.write(record(i));
      }
      CurveLog again(real_file_system(), folder.path(), step, most);
      uint64_t steps = 0;
      for (const CurvePoint& point : again.curve().all_points()) steps += point.steps;
      EXPECT_EQ(steps, std::min<uint64_t>(step, 50));
      EXPECT_EQ(again.error(), "");
    }
  }
}

TEST(RecordLines, ReadsTheLogFromAnyStepAcrossSegments) {
  const TempFolder folder(test::memory_folder());
  uint64_t step = 0;
  for (const std::string name : {"metrics-000003.jsonl", "metrics-000004.jsonl", "metrics.jsonl"}) {
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += step_of_run(++step).dump() + "\n";
    folder.write(name, text);
  }
  for (const uint64_t first : {0U, 1U, 2U, 19'999U, 20'000U, 20'001U, 33'333U, 60'000U, 60'001U}) {
    const uint64_t last = first + 25'000;
    uint64_t expected = std::max<uint64_t>(first, 1), count = 0;
    read_log(folder.path(), first, last, [&](const nlohmann::json& record) {
      EXPECT_EQ(record.at("step").get<uint64_t>(), expected);
      ++expected;
      ++count;
    });
    EXPECT_EQ(count, first > step ? 0 : std::min<uint64_t>(last, step) - std::max<uint64_t>(first, 1) + 1);
  }
}

TEST(RecordLines, SkipsWhatIsNoRecordAndReadsLinesLongerThanABlock) {
  const TempFolder folder;
  const std::string longest = fmt::format("{{\"step\":2,\"text\":\"{}\"}}", std::string(900'000, 'x'));
  folder.write("file", "{\"step\":1}\nno record\n" + longest + "\n" + std::string(3'000'000, 'y') +
                           "\n{\"step\":3}\n{\"st");
  const ReadableFile file(folder / "file");
  LineReader lines(file);
  std::vector<uint64_t> steps;
  while (const auto line = lines.next()) {
    if (const auto record = record_of(*line)) steps.push_back(*step_of(*record));
  }
  EXPECT_EQ(steps, (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(lines.offset(), file.size() - 4);
}

TEST(RunRecordReader, FollowsARunThatWritesReturnsAndRotates) {
  const TempFolder folder(test::memory_folder());
  RunRecordReader reader(folder.path());
  EXPECT_FALSE(reader.update());
  StepLogPosition saved;
  const auto expect_whole = [&](uint64_t last) {
    reader.update();
    uint64_t steps = 0;
    for (const CurvePoint& point : reader.record().curve.all_points()) steps += point.steps;
    EXPECT_EQ(steps, last);
    EXPECT_EQ(reader.record().newest_step.at("step"), last);
    EXPECT_FALSE(reader.update());
  };
  {
    RunLog log(real_file_system(), folder.path(), {});
    log.write("session", {{"step", 0}, {"schema", 1}});
    for (uint64_t step = 1; step <= 30; ++step) {
      log.write("step", step_of_run(step));
      if (step == 20) saved = log.position();
      if (step % 10 == 0) log.write("evaluation", evaluation(step, 3.0));
      expect_whole(step);
    }
  }
  RunLog log(real_file_system(), folder.path(), {.position = saved, .step = 20});
  expect_whole(20);
  EXPECT_EQ(reader.record().evaluations.size(), 2U);
  for (uint64_t step = 21; step <= 40; ++step) log.write("step", step_of_run(step));
  expect_whole(40);
  std::filesystem::rename(folder / "metrics.jsonl", folder / "metrics-000000.jsonl");
  nlohmann::json next = step_of_run(41);
  next["kind"] = "step";
  folder.write("metrics.jsonl", next.dump() + "\n");
  expect_whole(41);
}

TEST(RunRecordReader, HasBoundedMemoryAndKeepsTheBestEvaluation) {
  const TempFolder folder(test::memory_folder());
  RunLog log(real_file_system(), folder.path(), {});
  for (uint64_t step = 1; step <= 500; ++step) {
    log.write("step", step_of_run(step));
    log.write("evaluation", evaluation(step, step == 123 ? 1.0 : 2.0));
    log.write("sample", {{"step", step}, {"prompt", ""}, {"text", "x"}, {"seconds", 0.1}});
    log.write("checkpoint", {{"step", step}, {"checkpoint_bytes", 1}});
  }
  const RunRecord run = read_run_record(
      folder.path(), {.curve_points = 64, .evaluations = 50, .samples = 10, .sessions = 10, .events = 10});
  EXPECT_LE(run.curve.all_points().size(), 64U);
  EXPECT_EQ(run.curve.points().front().first_step, 1U);
  EXPECT_LE(run.evaluations.size(), 50U);
  EXPECT_EQ(std::ranges::count(run.evaluations, 123U, &RecordedEvaluation::step), 1);
  EXPECT_EQ(run.best_evaluation->step, 123U);
  ASSERT_EQ(run.samples.size(), 10U);
  EXPECT_EQ(run.samples.front().step, 1U);
  EXPECT_EQ(run.samples.back().step, 500U);
  EXPECT_EQ(run.samples.back().json().at("text"), "x");
  EXPECT_EQ(run.events.size(), 10U);
}

TEST(RunRecordReader, ReadsWhatVersion010Wrote) {
  const RunRecord run = read_run_record(test::source_folder() / "tests/golden/data/concat");
  EXPECT_EQ(run.schema, 0U);
  ASSERT_EQ(run.curve.all_points().size(), 3U);
  EXPECT_EQ(run.curve.all_points().back().step, 300U);
  EXPECT_EQ(run.curve.all_points().back().value("loss")->mean, 3.639840394258499);
  ASSERT_EQ(run.evaluations.size(), 2U);
  EXPECT_EQ(run.evaluations.back().step, 380U);
  EXPECT_EQ(run.best_evaluation->loss, 2.9052105341106653);
  ASSERT_EQ(run.events.size(), 2U);
  EXPECT_EQ(run.events.front().kind, "checkpoint");
  EXPECT_EQ(run.newest_step.at("step"), 300);
}

TEST(RunRecordReader, ReadsWhatSchema1IsInARealRun) {
  const RunRecord run = read_run_record(test::source_folder() / "tests/golden/data/record");
  EXPECT_EQ(run.schema, 1U);
  EXPECT_EQ(run.damaged_lines, 0U);
  const auto points = run.curve.all_points();
  ASSERT_EQ(points.size(), 19U);
  EXPECT_EQ(points.front().value("loss")->mean, 5.877600114792585);
  EXPECT_EQ(points.back().value("loss")->mean, 5.199882125481963);
  EXPECT_EQ(points.back().tokens, 19U * 256);
  ASSERT_EQ(run.sessions.size(), 2U);
  EXPECT_EQ(run.sessions.front().json().at("configuration").at("model"), "tiny");
  EXPECT_EQ(run.sessions.back().json().at("reason"), "stopped");
  ASSERT_EQ(run.evaluations.size(), 1U);
  std::vector<std::string> kinds;
  for (const RecordedEvent& event : run.events) kinds.push_back(event.kind);
  EXPECT_EQ(kinds, (std::vector<std::string>{"checkpoint", "paused", "checkpoint", "settings", "continued",
                                             "checkpoint", "checkpoint"}));
}

TEST(RunRecordReader, OfAFolderWithoutARunIsEmpty) {
  const TempFolder folder;
  const RunRecord run = read_run_record(folder / "nowhere");
  EXPECT_TRUE(run.curve.all_points().empty());
  EXPECT_TRUE(run.newest_step.is_null());
}

}  // namespace
}  // namespace pretrain
