// SPDX-License-Identifier: Apache-2.0
// The commands that show a run: report, dashboard, export-metrics, on a run that the program has trained.

#include <csignal>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/end_to_end/run.h"
#include "tests/support/web_client.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{60};

/// A finished run of ten steps.
std::filesystem::path trained_run(const TempFolder& folder) {
  const auto state = folder / "run";
  const auto run = run_program(binary(), tiny_run(state) + Words{"--steps", "10"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  return state;
}

TEST(Report, ShowsARunInOneFile) {
  const TempFolder folder;
  const std::string state = trained_run(folder).string();
  const std::string file = (folder / "run.html").string();
  const auto report = run_program(binary(), {"report", state, "--output", file});
  ASSERT_EQ(report.exit_code, 0) << report.output;
  EXPECT_THAT(report.output, HasSubstr("1 run"));
  const std::string page = read_file(file);
  EXPECT_THAT(page, HasSubstr("\"phase\":\"finished\""));
  EXPECT_THAT(page, HasSubstr("\"max_steps\":10"));
  EXPECT_THAT(page, HasSubstr("run: finished at step 10"));
}

TEST(MetricsFile, SaysHowTheSessionHasEnded) {
  const TempFolder folder;
  folder.write("run.prom", "# HELP pretrain_old");
  folder.write("notes.txt", "mine");
  const auto words = [&](const std::string& file) {
    return tiny_run(folder / "run") + Words{"--steps", "10", "--metrics-file", (folder / file).string()};
  };
  const auto refused = run_program(binary(), words("notes.txt"));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.output, HasSubstr("--metrics-file would replace "));
  EXPECT_EQ(read_file(folder / "notes.txt"), "mine");
  const auto run = run_program(binary(), words("run.prom"));
  ASSERT_EQ(run.exit_code, 0) << run.output;
  const std::string numbers = read_file(folder / "run.prom");
  EXPECT_THAT(numbers, HasSubstr("pretrain_steps_total{run=\"run\"} 10\n"));
  EXPECT_THAT(numbers, HasSubstr("pretrain_state{run=\"run\",state=\"finished\"} 1\n"));
  struct stat status {};
  ASSERT_EQ(::stat((folder / "run.prom").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0644U);
}

TEST(Report, RefusesWhatItCantDo) {
  const TempFolder folder;
  folder.write("empty/readme.txt", "x");
  const std::string empty = (folder / "empty").string();
  const auto expect = [](const Words& words, int code, const std::string& message) {
    const auto run = run_program(binary(), words);
    EXPECT_EQ(run.exit_code, code) << run.output;
    EXPECT_THAT(run.output, HasSubstr(message));
  };
  expect({"report", empty}, 2, "--output is missing");
  expect({"report", empty, "--output", empty}, 2, "--output must be a file");
  expect({"report", empty, "--output", empty + "/x.html"}, 3, "holds no run");
  expect({"report", empty + "/no", "--output", empty + "/x.html"}, 3, "is not a folder");
  expect({"report", empty, "--output", empty + "/x.html", "--every", "1ms"}, 2, "--every must be 1s or more");
  expect({"export-metrics", empty}, 2, "give one of --csv FILE");
  expect({"export-metrics", empty, "--csv", "x", "--follow"}, 2, "--follow does not go with --csv");
  expect({"dashboard", empty, "--listen", "8077"}, 2, "--listen must be ADDRESS:PORT");
  expect({"dashboard", empty, "--listen", "0.0.0.0:0"}, 2, "is open to the network; give --token-file");
  for (const std::string& bad : {empty, empty + "/none"}) {
    for (const char* server : {"dashboard", "serve"})
      expect({server, "--token-file", bad}, 2, "there is no token file " + bad);
  }
  expect({"dashboard", "--new-token", "/none/token"}, 2, "there is no folder /none");
  expect({"join", "--new-secret", "/none/secret"}, 2, "there is no folder /none");
}

/// The port in "dashboard at http://127.0.0.1:PORT/".
uint16_t port_in(const std::string& output) {
  const size_t at = output.find("127.0.0.1:");
  return at == std::string::npos ? 0
                                 : static_cast<uint16_t>(std::strtoul(output.c_str() + at + 10, nullptr, 10));
}

TEST(Dashboard, AnswersUntilItIsStopped) {
  const TempFolder folder;
  const auto state = trained_run(folder);
  Program dashboard(binary(), {"dashboard", state.string(), "--listen", "127.0.0.1:0"});
  ASSERT_TRUE(dashboard.wait_until([&] { return port_in(dashboard.output()) != 0; }, kPatience))
      << dashboard.output();
  const uint16_t port = port_in(dashboard.output());
  EXPECT_EQ(fetch(port, get("/healthz")).body, "ok\n");
  EXPECT_THAT(fetch(port, get("/")).body, HasSubstr("<title>pretrain</title>"));
  EXPECT_EQ(fetch(port, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 421U);
  WebClient stream(port);
  stream.send(get("/api/v1/stream"));
  EXPECT_THAT(stream.read_until("\"step\":10"), HasSubstr("event: runs"));
  EXPECT_THAT(fetch(port, get("/metrics")).body, HasSubstr("pretrain_steps_total{run=\"run\"} 10\n"));
  dashboard.signal(SIGTERM);
  const auto result = dashboard.wait();
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST(Dashboard, NeedsItsToken) {
  const TempFolder folder;
  const auto state = trained_run(folder);
  const std::string token_file = (folder / "token").string();
  ASSERT_EQ(run_program(binary(), {"dashboard", "--new-token", token_file}).exit_code, 0);
  std::string token = read_file(token_file);
  token.pop_back();
  EXPECT_EQ(token.size(), 64U);
  Program dashboard(binary(),
                    {"dashboard", state.string(), "--listen", "127.0.0.1:0", "--token-file", token_file});
  ASSERT_TRUE(dashboard.wait_until([&] { return port_in(dashboard.output()) != 0; }, kPatience))
      << dashboard.output();
  const uint16_t port = port_in(dashboard.output());
  EXPECT_EQ(fetch(port, get("/metrics")).status, 401U);
  EXPECT_EQ(fetch(port, get("/metrics", "Authorization: Bearer " + token + "\r\n")).status, 200U);
  EXPECT_THAT(dashboard.output(), Not(HasSubstr(token))) << "a log may be read by others";
  ASSERT_EQ(chmod(token_file.c_str(), 0644), 0);
  const auto open = run_program(binary(), {"dashboard", state.string(), "--token-file", token_file});
  EXPECT_EQ(open.exit_code, 2);
  EXPECT_THAT(open.output, HasSubstr("chmod 600"));
}

TEST(MetricsExport, WritesATableEventsAndNumbers) {
  const TempFolder folder;
  const std::string state = trained_run(folder).string();
  const auto table = run_program(binary(), {"export-metrics", state, "--csv", (folder / "run.csv").string()});
  ASSERT_EQ(table.exit_code, 0) << table.output;
  EXPECT_THAT(read_file(folder / "run.csv"), HasSubstr("\nstep,10,1,2560,"));
  const auto events =
      run_program(binary(), {"export-metrics", state, "--tensorboard", (folder / "events").string()});
  ASSERT_EQ(events.exit_code, 0) << events.output;
  EXPECT_EQ(list_folder(folder / "events").size(), 1U);
  const auto numbers = run_program(
      binary(), {"export-metrics", state, "--prometheus", (folder / "run.prom").string(), "--follow"});
  ASSERT_EQ(numbers.exit_code, 0) << numbers.output;
  EXPECT_THAT(read_file(folder / "run.prom"), HasSubstr("pretrain_up{run=\"run\"} 0\n"));
}

}  // namespace
}  // namespace pretrain::test
