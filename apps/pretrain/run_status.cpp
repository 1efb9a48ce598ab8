// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_status.h"

#include <cerrno>

#include "apps/pretrain/control_server.h"
#include "apps/pretrain/run_view.h"
#include "apps/pretrain/shell_text.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/own_process.h"
#include "libs/checkpoint/store.h"
#include "libs/metrics/record.h"

namespace pretrain {
namespace {

template <typename Value>
nlohmann::json or_null(const std::optional<Value>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

nlohmann::json member(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nlohmann::json() : *found;
}

/// The newest start of a session, and its end if that came after it.
struct LastSession {
  nlohmann::json start, end;
};

LastSession last_session(const RunRecord& record) {
  LastSession last;
  for (const RecordedEvent& event : record.sessions) {
    if (event.kind == "session") {
      last = {.start = event.json(), .end = {}};
    } else {
      last.end = event.json();
    }
  }
  return last;
}

void add_end(nlohmann::json& status, const LastSession& last) {
  status["phase"] = "stopped";
  status["why"] = "";
  if (last.end.is_null()) {
    // Version 0.2.0 recorded no sessions.
    if (!last.start.is_null()) status["phase"] = "killed";
    if (last.start.is_null() && status["step"] == 0U) status["phase"] = "unknown";
    return;
  }
  const std::string reason = text_of(last.end, "reason");
  if (reason == "failed") status["phase"] = "failed";
  // Records of the last steps may be missing: the disk was full.
  if (last.end.contains("step") && last.end["step"].is_number_unsigned()) status["step"] = last.end["step"];
  status["why"] = reason == "failed" ? text_of(last.end, "error") : reason;
  status["ended"] = member(last.end, "time");
  status["saved_step"] = member(last.end, "saved_step");
}

void add_losses(nlohmann::json& status, const RunRecord& record) {
  const auto points = record.curve.all_points();
  const CurveValue* loss = points.empty() ? nullptr : points.back().value("loss");
  status["loss"] = loss != nullptr ? nlohmann::json(loss->mean) : nlohmann::json();
  status["validation"] = nullptr;
  status["best"] = nullptr;
  if (!record.evaluations.empty()) {
    const RecordedEvaluation& newest = record.evaluations.back();
    status["validation"] = {{"step", newest.step},
                            {"loss", or_null(newest.loss)},
                            {"bits_per_byte", or_null(newest.bits_per_byte)}};
  }
  if (record.best_evaluation) {
    status["best"] = {{"step", record.best_evaluation->step},
                      {"loss", record.best_evaluation->loss},
                      {"bits_per_byte", record.best_evaluation->bits_per_byte},
                      {"evaluations_since", record.best_evaluation->since}};
  }
}

std::optional<int> suspended_process_of(const RunRecord& record) {
  const LastSession last = last_session(record);
  const auto process = last.end.is_null() ? living_process(last.start) : std::nullopt;
  return process && process_is_suspended(*process) ? process : std::nullopt;
}

/// What requests and their senders have filled while the run was suspended.
std::optional<int> suspended_process_behind(const Path& state) {
  try {
    return suspended_process_of(read_run_record(state));
  } catch (const Error&) {  // of the record: it tells nothing
    return std::nullopt;
  }
}

bool means_forbidden(const IoError& error) {
  return error.code() == EACCES || error.code() == EPERM;
}

std::optional<LocalConnection> connect_if_allowed(const Path& state, bool& may_ask) {
  try {
    return LocalConnection::open(control_socket(state));
  } catch (const IoError& error) {
    if (!means_forbidden(error)) throw;
    may_ask = false;
    return std::nullopt;
  }
}

/// For a user who may read the folder but not ask the process.
void add_phase_of_record(nlohmann::json& status, const Path& state) {
  RunView view(state, "run", {});
  view.update();
  if (lives(view.phase())) status["phase"] = phase_name(view.phase());
}

/// The status of a run that does not answer now.
nlohmann::json recorded_status(const Path& state, const RunRecord& record) {
  nlohmann::json status = status_of_record(record);
  const auto checkpoints = list_checkpoints(state);
  if (!checkpoints.empty()) status["saved_step"] = checkpoints.front().step;
  return status;
}

nlohmann::json suspended_status(const Path& state, const RunRecord& record, int process) {
  nlohmann::json status = recorded_status(state, record);
  status["phase"] = "suspended";
  status["process"] = process;
  status["why"] = RunSuspended(process).what();
  const Suspension found = suspension(process, frozen_group(process));
  status["suspension"] = {{"cause", found.cause}, {"ways", found.ways}};
  return status;
}

/// A unit of systemd is thawed by its name, and in any case by the file of its group.
std::vector<std::string> ways_to_thaw(const FrozenGroup& group) {
  if (group.switch_file.empty()) return {"thaw its container (docker unpause, podman unpause)"};
  const Path folder = group.switch_file.parent_path();
  const std::string name = folder.filename().native();
  std::vector<std::string> ways;
  if (name.ends_with(".service") || name.ends_with(".scope") || name.ends_with(".slice")) {
    const bool of_user = folder.parent_path().native().find("/user@") != std::string::npos;
    ways.push_back(fmt::format("systemctl {}thaw {}", of_user ? "--user " : "", shell_word(name)));
  }
  ways.push_back(fmt::format("echo {} > {}", group.thawed, shell_word(group.switch_file.native())));
  return ways;
}

}  // namespace

Suspension suspension(int process, const std::optional<FrozenGroup>& group) {
  if (group) return {.cause = "its control group is frozen", .ways = ways_to_thaw(*group)};
  return {.cause = "Ctrl-Z or SIGSTOP",
          .ways = {"fg in its terminal", fmt::format("kill -CONT {}", process)}};
}

namespace {

std::string suspension_text(int process, bool asked) {
  const Suspension found = suspension(process, frozen_group(process));
  return fmt::format("the run is suspended (process {}, {}); to let it continue{}: {}", process, found.cause,
                     asked ? " and do this" : "", fmt::join(found.ways, ", or "));
}

}  // namespace

RunSuspended::RunSuspended(int process, bool asked)
    : Error(ErrorKind::kRuntime, suspension_text(process, asked)), process_(process) {}

std::optional<int> suspended_process(const Path& state) {
  try {
    (void)connect_to_run(state);
  } catch (const RunSuspended& error) {
    return error.process();
  } catch (const Error&) {  // it can't be reached
  }
  return suspended_process_behind(state);
}

void require_awake(const LocalConnection& run, bool asked) {
  const auto process = run.peer_process();
  if (process && process_is_suspended(*process)) throw RunSuspended(*process, asked);
}

std::optional<LocalConnection> connect_to_run(const Path& state) {
  try {
    // Requests fill the queue while the run does not take them.
    auto run = LocalConnection::open(control_socket(state), [&] {
      if (const auto process = suspended_process_behind(state)) throw RunSuspended(*process);
    });
    if (run) require_awake(*run, false);
    return run;
  } catch (const IoError& error) {
    if (!means_forbidden(error)) throw;
    fail(ErrorKind::kRuntime, "{}; only the user who runs the training, and root, may ask it", error.what());
  }
}

void fail_without_run(const Path& state) {
  if (holds_start(state))
    fail(ErrorKind::kData, "{}: no run yet; if one is starting, try again after its first step",
         state.native());
  fail(ErrorKind::kData,
       "{}: no run there; give its folder with --state, or start one with pretrain --corpus PATH",
       state.native());
}

nlohmann::json ask_run(LocalConnection& run, const nlohmann::json& request,
                       std::chrono::milliseconds patience) {
  if (!run.write_line(request.dump(), std::chrono::seconds(5)))
    fail(ErrorKind::kRuntime, "the run does not take requests; is it ending?");
  const auto line = run.read_line(patience, [&] { require_awake(run, true); });
  if (!line) fail(ErrorKind::kRuntime, "the run did not answer; see what it logs");
  nlohmann::json answer = parse_json(*line);
  if (answer.value("ok", false)) return answer;
  fail(answer.value("usage", false) ? ErrorKind::kUsage : ErrorKind::kRuntime, "{}",
       answer.value("error", "the run refused"));
}

nlohmann::json status_of_record(const RunRecord& record) {
  const LastSession last = last_session(record);
  const auto points = record.curve.all_points();
  nlohmann::json status{{"ok", true},
                        {"step", points.empty() ? 0 : points.back().step},
                        {"tokens", points.empty() ? 0 : points.back().tokens},
                        {"epoch", points.empty() ? 0 : points.back().epoch},
                        {"model", member(last.start, "model")},
                        {"parameters", member(last.start, "parameters")},
                        {"started", member(last.start, "time")},
                        {"saved_step", nullptr}};
  if (last.start.contains("limits")) {
    status["max_steps"] = member(last.start["limits"], "steps");
    status["max_tokens"] = member(last.start["limits"], "tokens");
    status["max_epochs"] = member(last.start["limits"], "epochs");
  }
  if (last.start.contains("plan")) status["plan"] = last.start["plan"];
  add_losses(status, record);
  add_end(status, last);
  return status;
}

nlohmann::json run_status(const Path& state, const RunRecord& record) {
  // Not asked, so that no requests pile up.
  if (const auto process = suspended_process_of(record)) return suspended_status(state, record, *process);
  bool may_ask = true;
  if (auto run = connect_if_allowed(state, may_ask)) {
    try {
      require_awake(*run, false);
      return ask_run(*run, {{"do", "status"}});
    } catch (const RunSuspended& error) {
      return suspended_status(state, record, error.process());
    } catch (const Error&) {
      if (connect_to_run(state)) throw;  // otherwise it ended just now
    }
  }
  if (!is_state_folder(state)) fail_without_run(state);
  nlohmann::json status = recorded_status(state, record);
  if (!may_ask) add_phase_of_record(status, state);
  return status;
}

}  // namespace pretrain
