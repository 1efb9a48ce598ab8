// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/dashboard.h"

#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "libs/base/error.h"
#include "libs/base/json.h"
#include "tests/apps/pretrain/recorded_run.h"

namespace pretrain {
namespace {

using test::TempFolder;
using test::write_ended_run;
using test::write_run;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

WebAnswer ask(const RunWatcher& runs, const std::string& target) {
  runs.wait_until_read();
  const Dashboard dashboard(runs);
  return std::get<WebAnswer>(dashboard.answer({.method = "GET", .target = *parse_target(target)}));
}

Json json_of(const WebAnswer& answer) {
  EXPECT_EQ(answer.type, "application/json");
  return parse_json(*answer.body);
}

TEST(Dashboard, ServesThePageWithItsPolicy) {
  const TempFolder folder;
  const RunWatcher runs({write_ended_run(folder, "a")});
  const WebAnswer page = ask(runs, "/");
  EXPECT_THAT(page.policy, HasSubstr("script-src 'self'"));
  EXPECT_THAT(*page.body, HasSubstr("<title>pretrain</title>"));
  EXPECT_EQ(ask(runs, "/page.js").type, "text/javascript; charset=utf-8");
  EXPECT_EQ(ask(runs, "/page.css").type, "text/css; charset=utf-8");
  EXPECT_EQ(*ask(runs, "/healthz").body, "ok\n");
}

TEST(Dashboard, AnswersAboutRuns) {
  const TempFolder folder;
  write_ended_run(folder, "all/a");
  write_ended_run(folder, "all/b");
  const RunWatcher runs({folder / "all"});
  const Json list = json_of(ask(runs, "/api/v1/runs"));
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0]["id"], "a");
  EXPECT_EQ(json_of(ask(runs, "/api/v1/runs/b"))["configuration"]["batch"], "8");
  const Json series = json_of(ask(runs, "/api/v1/runs/a/series?keys=loss,grad_norm&points=4"));
  EXPECT_EQ(series["keys"].size(), 2U);
  EXPECT_EQ(series["step"].size(), 4U);
  EXPECT_EQ(json_of(ask(runs, "/api/v1/runs/a/events?kinds=end")).size(), 1U);
  const Json samples = json_of(ask(runs, "/api/v1/runs/a/samples?limit=5"));
  ASSERT_EQ(samples.size(), 1U);
  EXPECT_THAT(samples[0]["text"].get<std::string>(), HasSubstr("<script>alert(1)"));
}

TEST(Dashboard, KnowsNoOtherPaths) {
  const TempFolder folder;
  const RunWatcher runs({write_ended_run(folder, "a")});
  for (const char* path : {"/x", "/index.html", "/api", "/api/v1", "/api/v1/runs/", "/api/v1/runs/c",
                           "/api/v1/runs/..", "/api/v1/runs/a/", "/api/v1/runs/a/x",
                           "/api/v1/runs/a/series/x", "/../etc/passwd", "/%2e%2e/", "/readyz?run=c"}) {
    EXPECT_EQ(ask(runs, path).status, 404U) << path;
  }
}

TEST(Dashboard, RefusesParametersThatAreNotAllowed) {
  const TempFolder folder;
  const RunWatcher runs({write_ended_run(folder, "a")});
  for (const char* path : {"series?points=1", "series?points=5000", "series?keys=x", "events?limit=0",
                           "events?limit=9999", "samples?limit=x", "series?from=-1"}) {
    EXPECT_THROW(ask(runs, fmt::format("/api/v1/runs/a/{}", path)), Error) << path;
  }
}

TEST(Dashboard, IsReadyWhileARunTrains) {
  const TempFolder folder;
  write_ended_run(folder, "all/ended");
  write_run(folder, "all/lives", test::session_line(0, static_cast<uint64_t>(getpid())),
            test::steps_lines(1, 3));
  const RunWatcher runs({folder / "all"});
  EXPECT_EQ(ask(runs, "/readyz?run=lives").status, 200U);
  EXPECT_EQ(ask(runs, "/readyz").status, 200U);
  const WebAnswer ended = ask(runs, "/readyz?run=ended");
  EXPECT_EQ(ended.status, 503U);
  EXPECT_EQ(*ended.body, "ended: finished\n");
}

TEST(Dashboard, ShowsMetricsOfEachRun) {
  const TempFolder folder;
  write_ended_run(folder, "all/a");
  write_ended_run(folder, "all/b");
  const RunWatcher runs({folder / "all"});
  const WebAnswer answer = ask(runs, "/metrics");
  EXPECT_EQ(answer.type, "text/plain; version=0.0.4; charset=utf-8");
  for (const char* line :
       {"# TYPE pretrain_steps_total counter\n", "pretrain_steps_total{run=\"a\"} 100\n",
        "pretrain_steps_total{run=\"b\"} 100\n", "pretrain_up{run=\"a\"} 0\n",
        "pretrain_state{run=\"a\",state=\"finished\"} 1\n",
        "pretrain_state{run=\"a\",state=\"training\"} 0\n", "pretrain_validation_loss_nats{run=\"a\"} 6\n",
        "pretrain_activity_seconds_total{run=\"a\",activity=\"backward\"} 30\n",
        "pretrain_skipped_places_by_reason_total{run=\"a\",reason=\"empty\"} 3\n"}) {
    EXPECT_THAT(*answer.body, HasSubstr(line));
  }
  EXPECT_THAT(*answer.body, Not(HasSubstr("pretrain_time_remaining_seconds"))) << "nothing remains";
}

TEST(Dashboard, ShowsThePowerAndHeatOfAProcessorThatShowsThem) {
  const TempFolder folder;
  const std::string heat = R"({"kind":"throttled","time":1795872005,"step":10,"times":7})"
                           "\n";
  const std::string power = R"({"kind":"step","step":11,"tokens":2816,"epoch":0,"loss":9,"watts":35.5})"
                            "\n";
  write_run(folder, "a",
            test::session_line(0, 1) + heat + heat + test::end_line(11, "limit", R"("joules":7200,)"), power);
  const RunWatcher runs({folder / "a"});
  const std::string metrics = *ask(runs, "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("pretrain_processor_power_watts{run=\"a\"} 35.5\n"));
  EXPECT_THAT(metrics, HasSubstr("pretrain_processor_throttle_events_total{run=\"a\"} 14\n"));
  const std::string events = *ask(runs, "/api/v1/runs/a/events").body;
  EXPECT_THAT(events, HasSubstr("the processor slowed down 7 times because of heat"));
  EXPECT_THAT(events, HasSubstr("the processor took 2.0 Wh"));
}

TEST(Dashboard, StreamsTheStatesAndThenPings) {
  const TempFolder folder;
  const RunWatcher runs({write_ended_run(folder, "a")});
  runs.wait_until_read();
  const Dashboard dashboard(runs);
  auto stream =
      std::get<WebStream>(dashboard.answer({.method = "GET", .target = *parse_target("/api/v1/stream")}));
  const std::string first = *stream.source->take();
  EXPECT_THAT(first, testing::StartsWith("retry: 3000\n\nevent: runs\nid: "));
  const size_t data = first.find("data: ") + 6;
  EXPECT_EQ(parse_json(first.substr(data, first.find('\n', data) - data))["runs"][0]["id"], "a");
  EXPECT_THAT(first, testing::EndsWith("\n\n"));
  EXPECT_EQ(*stream.source->take(), "") << "nothing has changed";
}

std::map<std::string, std::filesystem::file_time_type> files_in(const std::filesystem::path& folder) {
  std::map<std::string, std::filesystem::file_time_type> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    files[entry.path().string()] = entry.last_write_time();
  return files;
}

TEST(Dashboard, LeavesTheStateFolderAsItIs) {
  const TempFolder folder;
  const Path state = write_ended_run(folder, "a");
  const auto before = files_in(folder.path());
  {
    const RunWatcher runs({state});
    for (const char* path : {"/", "/metrics", "/readyz", "/api/v1/runs/a", "/api/v1/runs/a/series"})
      ask(runs, path);
  }
  EXPECT_EQ(files_in(folder.path()), before);
}

TEST(RunWatcher, RefusesAFolderWithoutARun) {
  const TempFolder folder;
  EXPECT_THROW(RunWatcher({folder.path()}), Error);
}

}  // namespace
}  // namespace pretrain
