// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/pretrain/event_words.h"
#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/text.h"
#include "libs/metrics/record.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;

Json optional_number(std::optional<double> value, int digits = 5) {
  return value && std::isfinite(*value) ? Json(rounded(*value, digits)) : Json();
}

Json known_time(double time) {
  return time > 0 ? Json(std::round(time * 1000) / 1000) : Json();
}

/// A member, or null.
Json member(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object[key] : Json();
}

std::optional<double> number_in(const Json& object, const char* key) {
  return object.is_object() ? number_of(object, key) : std::nullopt;
}

/// Seconds of training up to the end of each point.
std::vector<double> trained_seconds(const std::vector<CurvePoint>& points) {
  std::vector<double> seconds;
  double sum = 0;
  uint64_t step = 0;
  for (const CurvePoint& point : points) {
    const CurveValue* value = point.value("step_seconds");
    if (value != nullptr) sum += value->mean * static_cast<double>(point.step - step);
    step = point.step;
    seconds.push_back(sum);
  }
  return seconds;
}

/// The newest points that hold at least so many steps.
std::vector<CurvePoint> newest(const std::vector<CurvePoint>& points, uint64_t steps) {
  auto from = points.end();
  for (uint64_t held = 0; from != points.begin() && held < steps;) held += (--from)->steps;
  return {from, points.end()};
}

/// The mean of a key over points, weighted by the steps that had a value.
std::optional<double> mean_of(const std::vector<CurvePoint>& points, std::string_view key) {
  double sum = 0;
  double count = 0;
  for (const CurvePoint& point : points) {
    const CurveValue* value = point.value(key);
    if (value == nullptr) continue;
    sum += value->mean * static_cast<double>(value->count);
    count += static_cast<double>(value->count);
  }
  if (count == 0) return std::nullopt;
  return sum / count;
}

/// The sum of a key over all steps, also those that were not recorded.
double sum_of(const std::vector<CurvePoint>& points, std::string_view key) {
  double sum = 0;
  uint64_t step = 0;
  for (const CurvePoint& point : points) {
    const CurveValue* value = point.value(key);
    if (value != nullptr) sum += value->mean * static_cast<double>(point.step - step);
    step = point.step;
  }
  return sum;
}

struct Limits {
  double steps = 0, tokens = 0, epochs = 0, seconds = 0, epoch_tokens = 0;
};

/// What ends the run, from the session.
Limits limits_of(const RunView& run) {
  const Json limits = member(run.session(), "limits");
  const auto value = [&](const char* key) { return number_in(limits, key).value_or(0); };
  return {value("steps"), value("tokens"), value("epochs"), value("seconds"), value("epoch_tokens")};
}

struct Place {
  double step = 0, tokens = 0, seconds_per_step = 0, tokens_per_second = 0;
};

std::optional<double> seconds_left(const RunView& run, const Limits& limits, const Place& at) {
  std::optional<double> least;
  const auto note = [&](double seconds) {
    least = std::max(0.0, std::min(least.value_or(seconds), seconds));
  };
  if (limits.steps > 0 && at.seconds_per_step > 0) note((limits.steps - at.step) * at.seconds_per_step);
  if (limits.tokens > 0 && at.tokens_per_second > 0) note((limits.tokens - at.tokens) / at.tokens_per_second);
  if (limits.epochs > 0 && limits.epoch_tokens > 0 && at.tokens_per_second > 0)
    note((limits.epochs * limits.epoch_tokens - at.tokens) / at.tokens_per_second);
  const auto spent = run.session_seconds();
  if (limits.seconds > 0 && spent) note(limits.seconds - *spent);
  return least;
}

void add_progress(Json& json, const RunView& run, const std::vector<CurvePoint>& points) {
  constexpr uint64_t kSteps = 20;  // single steps vary too much
  const std::vector<CurvePoint> recent = newest(points, kSteps);
  const Limits limits = limits_of(run);
  Place at;
  if (!points.empty()) {
    at.step = static_cast<double>(points.back().step);
    at.tokens = static_cast<double>(points.back().tokens);
  }
  at.seconds_per_step = mean_of(recent, "step_seconds").value_or(0);
  at.tokens_per_second = mean_of(recent, "tokens_per_second").value_or(0);
  json["step"] = points.empty() ? 0 : points.back().step;
  json["tokens"] = points.empty() ? 0 : points.back().tokens;
  json["epoch"] = points.empty() ? Json() : Json(points.back().epoch);
  json["epoch_share"] = nullptr;
  if (limits.epoch_tokens > 0 && !points.empty()) {
    const double into = at.tokens - static_cast<double>(points.back().epoch) * limits.epoch_tokens;
    json["epoch_share"] = rounded(std::clamp(into / limits.epoch_tokens, 0.0, 1.0), 3);
  }
  json["max_steps"] = limits.steps;
  json["max_tokens"] = limits.tokens;
  json["max_epochs"] = limits.epochs;
  for (const auto& [name, key] : {std::pair{"loss", "loss"},
                                  {"learning_rate", "learning_rate"},
                                  {"grad_norm", "grad_norm"},
                                  {"tokens_per_second", "tokens_per_second"},
                                  {"utilization", "flops_utilization"},
                                  {"watts", "watts"}}) {
    json[name] = optional_number(mean_of(recent, key));
  }
  const auto wait = mean_of(recent, "data_wait_seconds");
  json["data_wait_share"] =
      wait && at.seconds_per_step > 0 ? Json(rounded(*wait / at.seconds_per_step, 3)) : Json();
  for (const char* key : {"sequence_buffer", "batch_queue", "resident_bytes"})
    json[key] = optional_number(points.empty() ? std::nullopt : mean_of({points.back()}, key), 8);
  const bool is_active = run.phase() == ShownPhase::kTraining || run.phase() == ShownPhase::kPaused;
  const auto left = is_active ? seconds_left(run, limits, at) : std::nullopt;
  json["seconds_left"] = optional_number(left, 4);
  json["ends_at"] = left ? Json(std::round(current_time() + *left)) : Json();
  const std::vector<double> seconds = trained_seconds(points);
  json["trained_seconds"] = seconds.empty() ? Json() : Json(rounded(seconds.back(), 6));
  uint64_t bad = 0;
  for (const CurvePoint& point : points) bad += point.bad_steps;
  json["bad_steps"] = bad;
}

uint64_t count_events(const RunRecord& record, std::initializer_list<std::string_view> kinds) {
  const auto is_one = [&](const RecordedEvent& event) {
    return std::ranges::find(kinds, std::string_view(event.kind)) != kinds.end();
  };
  return static_cast<uint64_t>(std::ranges::count_if(record.events, is_one));
}

/// The slots of each machine, from the newest record of them.
Json machine_shares(const RunRecord& record) {
  Json shares = Json::array();
  const auto newest = std::find_if(record.events.rbegin(), record.events.rend(),
                                   [](const RecordedEvent& event) { return event.kind == "machine_slots"; });
  if (newest == record.events.rend()) return shares;
  const Json event = event_json(*newest);
  const Json all = member(event, "shares");
  if (!all.is_array()) return shares;
  for (const Json& share : all) {
    if (!share.is_object()) continue;
    shares.push_back({{"machine", text_of(share, "machine")},
                      {"slots", optional_number(number_in(share, "slots"))},
                      {"slots_per_second", optional_number(number_in(share, "slots_per_second"), 4)}});
  }
  return shares;
}

/// Of a run that shares its steps with other machines.
void add_machines(Json& json, const RunRecord& record) {
  json["machines"] = json["exchange_seconds"] = json["joined_machines"] = json["lost_machines"] = nullptr;
  json["machine_shares"] = Json::array();
  const auto machines = number_in(record.newest_step, "machines");
  if (!machines) return;
  json["machines"] = *machines;
  json["exchange_seconds"] = optional_number(number_in(record.newest_step, "exchange_seconds"), 4);
  json["joined_machines"] = count_events(record, {"machine_joined"});
  json["lost_machines"] = count_events(record, {"machine_lost", "machine_wrong"});
  json["machine_shares"] = machine_shares(record);
}

void add_evaluations(Json& json, const RunRecord& record) {
  const bool any = !record.evaluations.empty();
  const RecordedEvaluation newest = any ? record.evaluations.back() : RecordedEvaluation{};
  json["validation_loss"] = optional_number(newest.loss, 6);
  json["validation_step"] = any ? Json(newest.step) : Json();
  json["bits_per_byte"] = optional_number(newest.bits_per_byte, 6);
  const auto& best = record.best_evaluation;
  json["best_validation_loss"] = best ? Json(rounded(best->loss, 6)) : Json();
  json["best_validation_step"] = best ? Json(best->step) : Json();
  json["evaluations_since_best"] = best ? Json(best->since) : Json();
}

uint64_t skipped_documents(const RunView& run) {
  uint64_t sum = 0;
  for (const auto& [reason, count] : run.skips()) sum += count;
  return sum;
}

/// From the first session, or the first time that is known.
double started_at(const RunRecord& record) {
  if (!record.sessions.empty()) return record.sessions.front().time;
  const auto points = record.curve.all_points();
  return points.empty() ? 0 : points.front().time;
}

/// Seconds by activity: of steps from the curve, of the rest from the ends of sessions.
Json split_of(const RunView& run, const std::vector<CurvePoint>& points) {
  Json split;
  for (const auto& [name, key] : {std::pair{"forward", "forward_seconds"},
                                  {"backward", "backward_seconds"},
                                  {"loss", "loss_seconds"},
                                  {"optimizer", "optimizer_seconds"},
                                  {"data_wait", "data_wait_seconds"},
                                  {"checkpoint", "checkpoint_wait_seconds"}}) {
    split[name] = rounded(sum_of(points, key), 6);
  }
  for (const char* name : {"evaluation", "samples", "paused"}) {
    double sum = 0;
    for (const RecordedEvent& event : run.record().sessions) {
      if (event.kind == "end") sum += number_in(member(event_json(event), "split"), name).value_or(0);
    }
    split[name] = rounded(sum, 6);
  }
  return split;
}

/// Each start with the end that follows it, if any.
Json sessions_of(const RunRecord& record) {
  Json sessions = Json::array();
  for (const RecordedEvent& event : record.sessions) {
    const Json json = event_json(event);
    if (event.kind == "session") {
      sessions.push_back({{"started", known_time(event.time)},
                          {"first_step", event.step},
                          {"last_step", nullptr},
                          {"ended", nullptr},
                          {"reason", nullptr}});
    } else if (!sessions.empty()) {
      sessions.back()["ended"] = known_time(event.time);
      sessions.back()["last_step"] = event.step;
      sessions.back()["reason"] = member(json, "reason");
      if (json.contains("error")) sessions.back()["error"] = json["error"];
    }
  }
  return sessions;
}

Json machine_of(const Json& session) {
  Json machine = Json::object();
  for (const char* key :
       {"processor", "kernels", "precision", "threads", "workers", "peak_flops", "version"}) {
    const Json value = member(session, key);
    if (!value.is_null()) machine[key] = value;
  }
  return machine;
}

/// Points of a curve, and the seconds of training at their ends.
struct Grid {
  std::vector<CurvePoint> points;
  std::vector<double> seconds;
};

/// The points of the request, neighbours merged until there are few enough.
Grid grid_of(const std::vector<CurvePoint>& all, const SeriesRequest& request) {
  Grid grid;
  const std::vector<double> seconds = trained_seconds(all);
  const auto is_in = [&](const CurvePoint& point) {
    return point.step >= request.from && point.first_step <= request.to;
  };
  const auto within = static_cast<size_t>(std::ranges::count_if(all, is_in));
  const size_t at_once = std::max<size_t>(1, (within + request.points - 1) / request.points);
  size_t taken = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!is_in(all[i])) continue;
    if (taken++ % at_once == 0) {
      grid.points.push_back(all[i]);
      grid.seconds.push_back(seconds[i]);
    } else {
      merge(grid.points.back(), all[i]);
      grid.seconds.back() = seconds[i];
    }
  }
  return grid;
}

Json values_of(const std::vector<CurvePoint>& points, const std::string& key) {
  Json mean = Json::array(), least = Json::array(), greatest = Json::array();
  bool any = false, differ = false;
  for (const CurvePoint& point : points) {
    const CurveValue* value = point.value(key);
    any |= value != nullptr;
    if (value == nullptr) {
      for (Json* list : {&mean, &least, &greatest}) list->push_back(nullptr);
      continue;
    }
    differ |= value->least != value->greatest;
    mean.push_back(rounded(value->mean));
    least.push_back(rounded(value->least, 4));
    greatest.push_back(rounded(value->greatest, 4));
  }
  if (!any) return nullptr;
  if (!differ) return {{"mean", std::move(mean)}};
  return {{"mean", std::move(mean)}, {"min", std::move(least)}, {"max", std::move(greatest)}};
}

/// The evaluations with their places on all axes.
Json evaluations_of(const RunRecord& record, const std::vector<CurvePoint>& points) {
  const std::vector<double> seconds = trained_seconds(points);
  Json json = {
      {"step", Json::array()},    {"tokens", Json::array()},          {"time", Json::array()},
      {"seconds", Json::array()}, {"validation_loss", Json::array()}, {"bits_per_byte", Json::array()}};
  for (const RecordedEvaluation& one : record.evaluations) {
    const auto after = std::ranges::upper_bound(points, one.step, {}, &CurvePoint::step);
    const auto index = std::distance(points.begin(), after);
    json["step"].push_back(one.step);
    json["tokens"].push_back(one.tokens);
    json["time"].push_back(known_time(one.time));
    json["seconds"].push_back(index == 0 ? 0 : rounded(seconds[static_cast<size_t>(index - 1)], 6));
    json["validation_loss"].push_back(optional_number(one.loss, 6));
    json["bits_per_byte"].push_back(optional_number(one.bits_per_byte, 6));
  }
  return json;
}

void check_keys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    if (std::ranges::find(kCurveKeys, key) != kCurveKeys.end()) continue;
    fail(ErrorKind::kUsage, "keys must be of {} (got {})", fmt::join(kCurveKeys, ", "), printable(key));
  }
}

/// An evaluation as the record that it came from.
Json evaluation_event(const RecordedEvaluation& one) {
  return {{"kind", "evaluation"},
          {"step", one.step},
          {"tokens", one.tokens},
          {"validation_loss", optional_number(one.loss, 6)},
          {"perplexity", optional_number(one.perplexity, 6)},
          {"bits_per_byte", optional_number(one.bits_per_byte, 6)}};
}

/// The end of the UTF-8 text that fits.
std::string beginning_of(std::string text, size_t most_bytes) {
  if (text.size() <= most_bytes) return text;
  size_t end = most_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text + " [...]";
}

}  // namespace

Json run_summary(const RunView& run) {
  const RunRecord& record = run.record();
  const std::vector<CurvePoint> points = record.curve.all_points();
  const std::string problem = run.problem();
  const Json& session = run.session();
  Json json = {{"id", run.id()},
               {"name", run.id()},
               {"revision", run.revision()},
               {"phase", phase_name(run.phase())},
               {"problem", problem.empty() ? Json() : Json(problem)},
               {"model", member(session, "model")},
               {"parameters", member(session, "parameters")},
               {"threads", member(session, "threads")},
               {"skipped_documents", skipped_documents(run)},
               {"started", known_time(started_at(record))},
               {"updated", known_time(run.updated())}};
  const auto model = run.configuration().find("model");
  if (json["model"].is_null() && model != run.configuration().end()) json["model"] = model->second;
  const bool saved = !run.checkpoints().empty();
  json["checkpoint_step"] = saved ? Json(run.checkpoints().front().step) : Json();
  json["checkpoint_time"] = saved ? known_time(run.checkpoints().front().time) : Json();
  add_progress(json, run, points);
  add_evaluations(json, record);
  add_machines(json, record);
  return json;
}

Json run_details(const RunView& run) {
  Json json = run_summary(run);
  json["configuration"] = run.configuration();
  json["machine"] = machine_of(run.session());
  json["checkpoints"] = Json::array();
  for (const ShownCheckpoint& one : run.checkpoints())
    json["checkpoints"].push_back(
        {{"step", one.step}, {"time", known_time(one.time)}, {"bytes", one.size_bytes}});
  json["skips"] = run.skips();
  json["sessions"] = sessions_of(run.record());
  json["split"] = split_of(run, run.record().curve.all_points());
  json["damaged_lines"] = run.record().damaged_lines;
  return json;
}

Json run_series(const RunView& run, const SeriesRequest& request) {
  check_keys(request.keys);
  const std::vector<CurvePoint> all = run.record().curve.all_points();
  const Grid grid = grid_of(all, request);
  Json json = {{"step", Json::array()},
               {"tokens", Json::array()},
               {"seconds", Json::array()},
               {"keys", Json::object()}};
  const bool has_time =
      std::ranges::all_of(grid.points, [](const CurvePoint& point) { return point.time > 0; });
  if (has_time) json["time"] = Json::array();
  for (size_t i = 0; i < grid.points.size(); ++i) {
    json["step"].push_back(grid.points[i].step);
    json["tokens"].push_back(grid.points[i].tokens);
    json["seconds"].push_back(rounded(grid.seconds[i], 6));
    if (has_time) json["time"].push_back(std::round(grid.points[i].time * 10) / 10);
  }
  std::vector<std::string> keys = request.keys;
  if (keys.empty()) keys.assign(kCurveKeys.begin(), kCurveKeys.end());
  for (const std::string& key : keys) {
    Json values = values_of(grid.points, key);
    if (!values.is_null()) json["keys"][key] = std::move(values);
  }
  json["evaluations"] = evaluations_of(run.record(), all);
  return json;
}

Json run_events(const RunView& run, const EventsRequest& request) {
  std::vector<Json> found;
  const auto take = [&](Json event, double time) {
    if (event.value("step", uint64_t{0}) >= request.before) return;
    if (!request.kinds.empty() && !request.kinds.contains(event.value("kind", std::string()))) return;
    event.erase("configuration");
    event["text"] = event_words(event);
    event["time"] = known_time(time);
    found.push_back(std::move(event));
  };
  const RunRecord& record = run.record();
  for (const std::vector<RecordedEvent>* list : {&record.events, &record.sessions}) {
    for (const RecordedEvent& event : *list) {
      Json json = event_json(event);
      json["kind"] = event.kind;  // which version 0.2.0 did not write
      json["step"] = event.step;
      take(std::move(json), event.time);
    }
  }
  for (const RecordedEvaluation& one : record.evaluations) take(evaluation_event(one), one.time);
  std::ranges::stable_sort(found, [](const Json& a, const Json& b) {
    const double time_a = a["time"].is_number() ? a["time"].get<double>() : 0;
    const double time_b = b["time"].is_number() ? b["time"].get<double>() : 0;
    return std::pair(time_a, a["step"].get<uint64_t>()) > std::pair(time_b, b["step"].get<uint64_t>());
  });
  if (found.size() > request.limit) found.resize(request.limit);
  return found;
}

Json run_samples(const RunView& run, uint64_t before, size_t limit) {
  constexpr size_t kMostBytes = 8192;
  Json samples = Json::array();
  const std::vector<RecordedEvent>& all = run.record().samples;
  for (auto event = all.rbegin(); event != all.rend() && samples.size() < limit; ++event) {
    if (event->step >= before) continue;
    const Json json = event_json(*event);
    samples.push_back({{"step", event->step},
                       {"time", known_time(event->time)},
                       {"prompt", beginning_of(text_of(json, "prompt"), kMostBytes)},
                       {"text", beginning_of(text_of(json, "text"), kMostBytes)}});
  }
  return samples;
}

double rounded(double value, int digits) {
  if (!std::isfinite(value) || value == 0) return value;
  const std::string text = fmt::format("{:.{}g}", value, digits);
  double result = value;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

}  // namespace pretrain
