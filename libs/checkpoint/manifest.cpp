// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/manifest.h"

#include <cstdio>
#include <ctime>
#include <set>

#include <fmt/chrono.h>

#include "libs/base/hash.h"
#include "libs/base/json.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kPrefix = "{\n  \"manifest_hash\": \"";
constexpr size_t kHashDigits = 32;

[[noreturn]] void fail_damaged(std::string_view name, std::string_view reason) {
  throw DamageError(name, std::string(reason));
}

Json to_json(const ManifestFile& file) {
  return {{"name", file.name}, {"size", file.size_bytes}, {"hash", file.hash}};
}

// A checkpoint has a dozen files.
constexpr size_t kMostFiles = 10'000;

ManifestFile to_file(const JsonField& field) {
  const JsonField name = field.at("name");
  if (!is_plain_file_name(name.text())) name.fail_because("is not the name of a file in its folder");
  return {.name = name.text(), .size_bytes = field.at("size").count(), .hash = field.at("hash").text()};
}

std::vector<ManifestFile> to_files(const JsonField& list) {
  std::vector<ManifestFile> files;
  std::set<std::string> names;
  for (const JsonField& entry : list.elements(kMostFiles)) {
    files.push_back(to_file(entry));
    if (!names.insert(files.back().name).second) entry.fail_because("names a file a second time");
  }
  return files;
}

/// The text after the hash, once it matches the hash.
void check_hash(std::string_view text, std::string_view name) {
  if (!text.starts_with(kPrefix) || text.size() < kPrefix.size() + kHashDigits) {
    fail_damaged(name, "it does not begin with its hash");
  }
  const std::string_view hash = text.substr(kPrefix.size(), kHashDigits);
  if (hash128_hex(text.substr(kPrefix.size() + kHashDigits)) != hash) {
    fail_damaged(name, "its content does not match its hash");
  }
}

Manifest to_manifest(const JsonField& json, std::string_view name) {
  Manifest manifest;
  manifest.format_version = json.at("format_version").count();
  if (manifest.format_version > kManifestVersion) {
    throw NewerFormatError(
        ErrorKind::kData,
        fmt::format(
            "{} was written by a newer pretrain (format {}, this one reads up to {}); use that version", name,
            manifest.format_version, kManifestVersion));
  }
  manifest.step = json.at("step").count();
  manifest.files = to_files(json.at("files"));
  manifest.fingerprint = json.at("fingerprint").object();
  manifest.configuration = json.at("configuration").object();
  // Earlier versions had no branches.
  if (const auto parent = json.find("parent")) manifest.parent = parent->object();
  manifest.created = json.at("created").text();
  return manifest;
}

Json parse_body(std::string_view text, std::string_view name) {
  try {
    return parse_json(text);
  } catch (const Error& error) {
    fail_damaged(name, error.what());
  }
}

}  // namespace

DamageError::DamageError(std::string_view path, std::string reason)
    : Error(ErrorKind::kData, fmt::format("{} is damaged: {}; use an older checkpoint", path, reason)),
      reason_(std::move(reason)) {}

std::string manifest_text(const Manifest& manifest) {
  Json files = Json::array();
  for (const ManifestFile& file : manifest.files) files.push_back(to_json(file));
  Json json = {{"format_version", manifest.format_version},
               {"step", manifest.step},
               {"files", files},
               {"fingerprint", manifest.fingerprint},
               {"configuration", manifest.configuration},
               {"created", manifest.created}};
  if (!manifest.parent.empty()) json["parent"] = manifest.parent;
  const std::string body = json.dump(2, ' ', false, Json::error_handler_t::replace);
  constexpr std::string_view kOpening = "{\n";
  const std::string rest = fmt::format("\",\n{}\n", std::string_view(body).substr(kOpening.size()));
  return fmt::format("{}{}{}", kPrefix, hash128_hex(rest), rest);
}

Manifest parse_manifest(std::string_view text, std::string_view name) {
  check_hash(text, name);
  const Json json = parse_body(text, name);
  try {
    return to_manifest(JsonField(json, std::string(name), "use an older checkpoint"), name);
  } catch (const JsonFieldError& error) {
    fail_damaged(name, error.reason());
  }
}

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.size() <= 255 && name != kManifestName &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

std::optional<std::chrono::system_clock::time_point> created_at(const Manifest& manifest) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  const int read = std::sscanf(manifest.created.c_str(), "%4d-%2d-%2dT%2d:%2d:%2dZ", &year, &month, &day,
                               &hour, &minute, &second);
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (read != 6 || !date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

}  // namespace pretrain
