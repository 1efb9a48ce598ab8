// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/control_server.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "apps/pretrain/control_requests.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;

constexpr std::chrono::seconds kPatience(60);

/// A server without a run: what the trainer would do, the test does.
class ControlServerTest : public testing::Test {
 protected:
  ControlServerTest() { serve(folder_.path()); }

  void serve(const Path& state, const ControlLimits& limits = {}) {
    server_.reset();
    const ControlParts parts{
        .control = control_, .monitor = monitor_, .request_stop = [this] { ++stops_; }, .most_threads = 4};
    server_ = std::make_unique<ControlServer>(state, control_requests(parts), limits);
  }

  LocalConnection connect(const Path& state) const {
    auto connection = LocalConnection::open(control_socket(state));
    EXPECT_TRUE(connection);
    return std::move(*connection);
  }

  nlohmann::json ask(const std::string& line) const {
    LocalConnection connection = connect(folder_.path());
    connection.write_line(line, kPatience);
    const auto answer = connection.read_line(kPatience);
    return answer ? nlohmann::json::parse(*answer) : nlohmann::json();
  }

  std::string error_of(const std::string& line) const {
    const nlohmann::json answer = ask(line);
    EXPECT_EQ(answer.value("ok", true), false) << line;
    return answer.value("error", "");
  }

  void save(uint64_t step, bool ok) {
    monitor_.on_save_started(step);
    monitor_.on_saved({.step = step, .ok = ok, .error = ok ? "" : "No space left on device"});
  }

  TempFolder folder_;
  RunControl control_;
  RunMonitor monitor_{{.model = "tiny", .parameters = 1234, .threads = 4}};
  std::atomic<int> stops_{0};
  std::unique_ptr<ControlServer> server_;
};

TEST_F(ControlServerTest, TellsTheStatusOfTheRun) {
  RunSnapshot run{.limits = {.max_steps = 100}, .step = 42, .tokens = 4200, .loss = 3.5};
  run.best = BestEvaluation{.step = 40, .loss = 3.25, .bits_per_byte = 1.5, .since = 1};
  monitor_.on_phase(RunPhase::kTraining);
  monitor_.on_step({.step = 42}, run);
  const nlohmann::json status = ask(R"({"do":"status"})");
  EXPECT_EQ(status.at("phase"), "training");
  EXPECT_EQ(status.at("step"), 42);
  EXPECT_EQ(status.at("max_steps"), 100);
  EXPECT_EQ(status.at("loss"), 3.5);
  EXPECT_EQ(status.at("best").at("evaluations_since"), 1);
  EXPECT_EQ(status.at("model"), "tiny");
  EXPECT_TRUE(status.at("validation").is_null());
}

TEST_F(ControlServerTest, RefusesWhatIsNoRequest) {
  EXPECT_EQ(error_of(R"({"do":"dance"})"), "unknown request 'dance'");
  EXPECT_EQ(ask(R"({"do":"dance"})").at("usage"), true);
  EXPECT_EQ(error_of("[]"), "a request is an object with the key 'do'");
  EXPECT_NE(error_of("\x01\xff binary"), "");
  EXPECT_NE(error_of(""), "");
  EXPECT_EQ(error_of(std::string(5000, ' ')), "the request is too long");
  const std::string more = "; for more, stop the run, and resume it with --threads N";
  EXPECT_EQ(error_of(R"({"do":"set","threads":5})"),
            "threads must be an integer between 1 and 4 (got 5)" + more);
  EXPECT_EQ(error_of(R"({"do":"set","threads":-1})"),
            "threads must be an integer between 1 and 4 (got -1)" + more);
  EXPECT_EQ(error_of(R"({"do":"set"})"), "'set' needs threads or checkpoint_interval_ms");
  EXPECT_EQ(error_of(R"({"do":"save","wait":1})"), "'wait' must be true or false");
  EXPECT_NE(error_of(R"({"do":"pause","seconds":"2"})"), "");
  EXPECT_FALSE(control_.take_changes().any());
  EXPECT_EQ(stops_, 0);
}

TEST_F(ControlServerTest, AClientWaitsForAPlaceInAFullQueue) {
  TempFolder folder;
  LocalListener listener(folder.path(), "queue");
  for (int round = 0; round < 20; ++round) {
    constexpr int kPlaces = 17;  // of the listener, and one
    std::vector<LocalConnection> clients;
    for (int i = 0; i < kPlaces; ++i) clients.push_back(*LocalConnection::open(folder / "queue"));
    std::atomic<bool> is_full{false};
    std::jthread accepting([&](const std::stop_token& stop) {
      while (!is_full) std::this_thread::yield();
      for (int accepted = 0; accepted <= kPlaces && !stop.stop_requested();)
        accepted += listener.accept() ? 1 : 0;
    });
    is_full = true;
    EXPECT_TRUE(LocalConnection::open(folder / "queue"));
    accepting.join();
  }
}

TEST_F(ControlServerTest, PassesRequestsOn) {
  EXPECT_EQ(ask(R"({"do":"set","threads":2,"checkpoint_interval_ms":60000})").at("ok"), true);
  const ChangedSettings changes = control_.take_changes();
  EXPECT_EQ(changes.threads, 2);
  EXPECT_EQ(changes.checkpoint_interval, std::chrono::minutes(1));
  EXPECT_EQ(ask(R"({"do":"save"})").at("ok"), true);
  EXPECT_TRUE(control_.take_save_request());
  EXPECT_EQ(ask(R"({"do":"stop"})").at("ok"), true);
  EXPECT_EQ(stops_, 1);
  EXPECT_EQ(ask(R"({"do":"continue"})").at("was_paused"), false);
}

TEST_F(ControlServerTest, APauseIsAnsweredWhenTheRunStandsStill) {
  LocalConnection client = connect(folder_.path());
  client.write_line(R"({"do":"pause","seconds":7200})", kPatience);
  while (!control_.pause_due()) std::this_thread::yield();
  EXPECT_EQ(control_.pause_due()->time, std::chrono::hours(2));
  EXPECT_FALSE(client.read_line(std::chrono::milliseconds(300)));
  monitor_.on_phase(RunPhase::kPaused);
  const auto answer = client.read_line(kPatience);
  ASSERT_TRUE(answer);
  EXPECT_EQ(nlohmann::json::parse(*answer).at("ok"), true);
}

TEST_F(ControlServerTest, APauseTellsWhatItCouldNotSave) {
  monitor_.on_step({.step = 9}, {.step = 9, .saved_step = 5});
  save(9, false);
  monitor_.on_phase(RunPhase::kPaused);
  const nlohmann::json answer = ask(R"({"do":"pause"})");
  EXPECT_EQ(answer.at("step"), 9);
  EXPECT_EQ(answer.at("saved_step"), 5);
  EXPECT_EQ(answer.at("failed_save"), "No space left on device");
}

TEST_F(ControlServerTest, ASaveIsAnsweredWhenItIsSafeOrHasFailed) {
  monitor_.on_step({.step = 9}, {.step = 9, .saved_step = 5});
  for (const bool ok : {true, false}) {
    LocalConnection client = connect(folder_.path());
    client.write_line(R"({"do":"save","wait":true})", kPatience);
    while (!control_.save_is_requested()) std::this_thread::yield();
    save(8, true);  // had begun before
    EXPECT_FALSE(client.read_line(std::chrono::milliseconds(300)));
    EXPECT_TRUE(control_.take_save_request());
    save(10, ok);
    const auto answer = client.read_line(kPatience);
    ASSERT_TRUE(answer);
    const auto json = nlohmann::json::parse(*answer);
    EXPECT_EQ(json.at("ok"), ok);
    EXPECT_EQ(json.value("saved_step", 0), ok ? 10 : 0);
    EXPECT_EQ(json.value("error", ""),
              ok ? ""
                 : "checkpoint of step 10 failed: No space left on device; training continues, the next save "
                   "tries again");
    monitor_.on_step({.step = 9}, {.step = 9, .saved_step = 5});
  }
}

TEST_F(ControlServerTest, ThoseWhoWaitHearOfTheEnd) {
  LocalConnection stopping = connect(folder_.path()), saving = connect(folder_.path());
  stopping.write_line(R"({"do":"stop","wait":true})", kPatience);
  monitor_.on_step({.step = 9}, {.step = 9, .saved_step = 5});
  saving.write_line(R"({"do":"save","wait":true})", kPatience);
  while (stops_ == 0 || !control_.save_is_requested()) std::this_thread::yield();
  server_.reset();
  EXPECT_EQ(nlohmann::json::parse(*stopping.read_line(kPatience)).at("ok"), true);
  EXPECT_EQ(nlohmann::json::parse(*saving.read_line(kPatience)).at("ok"), false);
  EXPECT_FALSE(LocalConnection::open(control_socket(folder_.path())));
  EXPECT_FALSE(file_exists(control_socket(folder_.path())));
}

TEST_F(ControlServerTest, SilentAndSlowClientsHoldUpNobody) {
  serve(folder_.path(), {.connections = 4, .request_time = std::chrono::milliseconds(300)});
  std::vector<LocalConnection> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(connect(folder_.path()));
  silent[0].write_some("{\"do\":");
  EXPECT_EQ(ask(R"({"do":"status"})").at("ok"), true) << "as soon as a place is free";
  EXPECT_EQ(nlohmann::json::parse(*silent[0].read_line(kPatience)).at("error"), "no request came");
}

TEST_F(ControlServerTest, AFollowerHearsMoreThanOnce) {
  LocalConnection client = connect(folder_.path());
  client.write_line(R"({"do":"follow"})", kPatience);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(client.read_line(kPatience));
}

TEST_F(ControlServerTest, WorksInAFolderWithALongPath) {
  Path deep = folder_.path();
  while (deep.native().size() < 300) deep /= std::string(60, 'x');
  std::filesystem::create_directories(deep);
  serve(deep);
  LocalConnection client = connect(deep);
  client.write_line(R"({"do":"status"})", kPatience);
  EXPECT_TRUE(client.read_line(kPatience));
}

TEST_F(ControlServerTest, ReplacesTheSocketOfADeadProcessAndNothingElse) {
  const TempFolder other;
  std::filesystem::rename(control_socket(folder_.path()), other / "control.sock");  // nobody will remove it
  serve(other.path());
  LocalConnection client = connect(other.path());
  client.write_line(R"({"do":"status"})", kPatience);
  EXPECT_TRUE(client.read_line(kPatience));
  const TempFolder taken;
  taken.write("control.sock", "a file of the user");
  EXPECT_THROW(serve(taken.path()), IoError);
  EXPECT_EQ(read_file(taken / "control.sock"), "a file of the user");
}

TEST_F(ControlServerTest, OnlyItsOwnerMayOpenTheSocket) {
  struct stat status {};
  ASSERT_EQ(::stat(control_socket(folder_.path()).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

}  // namespace
}  // namespace pretrain
