// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/control_requests.h"

#include <chrono>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;

/// One answer, at once.
class Answer : public Conversation {
 public:
  explicit Answer(nlohmann::json line) : line_(std::move(line)) {}
  std::optional<nlohmann::json> next() override {
    if (std::exchange(ended_, true)) return std::nullopt;
    return line_;
  }
  bool ended() const override { return ended_; }

 private:
  nlohmann::json line_;
  bool ended_ = false;
};

/// The status each second, until the client leaves.
class Follow : public Conversation {
 public:
  explicit Follow(const RunMonitor& monitor) : monitor_(monitor) {}
  std::optional<nlohmann::json> next() override {
    const auto now = Clock::now();
    if (last_ && now - *last_ < std::chrono::seconds(1)) return std::nullopt;
    last_ = now;
    return monitor_.status();
  }
  bool ended() const override { return false; }

 private:
  const RunMonitor& monitor_;
  std::optional<Clock::time_point> last_;
};

/// One answer, as soon as there is one.
class Wait : public Conversation {
 public:
  using Poll = std::function<std::optional<nlohmann::json>()>;
  Wait(Poll poll, nlohmann::json at_end) : poll_(std::move(poll)), at_end_(std::move(at_end)) {}
  std::optional<nlohmann::json> next() override {
    auto line = poll_();
    ended_ = line.has_value();
    return line;
  }
  bool ended() const override { return ended_; }
  std::optional<nlohmann::json> at_end() override { return at_end_; }

 private:
  Poll poll_;
  nlohmann::json at_end_;
  bool ended_ = false;
};

std::unique_ptr<Conversation> good(nlohmann::json facts = nlohmann::json::object()) {
  facts["ok"] = true;
  return std::make_unique<Answer>(std::move(facts));
}

nlohmann::json error_line(std::string_view why) {
  return {{"ok", false}, {"error", why}};
}

bool flag_in(const nlohmann::json& request, const char* key) {
  const auto found = request.find(key);
  if (found == request.end()) return false;
  if (!found->is_boolean()) fail(ErrorKind::kUsage, "'{}' must be true or false", key);
  return found->get<bool>();
}

/// `remedy`: follows the error.
uint64_t count_in(const nlohmann::json& request, const char* key, uint64_t least, uint64_t most,
                  std::string_view remedy = "") {
  const auto found = request.find(key);
  if (found == request.end() || !found->is_number_unsigned() || found->get<uint64_t>() < least ||
      found->get<uint64_t>() > most) {
    fail(ErrorKind::kUsage, "{} must be an integer between {} and {}{}{}", key, format_count(least),
         format_count(most), found == request.end() ? "" : fmt::format(" (got {})", found->dump()), remedy);
  }
  return found->get<uint64_t>();
}

/// Answers when a save of this step or a later one has ended, or when everything is saved anyway.
nlohmann::json save_answer(const SaveResult& result) {
  if (!result.ok)
    return error_line(
        fmt::format("checkpoint of step {} failed: {}; training continues, the next save tries again",
                    format_count(result.step), result.error));
  return {{"ok", true}, {"saved_step", result.step}};
}

class Requests {
 public:
  explicit Requests(ControlParts parts) : parts_(std::move(parts)) {}

  std::unique_ptr<Conversation> start(const nlohmann::json& request) const {
    const auto verb = request.is_object() ? request.find("do") : request.end();
    if (!request.is_object() || verb == request.end() || !verb->is_string())
      fail(ErrorKind::kUsage, "a request is an object with the key 'do'");
    const std::string what = verb->get<std::string>();
    if (what == "status") return std::make_unique<Answer>(parts_.monitor.status());
    if (what == "follow") return std::make_unique<Follow>(parts_.monitor);
    if (what == "save") return save(request);
    if (what == "pause") return pause(request);
    if (what == "continue") return proceed();
    if (what == "set") return set(request);
    if (what == "stop") return stop(request);
    fail(ErrorKind::kUsage, "unknown request '{}'", what);
  }

 private:
  std::unique_ptr<Conversation> save(const nlohmann::json& request) const {
    const bool wait = flag_in(request, "wait");
    const SaveActivity before = parts_.monitor.saves();
    const uint64_t step = parts_.monitor.step();
    parts_.control.request_save();
    if (!wait) return good({{"step", step}});
    const auto poll = [parts = parts_, finished = before.finished, step]() -> std::optional<nlohmann::json> {
      const SaveActivity now = parts.monitor.saves();
      if (now.finished > finished && now.last.step >= step) return save_answer(now.last);
      const nlohmann::json status = parts.monitor.status();
      const bool is_saved = status["saved_step"] == status["step"];
      if (!is_saved || now.running || parts.control.save_is_requested()) return std::nullopt;
      return nlohmann::json{{"ok", true}, {"saved_step", status["saved_step"]}};
    };
    return std::make_unique<Wait>(poll, error_line("the run ended before the save"));
  }

  std::unique_ptr<Conversation> pause(const nlohmann::json& request) const {
    constexpr uint64_t kLongest = uint64_t{10} * 366 * 24 * 3600;
    std::optional<std::chrono::seconds> time;
    if (request.contains("seconds")) time = std::chrono::seconds(count_in(request, "seconds", 1, kLongest));
    parts_.control.pause(PauseReason::kRequest, time);
    const auto poll = [parts = parts_]() -> std::optional<nlohmann::json> {
      // A paused run has saved, or tried to.
      if (parts.monitor.phase() == RunPhase::kPaused && !parts.monitor.saves().running) {
        const nlohmann::json status = parts.monitor.status();
        return nlohmann::json{{"ok", true},
                              {"step", status["step"]},
                              {"saved_step", status["saved_step"]},
                              {"failed_save", status["failed_save"]}};
      }
      if (!parts.control.pause_due()) return error_line("the pause was ended before it began");
      return std::nullopt;
    };
    return std::make_unique<Wait>(poll, error_line("the run ended before the pause"));
  }

  std::unique_ptr<Conversation> proceed() const {
    const bool was_due = parts_.control.pause_due().has_value();
    parts_.control.proceed();
    return good({{"was_paused", was_due}});
  }

  std::unique_ptr<Conversation> set(const nlohmann::json& request) const {
    ChangedSettings changes;
    if (request.contains("threads")) {
      const auto most = static_cast<uint64_t>(parts_.most_threads);
      changes.threads = static_cast<int>(
          count_in(request, "threads", 1, most, "; for more, stop the run, and resume it with --threads N"));
    }
    if (request.contains("checkpoint_interval_ms")) {
      constexpr uint64_t kLongest = uint64_t{366} * 24 * 3600 * 1000;
      changes.checkpoint_interval =
          std::chrono::milliseconds(count_in(request, "checkpoint_interval_ms", 0, kLongest));
    }
    if (!changes.any()) fail(ErrorKind::kUsage, "'set' needs threads or checkpoint_interval_ms");
    parts_.control.change(changes);
    return good();
  }

  /// With "wait", the answer comes when the program ends; what was saved is in the record.
  std::unique_ptr<Conversation> stop(const nlohmann::json& request) const {
    const bool wait = flag_in(request, "wait");
    parts_.request_stop();
    if (!wait) return good();
    return std::make_unique<Wait>([] { return std::optional<nlohmann::json>(); },
                                  nlohmann::json{{"ok", true}});
  }

  ControlParts parts_;
};

}  // namespace

RequestHandler control_requests(ControlParts parts) {
  return [requests = Requests(std::move(parts))](const nlohmann::json& request) {
    return requests.start(request);
  };
}

}  // namespace pretrain
