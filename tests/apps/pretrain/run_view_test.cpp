// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_view.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "apps/pretrain/run_json.h"
#include "apps/pretrain/run_metrics.h"
#include "apps/pretrain/run_status.h"
#include "apps/pretrain/status_text.h"
#include "libs/base/error.h"
#include "libs/base/own_process.h"
#include "tests/apps/pretrain/recorded_run.h"

namespace pretrain {
namespace {

using test::end_line;
using test::evaluation_line;
using test::session_line;
using test::steps_lines;
using test::TempFolder;
using test::write_ended_run;
using test::write_run;
using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;

RunView view_of(const Path& state) {
  RunView view(state, "run", {});
  view.update();
  return view;
}

TEST(RunView, ShowsHowARunEnded) {
  const TempFolder folder;
  const auto phase = [&](const std::string& name, const std::string& end) {
    return view_of(write_run(folder, name, session_line(0, 1) + end, steps_lines(1, 3))).phase();
  };
  EXPECT_EQ(phase("a", end_line(3, "limit")), ShownPhase::kFinished);
  EXPECT_EQ(phase("b", end_line(3, "text_ended")), ShownPhase::kFinished);
  EXPECT_EQ(phase("c", end_line(3, "stopped")), ShownPhase::kStopped);
  EXPECT_EQ(phase("d", end_line(3, "failed", R"("error":"no space",)")), ShownPhase::kFailed);
  EXPECT_EQ(view_of(folder / "d").problem(), "no space");
  EXPECT_EQ(view_of(folder / "a").problem(), "");
}

TEST(RunView, KnowsARunningProcessFromOneThatWasKilled) {
  const TempFolder folder;
  const auto old = [](const Path& state) {
    std::filesystem::last_write_time(state / "metrics.jsonl",
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
    std::filesystem::last_write_time(state / "events.jsonl",
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  };
  constexpr uint64_t kNoProcess = 4'000'000'000;
  const Path killed = write_run(folder, "b", session_line(0, kNoProcess), steps_lines(1, 3));
  old(killed);
  EXPECT_EQ(view_of(killed).phase(), ShownPhase::kUnknown);
  // This process is younger than the record, so it only has the number of the one that wrote it.
  const Path replaced =
      write_run(folder, "c", session_line(0, static_cast<uint64_t>(getpid())), steps_lines(1, 3));
  old(replaced);
  EXPECT_EQ(view_of(replaced).phase(), ShownPhase::kUnknown);
  const auto first = process_start(1);
  if (!first || *first > current_time() - 3600) GTEST_SKIP() << "no process is old enough";
  const Path living = write_run(folder, "a", session_line(0, 1), steps_lines(1, 3));
  old(living);
  EXPECT_EQ(view_of(living).phase(), ShownPhase::kTraining);
}

TEST(RunView, KnowsAKilledRunAfterTheClockWasSetBack) {
  const TempFolder folder;
  constexpr uint64_t kNoProcess = 4'000'000'000;
  const Path state = write_run(folder, "a", session_line(0, kNoProcess), steps_lines(1, 3));
  for (const char* file : {"metrics.jsonl", "events.jsonl"}) {
    std::filesystem::last_write_time(state / file,
                                     std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  }
  RunView view(state, "a", {});
  view.update();
  EXPECT_EQ(view.phase(), ShownPhase::kUnknown);
  std::ofstream(state / "metrics.jsonl", std::ios::app) << steps_lines(4, 5);  // another machine's run grows
  std::filesystem::last_write_time(state / "metrics.jsonl",
                                   std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  view.update();
  EXPECT_EQ(view.phase(), ShownPhase::kTraining);
}

/// The record of a session that names its process, as this test's or changed.
std::string session_of(const ProcessIdentity& process, const std::string& more = "") {
  std::string line = session_line(0, static_cast<uint64_t>(getpid()));
  line.insert(1,
              fmt::format(R"("boot":"{}","process_start":{},{})", process.boot, process.start_ticks, more));
  return line;
}

TEST(RunView, KnowsARunningProcessWhereverTheClockWasSet) {
  const TempFolder folder;
  const auto self = process_identity(getpid());
  if (!self) GTEST_SKIP() << "/proc is hidden";
  const auto phase = [&](const std::string& name, const ProcessIdentity& process, std::chrono::hours shift) {
    const Path state = write_run(folder, name, session_of(process), steps_lines(1, 3));
    for (const char* file : {"metrics.jsonl", "events.jsonl"})
      std::filesystem::last_write_time(state / file, std::filesystem::file_time_type::clock::now() + shift);
    return view_of(state).phase();
  };
  for (const auto shift : {std::chrono::hours(-1), std::chrono::hours(1)}) {
    EXPECT_EQ(phase("lives", *self, shift), ShownPhase::kTraining);
    ProcessIdentity other = *self;
    --other.start_ticks;
    EXPECT_EQ(phase("number-used-again", other, shift), ShownPhase::kUnknown);
    EXPECT_EQ(phase("machine-started-again", {.boot = "other", .start_ticks = self->start_ticks}, shift),
              ShownPhase::kUnknown);
  }
}

/// The session started a minute ago and paused for 20 s and again 10 s ago; by the times of day all of it is years away.
TEST(RunView, CountsTheTimeOfASessionWithoutPausesAndClocks) {
  const TempFolder folder;
  const auto self = process_identity(getpid());
  if (!self) GTEST_SKIP() << "/proc is hidden";
  const auto before = [](double seconds) {
    return fmt::format(R"("steady_seconds":{},)", steady_seconds() - seconds);
  };
  const auto paused = [&](double seconds) {
    return "{" + before(seconds) + R"("kind":"paused","time":1,"step":3,"why":"request"})" + "\n";
  };
  const std::string continued = R"({"kind":"continued","time":1,"step":3,"seconds":20})"
                                "\n";
  std::string session = session_of(*self, before(60));
  session.replace(session.find(R"("seconds":0)"), 11, R"("seconds":100)");
  const RunView trains = view_of(write_run(folder, "a", session + paused(40) + continued, steps_lines(1, 3)));
  EXPECT_NEAR(*trains.session_seconds(), 40, 5);
  EXPECT_NEAR(run_summary(trains)["seconds_left"].get<double>(), 60, 5);
  const RunView pauses = view_of(
      write_run(folder, "b", session + paused(40) + continued + paused(10) + paused(2), steps_lines(1, 3)));
  EXPECT_EQ(pauses.phase(), ShownPhase::kPaused);
  EXPECT_NEAR(*pauses.session_seconds(), 30, 5);
}

TEST(RunView, KeepsWhatItKnowsOfAFolderThatIsGone) {
  const TempFolder folder;
  const Path state = write_ended_run(folder, "a");
  RunView view(state, "a", {});
  view.update();
  std::filesystem::remove_all(state);
  EXPECT_TRUE(view.update());
  EXPECT_THAT(view.problem(), HasSubstr("is gone"));
  EXPECT_EQ(view.phase(), ShownPhase::kFinished);
  EXPECT_EQ(run_summary(view).at("step"), 100);
  write_ended_run(folder, "a");
  EXPECT_TRUE(view.update());
  EXPECT_EQ(view.problem(), "");
}

TEST(RunView, AnswersWhateverTheRecordsHold) {
  const TempFolder folder;
  const std::string lines =
      R"({"kind":"session","step":0,"process":1e300,"time":-1e308,"configuration":[5],"limits":5,"model":{}})"
      "\n"
      R"({"kind":"session","step":0,"process":"x","configuration":{"a":[1]},"limits":{"steps":"x"}})"
      "\n"
      R"({"kind":"sample","step":1,"text":null,"prompt":{}})"
      "\n"
      R"({"kind":"sample","step":2,"text":[],"time":1e308})"
      "\n"
      R"({"kind":"evaluation","step":3,"validation_loss":"x","time":[]})"
      "\n"
      R"({"kind":"bad_step","step":3,"documents":5})"
      "\n"
      R"({"kind":"checkpoint","step":3,"checkpoint_bytes":1e300,"checkpoint_seconds":-1})"
      "\n"
      R"({"kind":"settings","step":3,"changed":{"a":5,"b":[null,{}]}})"
      "\n"
      R"({"kind":"paused","step":3,"why":7,"seconds":"x"})"
      "\n"
      R"({"kind":"machine_slots","step":3,"shares":[5,{"machine":7,"slots":"x"}]})"
      "\n"
      R"({"kind":"end","step":3,"reason":5,"error":{},"skips":[1],"split":"x","seconds":"y","saved_step":"z"})"
      "\n";
  const std::string last = R"({"kind":"step","step":3,"machines":1e300,"exchange_seconds":[]})"
                           "\n";
  const RunView view = view_of(write_run(folder, "a", lines, steps_lines(1, 2) + last));
  EXPECT_EQ(view.problem(), "");
  EXPECT_EQ(run_summary(view).at("step"), 3);
  EXPECT_EQ(run_details(view).at("sessions").size(), 2U);
  EXPECT_EQ(run_samples(view, UINT64_MAX, 10).size(), 2U);
  EXPECT_EQ(run_events(view, {.limit = 100}).size(), 9U);
  Exposition exposition;
  add_run_metrics(exposition, view);
  EXPECT_THAT(exposition.text(), HasSubstr("pretrain_steps_total"));
  const Json status = status_of_record(view.record());
  EXPECT_EQ(status.at("why"), "");
  EXPECT_THAT(status_text("a", status, 80), HasSubstr("step 3"));
}

TEST(RunView, ShowsAPause) {
  const TempFolder folder;
  const std::string session = session_line(0, static_cast<uint64_t>(getpid()));
  const std::string paused = R"({"kind":"paused","time":1795872010,"step":3,"why":"request","seconds":60})"
                             "\n";
  const std::string continued = R"({"kind":"continued","time":1795872070,"step":3,"seconds":60})"
                                "\n";
  EXPECT_EQ(view_of(write_run(folder, "a", session + paused, steps_lines(1, 3))).phase(),
            ShownPhase::kPaused);
  EXPECT_EQ(view_of(write_run(folder, "b", session + paused + continued, steps_lines(1, 3))).phase(),
            ShownPhase::kTraining);
}

TEST(RunView, ShowsThatARunTrainsAgainAfterItWasKilledInAPause) {
  const TempFolder folder;
  const std::string paused = R"({"kind":"paused","time":1795871990,"step":3,"why":"request"})"
                             "\n";
  const std::string killed = session_line(0, 1), resumed = session_line(3, static_cast<uint64_t>(getpid()));
  EXPECT_EQ(view_of(write_run(folder, "a", killed + paused + resumed, steps_lines(1, 3))).phase(),
            ShownPhase::kTraining);
}

/// The session of these tests starts at 1795872000.
TEST(RunView, ShowsAPauseWhereTheClockWasSet) {
  const TempFolder folder;
  const auto paused_at = [](int time) {
    return fmt::format(R"({{"kind":"paused","time":{},"step":3,"why":"request"}})", time) + "\n";
  };
  const std::string session = session_line(3, static_cast<uint64_t>(getpid()));
  EXPECT_EQ(
      view_of(write_run(folder, "back-in-the-session", session + paused_at(1795868400), steps_lines(1, 3)))
          .phase(),
      ShownPhase::kPaused);
  EXPECT_EQ(view_of(write_run(folder, "back-between-sessions",
                              session_line(0, 1) + paused_at(1795875600) + session, steps_lines(1, 3)))
                .phase(),
            ShownPhase::kTraining);
}

TEST(RunView, ShowsARunThatHasRecordedNothing) {
  const TempFolder folder;
  folder.write("new/lock", "");
  folder.write("new/run.ini", "batch = 8\n");
  RunView view(folder / "new", "new", {});
  EXPECT_TRUE(view.update());
  EXPECT_EQ(view.phase(), ShownPhase::kStarting);
  const Json json = run_details(view);
  EXPECT_EQ(json["step"], 0);
  EXPECT_TRUE(json["loss"].is_null());
  EXPECT_EQ(json["configuration"]["batch"], "8");
  EXPECT_TRUE(run_series(view, {})["step"].empty());
}

TEST(RunView, ReadsWhatIsNew) {
  const TempFolder folder;
  const Path state = write_run(folder, "a", session_line(0, 1), steps_lines(1, 3));
  RunView view(state, "a", {});
  EXPECT_TRUE(view.update());
  EXPECT_FALSE(view.update());
  const uint64_t revision = view.revision();
  std::ofstream(state / "metrics.jsonl", std::ios::app) << steps_lines(4, 5);
  EXPECT_TRUE(view.update());
  EXPECT_GT(view.revision(), revision);
  EXPECT_EQ(run_summary(view)["step"], 5);
}

TEST(RunView, HasEachStepOnceAfterAResumeCutTheRecord) {
  const TempFolder folder;
  const Path state = write_run(folder, "a", session_line(0, 1), steps_lines(1, 50));
  RunView view(state, "a", {});
  view.update();
  write_run(folder, "a", session_line(0, 1) + session_line(20, 1), steps_lines(1, 20));
  std::ofstream(state / "metrics.jsonl", std::ios::app) << steps_lines(21, 30);
  view.update();
  const Json steps = run_series(view, {.points = 4096})["step"];
  EXPECT_EQ(steps.size(), 30U);
  EXPECT_EQ(steps.back(), 30);
}

TEST(RunJson, SumsARunUp) {
  const TempFolder folder;
  const RunView view = view_of(write_ended_run(folder, "a"));
  const Json json = run_details(view);
  EXPECT_EQ(json["step"], 100);
  EXPECT_EQ(json["tokens"], 25600);
  EXPECT_EQ(json["model"], "tiny");
  EXPECT_NEAR(json["loss"].get<double>(), 10 - 0.05 * 90.5, 1e-3) << "the mean of the newest 20 steps";
  EXPECT_EQ(json["validation_loss"], 6);
  EXPECT_EQ(json["best_validation_loss"], 6);
  EXPECT_EQ(json["evaluations_since_best"], 0);
  EXPECT_EQ(json["bits_per_byte"], 3);
  EXPECT_EQ(json["tokens_per_second"], 512);
  EXPECT_EQ(json["trained_seconds"], 50);
  EXPECT_EQ(json["epoch_share"], 0.5);
  EXPECT_EQ(json["max_steps"], 200);
  EXPECT_TRUE(json["seconds_left"].is_null()) << "it has ended";
  EXPECT_EQ(json["skips"], Json({{"empty", 3}}));
  EXPECT_EQ(json["split"]["backward"], 30);
  EXPECT_EQ(json["split"]["evaluation"], 3.5);
  EXPECT_EQ(json["machine"]["processor"], "Test");
  ASSERT_EQ(json["sessions"].size(), 1U);
  EXPECT_EQ(json["sessions"][0]["reason"], "limit");
}

TEST(RunJson, ShowsMachinesWithTheirSlots) {
  const TempFolder folder;
  const Json tower{{"machine", "tower"}, {"slots", 3}, {"slots_per_second", 4}};
  const Json desk{{"machine", "desk (192.168.1.11)"}, {"slots", 1}, {"slots_per_second", 1.5}};
  std::string events;
  for (const Json& event :
       {Json{{"kind", "machine_joined"}, {"step", 1}, {"machine", "desk (192.168.1.11)"}, {"machines", 2}},
        Json{{"kind", "machine_slots"}, {"step", 1}, {"machines", 1}, {"shares", Json::array({tower})}},
        Json{{"kind", "machine_lost"}, {"step", 2}, {"machine", "attic"}, {"machines", 2}, {"why", "reset"}},
        Json{
            {"kind", "machine_slots"}, {"step", 2}, {"machines", 2}, {"shares", Json::array({tower, desk})}}})
    events += event.dump() + "\n";
  const std::string step =
      R"({"kind":"step","step":3,"tokens":9,"loss":2,"machines":2,"exchange_seconds":0.25})"
      "\n";
  const RunView view = view_of(write_run(folder, "a", session_line(0, 1) + events, steps_lines(1, 2) + step));
  const Json json = run_summary(view);
  EXPECT_EQ(json["machines"], 2);
  EXPECT_EQ(json["exchange_seconds"], 0.25);
  EXPECT_EQ(json["joined_machines"], 1);
  EXPECT_EQ(json["lost_machines"], 1);
  ASSERT_EQ(json["machine_shares"].size(), 2U);
  EXPECT_EQ(json["machine_shares"][0]["slots"], 3);
  Exposition exposition;
  add_run_metrics(exposition, view);
  for (const char* line :
       {"pretrain_machines{run=\"run\"} 2\n", "pretrain_exchange_seconds{run=\"run\"} 0.25\n",
        "pretrain_machines_joined_total{run=\"run\"} 1\n", "pretrain_machines_lost_total{run=\"run\"} 1\n",
        "pretrain_machine_slots{run=\"run\",machine=\"desk (192.168.1.11)\"} 1\n"})
    EXPECT_THAT(exposition.text(), HasSubstr(line));
  const Json slots = run_events(view, {.kinds = {"machine_slots"}});
  ASSERT_EQ(slots.size(), 2U);
  EXPECT_EQ(slots.at(0).at("text"), "tower 3, desk (192.168.1.11) 1");
}

TEST(RunJson, TellsHowLongARunStillTakes) {
  const TempFolder folder;
  const RunView view =
      view_of(write_run(folder, "a", session_line(0, static_cast<uint64_t>(getpid())), steps_lines(1, 150)));
  EXPECT_EQ(run_summary(view)["seconds_left"], 25) << "50 steps of half a second";
}

TEST(RunJson, SeriesHaveMeansWithinTheirRange) {
  const TempFolder folder;
  const RunView view = view_of(write_ended_run(folder, "a"));
  const Json series = run_series(view, {.keys = {"loss", "learning_rate"}, .points = 10});
  ASSERT_EQ(series["step"].size(), 10U);
  EXPECT_EQ(series["step"].back(), 100);
  EXPECT_EQ(series["seconds"].back(), 50);
  EXPECT_EQ(series["keys"].size(), 2U);
  const Json& loss = series["keys"]["loss"];
  EXPECT_NEAR(loss["mean"][0].get<double>(), 10 - 0.05 * 5.5, 1e-3);
  EXPECT_NEAR(loss["max"][0].get<double>(), 9.95, 1e-3);
  EXPECT_NEAR(loss["min"][0].get<double>(), 9.5, 1e-3);
  EXPECT_FALSE(series["keys"]["learning_rate"].contains("min")) << "it is the same in all steps";
  EXPECT_EQ(series["evaluations"]["step"], Json({0, 100}));
  EXPECT_EQ(series["evaluations"]["seconds"], Json({0, 50}));
}

TEST(RunJson, SeriesOfAPartHaveMorePoints) {
  const TempFolder folder;
  const RunView view = view_of(write_ended_run(folder, "a"));
  const Json series = run_series(view, {.from = 41, .to = 50, .points = 10});
  EXPECT_EQ(series["step"], Json({41, 42, 43, 44, 45, 46, 47, 48, 49, 50}));
}

TEST(RunJson, RefusesAnUnknownKey) {
  const TempFolder folder;
  const RunView view = view_of(write_ended_run(folder, "a"));
  try {
    run_series(view, {.keys = {"los"}});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("loss, grad_norm"), HasSubstr("(got los)")));
  }
}

TEST(RunJson, ListsEventsNewestFirst) {
  const TempFolder folder;
  const RunView view = view_of(write_ended_run(folder, "a"));
  const Json events = run_events(view, {});
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[0]["kind"], "end");
  EXPECT_EQ(events[0]["text"], "limit reached after 1 min 00 s");
  EXPECT_EQ(events[1]["text"], "validation loss 6.0000, 3.0000 bits per byte");
  EXPECT_FALSE(events[3].contains("configuration"));
  EXPECT_EQ(run_events(view, {.kinds = {"evaluation"}, .before = 100}).size(), 1U);
  EXPECT_EQ(run_events(view, {.limit = 2}).size(), 2U);
}

TEST(RunJson, ReadsRecordsWithoutKindAndTime) {
  const TempFolder folder;
  folder.write(
      "old/metrics.jsonl",
      "{\"step\":0,\"tokens\":0,\"validation_loss\":9,\"perplexity\":9,\"bits_per_byte\":4,\"peak_flops\":1}\n"
      "{\"step\":1,\"tokens\":256,\"epoch\":0,\"loss\":8,\"learning_rate\":1,\"grad_norm\":null,\"applied\":true,"
      "\"step_seconds\":1,\"tokens_per_second\":256,\"batch_hash\":\"ab\"}\n"
      "{\"step\":1,\"checkpoint_bytes\":5,\"checkpoint_seconds\":1}\n");
  const RunView view = view_of(folder / "old");
  EXPECT_EQ(run_summary(view)["loss"], 8);
  EXPECT_EQ(run_events(view, {}).size(), 2U);
  EXPECT_FALSE(run_series(view, {}).contains("time"));
}

TEST(RunNames, FitIntoAnAddressAndAreUnique) {
  EXPECT_EQ(run_id("/x/my run/", {}), "my_run");
  EXPECT_EQ(run_id("/x/a<b>", {}), "a_b_");
  EXPECT_EQ(run_id("/y/base", {"base", "base-2"}), "base-3");
  EXPECT_EQ(run_id("/", {}), "run");
}

TEST(RunFolders, AreThemselvesOrBelow) {
  const TempFolder folder;
  write_ended_run(folder, "all/b");
  write_ended_run(folder, "all/a");
  folder.write("all/notes/readme.txt", "x");
  EXPECT_THAT(find_runs({folder / "all/b"}, 9), ElementsAre(folder / "all/b"));
  EXPECT_THAT(find_runs({folder / "all"}, 9), ElementsAre(folder / "all/a", folder / "all/b"));
  EXPECT_THAT(find_runs({folder / "all"}, 1), ElementsAre(folder / "all/a"));
  EXPECT_THROW(find_runs({folder / "all/notes"}, 9), Error);
  EXPECT_THROW(find_runs({folder / "nowhere"}, 9), Error);
}

}  // namespace
}  // namespace pretrain
