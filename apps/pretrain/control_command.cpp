// SPDX-License-Identifier: Apache-2.0
// The commands that ask and steer a running session: status, pause, continue, save, stop, set.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/control_commands.h"
#include "apps/pretrain/default_model.h"
#include "apps/pretrain/run_status.h"
#include "apps/pretrain/shell_text.h"
#include "apps/pretrain/state_folder.h"
#include "apps/pretrain/status_text.h"
#include "apps/pretrain/terminal_curve.h"
#include "apps/pretrain/text_list.h"
#include "libs/base/error.h"
#include "libs/base/quantity.h"
#include "libs/base/standard_streams.h"
#include "libs/base/terminal.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

/// How long a step, an evaluation or a save may take until an answer.
constexpr std::chrono::hours kPatience(24);

/// Of checkpoints, as the run accepts it.
constexpr std::chrono::hours kLongestInterval(366 * 24);

constexpr std::chrono::milliseconds kNoTime(-1);

struct ControlRequest {
  Path state;
  bool json = false, watch = false, wait = false;
  std::chrono::milliseconds time = kNoTime;
  std::vector<std::string> settings;
};

using Table = OptionTable<ControlRequest>;

Option<ControlRequest> state_option() {
  return {{"state",
           "folder of the run",
           {},
           KeyKind::kChangeable,
           "$PRETRAIN_STATE, $STATE_DIRECTORY, $XDG_STATE_HOME/pretrain or ~/.local/state/pretrain"},
          path_of<ControlRequest>(&ControlRequest::state)};
}

/// The given folder, or as for training.
Path state_of(const ControlRequest& request) {
  return request.state.empty() ? chosen_state_folder() : request.state;
}

LocalConnection reach(const Path& state) {
  auto run = connect_to_run(state);
  if (run) return std::move(*run);
  if (!is_state_folder(state)) fail_without_run(state);
  fail(ErrorKind::kData, "no run is training in {}; to continue it: pretrain resume --state {}",
       state.native(), shell_word(state.native()));
}

/// Another command for the same run.
std::string command_for(const ControlRequest& request, std::string_view command) {
  if (request.state.empty()) return std::string(command);
  return fmt::format("{} --state {}", command, shell_word(request.state.native()));
}

/// Texts of the run are escaped by now.
void show(const std::string& text) {
  fmt::print("{}", text);
  flush_output();
}

void print_status(const Path& state, const ControlRequest& request, RunRecordReader& reader) {
  reader.update();
  const nlohmann::json status = run_status(state, reader.record());
  if (request.json) return show(status.dump() + "\n");
  const size_t columns = std::max<size_t>(output_columns(), 20);
  std::string text = status_text(state, status, columns);
  if (request.watch) {
    const std::string curve =
        terminal_curve(reader.record(), {.columns = columns, .rows = 10, .utf8 = terminal_shows_utf8()});
    if (!curve.empty()) text += fmt::format("\n{}\n", curve);
  }
  if (request.watch && output_can_be_cleared()) text = fmt::format("\x1b[H\x1b[J{}", text);
  show(text);
}

constexpr CommandSyntax kStatus{.name = "status",
                                .usage =
                                    "pretrain status [--state DIR] [--watch] [--json]\n\n"
                                    "Shows how a run is doing, or how its last session ended.",
                                .examples = "Exit codes: 0 shown, 3 there is no run in the folder.",
                                .positional = "state"};
constexpr CommandSyntax kPause{.name = "pause",
                               .usage =
                                   "pretrain pause [--state DIR] [--for TIME]\n\n"
                                   "Finishes the current step, saves, and waits until pretrain continue.\n"
                                   "The program stays in memory. If it could not save, the exit code is 1.",
                               .examples = "Example:\n  pretrain pause --for 2h",
                               .positional = "state"};
constexpr CommandSyntax kContinue{.name = "continue",
                                  .usage =
                                      "pretrain continue [--state DIR]\n\n"
                                      "Ends a pause. A run that was stopped continues with pretrain resume.",
                                  .positional = "state"};
constexpr CommandSyntax kSave{.name = "save",
                              .usage =
                                  "pretrain save [--state DIR] [--wait]\n\n"
                                  "Asks a run to write a checkpoint after the current step.",
                              .positional = "state"};
constexpr CommandSyntax kStop{.name = "stop",
                              .usage =
                                  "pretrain stop [--state DIR] [--wait]\n\n"
                                  "Asks a run to finish the current step, to save, and to exit.",
                              .positional = "state"};
constexpr CommandSyntax kSet{.name = "set",
                             .usage =
                                 "pretrain set [--state DIR] threads=N checkpoint-interval=TIME\n\n"
                                 "Changes a run between two steps, until the end of its session. The\n"
                                 "results do not depend on the number of threads, which may not exceed\n"
                                 "that of the start.",
                             .examples = "Example:\n  pretrain set threads=1",
                             .positional = "setting"};

Option<ControlRequest> wait_option(std::string_view help) {
  return {{"wait", help}, switch_of<ControlRequest>(&ControlRequest::wait)};
}

/// One setting as a key of the request.
void add_setting(nlohmann::json& request, const std::string& name, const std::string& value) {
  if (name == "threads") {
    request["threads"] = read_count(value, 1, 1024);
    return;
  }
  const auto interval = read_duration(value);
  if (interval > kLongestInterval) fail(ErrorKind::kUsage, "must be at most 366d (got {})", value);
  request["checkpoint_interval_ms"] = interval.count();
}

/// `NAME=VALUE` as the request's keys.
nlohmann::json to_request(const std::vector<std::string>& settings) {
  nlohmann::json request{{"do", "set"}};
  for (const std::string& setting : settings) {
    const size_t equals = setting.find('=');
    const std::string name = setting.substr(0, equals);
    const bool known = equals != std::string::npos && (name == "threads" || name == "checkpoint-interval");
    if (!known)
      fail(ErrorKind::kUsage, "a setting must be threads=N or checkpoint-interval=TIME (got {})", setting);
    try {
      add_setting(request, name, setting.substr(equals + 1));
    } catch (const Error& error) {
      fail(error.kind(), "{} {}", name, error.what());
    }
  }
  return request;
}

/// The answer comes when the process has saved. Then it may still run a command of --on-event, and until its end it
/// holds the folder, so that a resume would be refused.
int wait_for_end(LocalConnection run, const Path& state) {
  const auto on_wait = [&] { require_awake(run, true); };
  while (run.read_line(kPatience, on_wait)) {  // until the process has closed everything
  }
  run.wait_for_peer_end(kPatience, on_wait);
  const nlohmann::json status = run_status(state, read_run_record(state));
  if (status.value("phase", "") == "failed")
    fail(ErrorKind::kRuntime, "the run failed: {}", status.value("why", ""));
  const nlohmann::json& saved = status.at("saved_step");
  if (status.value("phase", "") == "killed") {
    fail(
        ErrorKind::kRuntime,
        "the run ended without recording how: it was killed, its disk is full, or its folder was moved; {}; see what "
        "it logged",
        saved.is_number_unsigned() ? "its newest checkpoint is of step " + format_count(saved.get<uint64_t>())
                                   : "it has no checkpoint");
  }
  const uint64_t step = status.value("step", uint64_t{0});
  if (step == 0) {
    show("stopped before the first step\n");
    return 0;
  }
  if (!saved.is_number_unsigned() || saved.get<uint64_t>() < step)
    fail(ErrorKind::kRuntime, "the run ended without saving step {}; see what it logged", format_count(step));
  show(fmt::format("stopped at step {}, which is saved\n", format_count(step)));
  return 0;
}

}  // namespace

int status_command(const Arguments& arguments, StopSignal& stop) {
  const Table table{
      state_option(),
      {{"watch", "show it again each second, with a curve of the loss, until Ctrl-C"},
       switch_of<ControlRequest>(&ControlRequest::watch)},
      {{"json", "print one JSON object a line"}, switch_of<ControlRequest>(&ControlRequest::json)}};
  const auto request = parse_command(arguments, table, kStatus);
  if (!request) return 0;
  const Path state = state_of(*request);
  RunRecordReader reader(state);
  if (request->watch) stop.end_without_answer();
  print_status(state, *request, reader);
  while (request->watch && !stop.requested()) {
    constexpr std::chrono::milliseconds kLook(50);
    for (int i = 0; i < 20 && !stop.requested(); ++i) std::this_thread::sleep_for(kLook);
    if (!stop.requested()) print_status(state, *request, reader);
  }
  return 0;
}

int pause_command(const Arguments& arguments, StopSignal&) {
  const Table table{state_option(),
                    {{"for",
                      "time after which the run continues by itself, such as 2h",
                      {},
                      KeyKind::kChangeable,
                      "until pretrain continue"},
                     duration_of<ControlRequest>(&ControlRequest::time)}};
  const auto request = parse_command(arguments, table, kPause);
  if (!request) return 0;
  nlohmann::json question{{"do", "pause"}};
  const bool is_timed = request->time != kNoTime;
  if (is_timed && request->time < std::chrono::seconds(1))
    fail(ErrorKind::kUsage, "--for must be at least 1s; leave it out to pause until pretrain continue");
  if (is_timed) question["seconds"] = std::chrono::ceil<std::chrono::seconds>(request->time).count();
  LocalConnection run = reach(state_of(*request));
  const nlohmann::json answer = ask_run(run, question, kPatience);
  show(fmt::format("paused after step {}{}; to continue{}: {}\n",
                   format_count(answer.value("step", uint64_t{0})),
                   is_timed ? " for " + exact_duration(request->time) : "", is_timed ? " earlier" : "",
                   command_for(*request, "pretrain continue")));
  const auto saved = answer.find("saved_step");  // not there: a session of an earlier version
  if (saved == answer.end() || *saved == answer.at("step")) return 0;
  const std::string why = answer.value("failed_save", "");
  fail(ErrorKind::kRuntime, "the paused run is not saved: {}; to try again: {}",
       why.empty() ? "its last steps were not finite" : why, command_for(*request, "pretrain save --wait"));
}

int continue_command(const Arguments& arguments, StopSignal&) {
  const auto request = parse_command(arguments, Table{state_option()}, kContinue);
  if (!request) return 0;
  LocalConnection run = reach(state_of(*request));
  const nlohmann::json answer = ask_run(run, {{"do", "continue"}});
  show(answer.value("was_paused", false) ? "the run continues\n" : "the run was not paused\n");
  return 0;
}

int save_command(const Arguments& arguments, StopSignal&) {
  const Table table{state_option(), wait_option("wait until the checkpoint is safe on disk")};
  const auto request = parse_command(arguments, table, kSave);
  if (!request) return 0;
  LocalConnection run = reach(state_of(*request));
  const nlohmann::json answer = ask_run(run, {{"do", "save"}, {"wait", request->wait}}, kPatience);
  show(request->wait
           ? fmt::format("saved at step {}\n", format_count(answer.value("saved_step", uint64_t{0})))
           : "the run saves after the current step\n");
  return 0;
}

int stop_command(const Arguments& arguments, StopSignal&) {
  const Table table{state_option(), wait_option("wait until the run has saved and ended")};
  const auto request = parse_command(arguments, table, kStop);
  if (!request) return 0;
  const Path state = state_of(*request);
  LocalConnection run = reach(state);
  if (!request->wait) {
    ask_run(run, {{"do", "stop"}});
    show("the run finishes the current step, saves and ends\n");
    return 0;
  }
  run.write_line(R"({"do":"stop","wait":true})", std::chrono::seconds(5));
  return wait_for_end(std::move(run), state);
}

int set_command(const Arguments& arguments, StopSignal&) {
  const Table table{state_option(),
                    {{"setting", "threads=N or checkpoint-interval=TIME"},
                     texts_of<ControlRequest>(&ControlRequest::settings)}};
  const auto request = parse_command(arguments, table, kSet);
  if (!request) return 0;
  if (request->settings.empty())
    fail(ErrorKind::kUsage, "a setting is missing, such as threads=1 or checkpoint-interval=10min");
  const nlohmann::json question = to_request(request->settings);
  LocalConnection run = reach(state_of(*request));
  ask_run(run, question);
  show("the run changes after the current step\n");
  return 0;
}

}  // namespace pretrain
