// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/event_words.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/metrics/record.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;

uint64_t count_in(const Json& event, const char* key) {
  const auto value = number_of(event, key);
  constexpr double kMost = 1e18;  // fits
  return value && *value > 0 ? static_cast<uint64_t>(std::min(*value, kMost)) : 0;
}

std::string duration_in(const Json& event, const char* key) {
  const double seconds = std::clamp(number_of(event, key).value_or(0), 0.0, 1e9);
  return format_duration(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
}

std::string session_words(const Json& event) {
  const auto resumed = event.find("resumed");
  const bool is_resumed = resumed != event.end() && resumed->is_boolean() && resumed->get<bool>();
  std::vector<std::string> parts{is_resumed ? "resumed" : "new run"};
  if (!text_of(event, "version").empty())
    parts.push_back(fmt::format("version {}", text_of(event, "version")));
  if (count_in(event, "threads") > 0) parts.push_back(format_counted(count_in(event, "threads"), "thread"));
  if (!text_of(event, "processor").empty()) parts.push_back(text_of(event, "processor"));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string end_words(const Json& event) {
  const std::string reason = text_of(event, "reason");
  std::string words = reason;
  if (reason == "limit") words = "limit reached";
  if (reason == "stopped") words = "stopped on request";
  if (reason == "text_ended") words = "the text has ended";
  if (reason == "failed") words = fmt::format("failed: {}", text_of(event, "error"));
  constexpr double kJoulesPerWattHour = 3600;
  const auto joules = number_of(event, "joules");
  return fmt::format(
      "{} after {}{}", words, duration_in(event, "seconds"),
      joules ? fmt::format("; the processor took {:.1f} Wh", *joules / kJoulesPerWattHour) : "");
}

std::string evaluation_words(const Json& event) {
  const auto loss = number_of(event, "validation_loss");
  if (!loss) return "the validation loss is not finite";
  const auto bits = number_of(event, "bits_per_byte");
  return fmt::format("validation loss {:.4f}{}", *loss,
                     bits ? fmt::format(", {:.4f} bits per byte", *bits) : "");
}

/// The first of the documents that a bad step was trained on.
std::string document_words(const Json& event) {
  const auto documents = event.find("documents");
  if (documents == event.end() || !documents->is_array() || documents->empty()) return "";
  const Json& first = documents->front();
  const size_t more = documents->size() - 1;
  if (!first.is_string()) return "";
  return fmt::format("; text from {}{}", first.get<std::string>(),
                     more > 0 ? fmt::format(" and {} more", format_count(more)) : "");
}

std::string settings_words(const Json& event) {
  const auto changed = event.find("changed");
  if (changed == event.end() || !changed->is_object()) return "changed";
  std::vector<std::string> parts;
  const auto word = [](const Json& value) {
    return value.is_string() ? value.get<std::string>() : "not given";
  };
  for (const auto& [key, pair] : changed->items()) {
    if (pair.is_array() && pair.size() == 2)
      parts.push_back(fmt::format("{} from {} to {}", key, word(pair[0]), word(pair[1])));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string pause_words(const Json& event) {
  const std::string why = text_of(event, "why");
  std::string words = why;
  if (why == "request") words = "on request";
  if (why == "hours") words = "outside of the active hours";
  if (why == "battery") words = "on battery";
  return count_in(event, "seconds") > 0 ? fmt::format("{}, for {}", words, duration_in(event, "seconds"))
                                        : words;
}

std::string shares_words(const Json& event) {
  const auto shares = event.find("shares");
  if (shares == event.end() || !shares->is_array()) return "moved";
  std::vector<std::string> parts;
  for (const Json& share : *shares) {
    if (share.is_object())
      parts.push_back(fmt::format("{} {}", text_of(share, "machine"), count_in(share, "slots")));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string machine_words(const Json& event) {
  const std::string why = text_of(event, "why");
  return fmt::format("{}{}; {} now", text_of(event, "machine"), why.empty() ? "" : fmt::format(": {}", why),
                     format_counted(count_in(event, "machines"), "machine"));
}

}  // namespace

Json event_json(const RecordedEvent& event) {
  try {
    Json json = parse_json(event.line);
    if (json.is_object()) return json;
  } catch (const Error&) {  // damaged
  }
  return Json::object();
}

std::string event_words(const Json& event) {
  const std::string kind = text_of(event, "kind");
  if (kind == "session") return session_words(event);
  if (kind == "end") return end_words(event);
  if (kind == "evaluation") return evaluation_words(event);
  if (kind == "checkpoint") {
    return fmt::format("{} in {}", format_bytes(count_in(event, "checkpoint_bytes")),
                       duration_in(event, "checkpoint_seconds"));
  }
  if (kind == "checkpoint_error") return text_of(event, "checkpoint_error");
  if (kind == "bad_step") return fmt::format("loss or gradient was not finite{}", document_words(event));
  if (kind == "skipped_step") return fmt::format("skipped on request{}", document_words(event));
  if (kind == "returned")
    return fmt::format("back from step {}", format_count(count_in(event, "returned_from")));
  if (kind == "hardware_fault") return text_of(event, "hardware_fault");
  if (kind == "machine_slots") return shares_words(event);
  if (kind.starts_with("machine_")) return machine_words(event);
  if (kind == "throttled")
    return fmt::format("the processor slowed down {} because of heat",
                       format_counted(count_in(event, "times"), "time"));
  if (kind == "paused") return pause_words(event);
  if (kind == "continued") return fmt::format("after {}", duration_in(event, "seconds"));
  if (kind == "settings") return settings_words(event);
  return event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace pretrain
