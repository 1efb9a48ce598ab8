// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/status_text.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "apps/pretrain/live_line.h"
#include "libs/base/quantity.h"
#include "libs/base/text.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

using Seconds = std::chrono::duration<double>;

std::optional<double> number_in(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

uint64_t count_in(const nlohmann::json& object, const char* key) {
  constexpr double kMost = 1e18;  // fits
  return static_cast<uint64_t>(std::clamp(number_in(object, key).value_or(0), 0.0, kMost));
}

std::string text_in(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

std::string duration_text(double seconds) {
  constexpr double kLongest = 9e9;
  return format_duration(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Seconds(std::clamp(seconds, 0.0, kLongest))));
}

/// "Sat 29 Nov 06:10", in the machine's time zone.
std::string date_text(double seconds_since_1970) {
  constexpr double kMost = 1e11;  // the year 5138
  const auto time = static_cast<std::time_t>(std::clamp(seconds_since_1970, 0.0, kMost));
  std::tm local{};
  ::localtime_r(&time, &local);
  return fmt::format("{:%a %d %b %H:%M}", local);
}

/// Joins parts with ", ", and begins a new line where one would be too long.
class Lines {
 public:
  explicit Lines(size_t columns) : columns_(columns) {}

  void add(const std::string& part) {
    if (part.empty()) return;
    if (line_.empty()) {
      line_ = part;
    } else if (line_.size() + 2 + part.size() <= columns_) {
      line_ += fmt::format(", {}", part);
    } else {
      end();
      line_ = part;
    }
  }
  void end() {
    if (!line_.empty()) text_ += line_ + "\n";
    line_.clear();
  }
  std::string text() {
    end();
    return text_;
  }

 private:
  size_t columns_;
  std::string line_, text_;
};

std::string phase_text(const nlohmann::json& status) {
  const std::string phase = text_in(status, "phase");
  if (phase == "paused") {
    std::string text = "paused";
    if (status["pause"].is_object()) {
      const std::string why = text_in(status["pause"], "why");
      if (why == "hours") text += " outside of the active hours";
      if (why == "battery") text += " on battery";
      if (const auto left = number_in(status["pause"], "seconds_left"))
        text += fmt::format(" for another {}", duration_text(*left));
    }
    return text;
  }
  if (phase == "suspended") return fmt::format("suspended ({})", text_in(status.at("suspension"), "cause"));
  if (phase == "unknown") return "no session yet; it is starting, or its start failed";
  if (phase == "killed")
    return "not running; its last session was killed, the machine went down, or the disk was full";
  if (phase == "failed") return fmt::format("failed: {}", text_in(status, "why"));
  if (phase != "stopped") return phase;
  const std::string why = text_in(status, "why");
  if (why == "limit") return "stopped at a limit";
  if (why == "stopped") return "stopped on request";
  return why == "text_ended" ? "stopped at the end of the text" : "not running";
}

void add_suspension(Lines& lines, const nlohmann::json& status) {
  if (text_in(status, "phase") != "suspended") return;
  std::string before = fmt::format("to let process {} continue: ", count_in(status, "process"));
  for (const nlohmann::json& way : status.at("suspension").at("ways")) {
    lines.add(before + way.get<std::string>());
    before = "or ";
  }
}

void add_place(Lines& lines, const nlohmann::json& status) {
  const uint64_t most = count_in(status, "max_steps");
  const uint64_t step = count_in(status, "step");
  // A limit that was lowered since is none of what the run has done.
  lines.add(
      fmt::format("step {}{}", format_count(step),
                  most >= std::max<uint64_t>(step, 1) ? fmt::format(" of {}", format_count(most)) : ""));
  lines.add(format_counted(count_in(status, "tokens"), "token"));
  const uint64_t epochs = count_in(status, "max_epochs");
  std::string epoch = fmt::format("epoch {}{}", format_count(count_in(status, "epoch") + 1),
                                  epochs > 0 ? fmt::format(" of {}", format_count(epochs)) : "");
  if (const auto progress = number_in(status, "epoch_progress"))
    epoch += fmt::format(" ({:.0f} % done)", 100 * *progress);
  lines.add(epoch);
}

std::string bits_text(const nlohmann::json& evaluation) {
  const auto bits = number_in(evaluation, "bits_per_byte");
  return bits && *bits > 0 ? fmt::format(" ({:.3f} bits per byte)", *bits) : "";
}

void add_losses(Lines& lines, const nlohmann::json& status) {
  if (const auto loss = number_in(status, "loss")) lines.add(fmt::format("loss {}", loss_text(*loss, 3)));
  const nlohmann::json& validation = status.at("validation");
  const auto loss = number_in(validation, "loss");
  if (!loss) return;
  lines.add(fmt::format("validation {}{} at step {}", loss_text(*loss, 3), bits_text(validation),
                        format_count(count_in(validation, "step"))));
  const nlohmann::json& best = status.at("best");
  const uint64_t since = count_in(best, "evaluations_since");
  if (!best.is_object() || count_in(validation, "step") == 0) return;
  lines.add(since == 0
                ? "the best so far"
                : fmt::format("best {} at step {}, {} ago", loss_text(*number_in(best, "loss"), 3),
                              format_count(count_in(best, "step")), format_counted(since, "evaluation")));
}

void add_speed(Lines& lines, const nlohmann::json& status) {
  if (!status.contains("tokens_per_second")) return;
  lines.add(format_rate(number_in(status, "tokens_per_second").value_or(0)));
  lines.add(fmt::format("{:.0f} % of peak", 100 * number_in(status, "flops_utilization").value_or(0)));
  const std::string threads = text_in(status, "threads");
  lines.add(fmt::format("{} of {}", threads, format_counted(count_in(status, "max_threads"), "thread")));
  lines.add(format_bytes(count_in(status, "resident_bytes")));
  if (const auto watts = number_in(status, "watts")) lines.add(fmt::format("{:.0f} W", *watts));
  if (const uint64_t hot = count_in(status, "throttled"); hot > 0)
    lines.add(fmt::format("slowed down by heat {}", format_counted(hot, "time")));
}

void add_machines(Lines& lines, const nlohmann::json& status) {
  const uint64_t machines = count_in(status, "machines");
  if (machines == 0) return;
  lines.add(format_counted(machines, "machine"));
  lines.add(fmt::format("{:.0f} % of the time only exchanging, {:.0f} % of the exchange hidden",
                        100 * number_in(status, "exchange_share").value_or(0),
                        100 * number_in(status, "exchange_hidden_share").value_or(0)));
  const auto shares = status.find("machine_shares");
  if (shares != status.end() && shares->is_array()) {
    for (const nlohmann::json& share : *shares)
      lines.add(
          fmt::format("{} {}", text_in(share, "machine"), format_counted(count_in(share, "slots"), "slot")));
  }
  lines.add(fmt::format("{} joined, {} gone in this session",
                        format_count(count_in(status, "joined_machines")),
                        format_count(count_in(status, "lost_machines"))));
}

void add_end(Lines& lines, const nlohmann::json& status) {
  if (number_in(status, "saved_step")) {
    std::string text = fmt::format("saved at step {}", format_count(count_in(status, "saved_step")));
    if (const auto age = number_in(status, "seconds_since_save"))
      text += fmt::format(", {} ago", duration_text(*age));
    lines.add(text);
  } else {
    lines.add("nothing saved yet");
  }
  if (const std::string failed = text_in(status, "failed_save"); !failed.empty())
    lines.add(fmt::format("the last save FAILED: {}", failed));
  if (const auto left = number_in(status, "seconds_left")) {
    std::string text = fmt::format("{} left", duration_text(*left));
    if (const auto now = number_in(status, "time"); now && text_in(status, "phase") != "paused")
      text += fmt::format(" (until {})", date_text(*now + *left));
    lines.add(text);
  }
}

/// What a run with a budget is to reach, and when it ends at the speed it has.
void add_plan(Lines& lines, const nlohmann::json& status) {
  const auto found = status.find("plan");
  if (found == status.end() || !found->is_object()) return;
  const nlohmann::json& plan = *found;
  const double budget = number_in(plan, "budget_seconds").value_or(0);
  lines.add(fmt::format("budget {}", duration_text(budget)));
  if (const auto left = number_in(status, "seconds_left"))
    lines.add(
        fmt::format("ends after {}", duration_text(number_in(plan, "spent_seconds").value_or(0) + *left)));
  lines.add(fmt::format("{:.3f} bits per byte predicted, give or take {:.2f}",
                        number_in(plan, "bits_per_byte").value_or(0),
                        number_in(plan, "uncertainty").value_or(0)));
  const auto fixed = plan.find("is_fixed");
  if (status.contains("process") && fixed != plan.end() && *fixed == false) lines.add("steps not fixed yet");
}

void add_trouble(Lines& lines, const nlohmann::json& status) {
  if (const uint64_t bad = count_in(status, "bad_steps"); bad > 0)
    lines.add(fmt::format("{} not finite", format_counted(bad, "step")));
  if (const uint64_t returns = count_in(status, "returns"); returns > 0)
    lines.add(fmt::format("returned to a checkpoint {}", format_counted(returns, "time")));
  if (const uint64_t lost = count_in(status, "lost_records"); lost > 0)
    lines.add(fmt::format("{} could not be written", format_counted(lost, "record")));
}

}  // namespace

std::string status_text(const Path& state, const nlohmann::json& status, size_t columns) {
  Lines lines(columns);
  const Path folder = state.has_filename() ? state : state.parent_path();
  lines.add(fmt::format("{}: {}", printable(folder.filename().native()), phase_text(status)));
  if (const auto ended = number_in(status, "ended")) {
    lines.add(fmt::format("since {}", date_text(*ended)));
  } else if (const auto started = number_in(status, "started"); started && status.contains("process")) {
    lines.add(fmt::format("started {}", date_text(*started)));
  }
  const std::string model = text_in(status, "model");
  if (!model.empty())
    lines.add(
        fmt::format("model {}, {}", model, format_counted(count_in(status, "parameters"), "parameter")));
  for (const auto& add :
       {add_suspension, add_place, add_losses, add_speed, add_machines, add_end, add_plan, add_trouble}) {
    lines.end();
    add(lines, status);
  }
  return lines.text();
}

}  // namespace pretrain
