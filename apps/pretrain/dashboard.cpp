// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/dashboard.h"

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/pretrain/page.h"
#include "apps/pretrain/run_json.h"
#include "apps/pretrain/run_metrics.h"
#include "apps/pretrain/version.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kRunsPath = "/api/v1/runs/";

WebAnswer json_answer(const Json& json) {
  return web_text(200, json.dump(-1, ' ', false, Json::error_handler_t::replace), "application/json");
}

WebAnswer nothing_here() {
  return web_message(404, "there is nothing here; the page is at /");
}

std::vector<std::string> words_in(const WebTarget& target, const std::string& name) {
  const std::string text = text_in(target, name);
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

uint64_t step_in(const WebTarget& target, const std::string& name, uint64_t otherwise) {
  return count_in(target, name, otherwise, 0, UINT64_MAX);
}

Json series_for(const RunView& run, const WebTarget& target) {
  constexpr uint64_t kPoints = 800, kLeast = 2, kMost = 4096;
  return run_series(run, {.keys = words_in(target, "keys"),
                          .from = step_in(target, "from", 0),
                          .to = step_in(target, "to", UINT64_MAX),
                          .points = count_in(target, "points", kPoints, kLeast, kMost)});
}

Json events_for(const RunView& run, const WebTarget& target) {
  const std::vector<std::string> kinds = words_in(target, "kinds");
  return run_events(run, {.kinds = {kinds.begin(), kinds.end()},
                          .before = step_in(target, "before", UINT64_MAX),
                          .limit = count_in(target, "limit", 100, 1, 1000)});
}

Json samples_for(const RunView& run, const WebTarget& target) {
  return run_samples(run, step_in(target, "before", UINT64_MAX), count_in(target, "limit", 20, 1, 200));
}

bool trains(const RunView& run) {
  return run.phase() == ShownPhase::kTraining || run.phase() == ShownPhase::kPaused;
}

/// The states of all runs whenever one of them changes, and a comment periodically, so that no part of the way closes
/// an idle connection.
class StateStream : public WebStreamSource {
 public:
  explicit StateStream(const RunWatcher& runs) : runs_(runs) {}

  std::optional<std::string> take() override {
    const RunStates states = runs_.states();
    const auto now = Clock::now();
    if (states.revision == sent_ && now - sent_at_ < kPing) return "";
    std::string text = sent_at_ == Clock::time_point() ? "retry: 3000\n\n" : "";
    if (states.revision == sent_) {
      text += ": ping\n\n";
    } else {
      text += fmt::format("event: runs\nid: {}\ndata: {{\"version\":\"{}\",\"made\":{:.3f},\"runs\":{}}}\n\n",
                          states.revision, program_version(), current_time(), *states.json);
    }
    sent_ = states.revision;
    sent_at_ = now;
    return text;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kPing{15};

  const RunWatcher& runs_;
  uint64_t sent_ = 0;
  Clock::time_point sent_at_;
};

}  // namespace

WebReply Dashboard::answer(const WebRequest& request) const {
  const std::string& path = request.target.path;
  if (path == "/") {
    WebAnswer page = web_text(200, served_page(), "text/html; charset=utf-8");
    page.policy = served_page_policy();
    return page;
  }
  if (path == "/page.css") return web_text(200, std::string(page_style()), "text/css; charset=utf-8");
  if (path == "/page.js") return web_text(200, std::string(page_script()), "text/javascript; charset=utf-8");
  if (path == "/healthz") return web_message(200, "ok");
  if (path == "/readyz") return readiness(request.target);
  if (path == "/metrics") return metrics();
  if (path == "/api/v1/runs") {
    WebAnswer answer{.type = "application/json"};
    answer.body = runs_.states().json;
    return answer;
  }
  if (path == "/api/v1/stream") return WebStream{.source = std::make_unique<StateStream>(runs_)};
  if (path.starts_with(kRunsPath)) return answer_about_run(request.target);
  return nothing_here();
}

WebReply Dashboard::answer_about_run(const WebTarget& target) const {
  const std::string rest = target.path.substr(kRunsPath.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string part = rest.substr(slash);
  Json json;
  const bool found = runs_.with(rest.substr(0, slash), [&](const RunView& run) {
    if (part.empty()) json = run_details(run);
    if (part == "/series") json = series_for(run, target);
    if (part == "/events") json = events_for(run, target);
    if (part == "/samples") json = samples_for(run, target);
  });
  if (!found) return web_message(404, "there is no such run; /api/v1/runs lists them");
  return json.is_null() ? nothing_here() : json_answer(json);
}

WebAnswer Dashboard::metrics() const {
  Exposition exposition;
  add_build_metrics(exposition);
  runs_.with_each([&](const RunView& run) { add_run_metrics(exposition, run); });
  return web_text(200, exposition.text(), "text/plain; version=0.0.4; charset=utf-8");
}

/// Of the named run, or of any.
WebAnswer Dashboard::readiness(const WebTarget& target) const {
  const std::string id = text_in(target, "run");
  bool found = false, ready = false;
  std::string words;
  runs_.with_each([&](const RunView& run) {
    if (!id.empty() && run.id() != id) return;
    found = true;
    ready |= trains(run);
    const std::string problem = run.problem();
    words +=
        fmt::format("{}: {}{}{}\n", run.id(), phase_name(run.phase()), problem.empty() ? "" : ", ", problem);
  });
  if (!found && !id.empty()) return web_message(404, "there is no such run; /api/v1/runs lists them");
  return web_text(ready ? 200 : 503, words.empty() ? "no run\n" : words);
}

}  // namespace pretrain
