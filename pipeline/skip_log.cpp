// SPDX-License-Identifier: Apache-2.0
#include "pipeline/skip_log.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "libs/base/hash.h"
#include "libs/base/io_advice.h"
#include "libs/base/json.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// What is the same when another epoch skips it again.
uint64_t place_of(const std::string& file, uint64_t offset, SkipReason reason) {
  return hash64(fmt::format("{}\n{}\n{}", offset, reason_key(reason), file));
}

/// The place of a record that this or an earlier version wrote: those of version 0.1 have the text of the
/// reason where its key belongs, and the first ones had no epoch. A line that is no record is no place.
std::optional<uint64_t> place_in(std::string_view line) {
  constexpr JsonLimits kLimits{.depth = 2, .values = 100};
  try {
    const nlohmann::json json = parse_json(line, kLimits);
    const JsonField record(json, "skipped.jsonl", "");
    return place_of(record.at("file").text(), record.at("offset").count(),
                    find_reason(record.at("reason").text()));
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// JSON holds UTF-8 only.
std::string repaired(std::string text) {
  repair_utf8(text);
  return text;
}

}  // namespace

/// A resumed stream skips the records after its checkpoint once more, so their lines are cut off first. The places
/// that remain are read, so that none is recorded twice.
void SkipLog::begin(std::optional<uint64_t> keep_bytes) {
  const std::lock_guard lock(mutex_);
  file_.reset();
  bytes_ = 0;
  places_.clear();
  try {
    read_places(keep_bytes.value_or(kMaximumBytes));
    open();
  } catch (const IoError& error) {
    warn_once(message_with_advice(error));
  }
}

void SkipLog::open() {
  file_ = files_.append(path_, bytes_);
  name_ = NamedFile(path_);
}

/// Reads complete lines only, because a crash of the machine may have left an incomplete one.
void SkipLog::read_places(uint64_t keep_bytes) {
  if (!file_exists(path_)) return;
  const ReadableFile file(path_);
  std::string content(std::min({keep_bytes, file.size(), kMaximumBytes}), '\0');
  for (size_t done = 0; done < content.size();) {
    const size_t got = file.read_at(done, std::as_writable_bytes(std::span(content)).subspan(done));
    if (got == 0) content.resize(done);
    done += got;
  }
  for (size_t end = 0; (end = content.find('\n', bytes_)) != std::string::npos; bytes_ = end + 1) {
    if (const auto place = place_in(std::string_view(content).substr(bytes_, end - bytes_)))
      places_.insert(*place);
  }
}

/// A record that can't be written is counted; the next one tries again.
void SkipLog::add(const Skip& skip, uint32_t epoch) {
  const std::string file = repaired(skip.shard);
  nlohmann::json record = {{"epoch", epoch},
                           {"file", file},
                           {"offset", skip.offset},
                           {"reason", reason_key(skip.cause.reason)},
                           {"text", repaired(skip.cause.text)}};
  if (!skip.title.empty()) record["title"] = repaired(skip.title);
  const std::string line = record.dump();
  const uint64_t place = place_of(file, skip.offset, skip.cause.reason);
  const std::lock_guard lock(mutex_);
  if (places_.contains(place)) return;
  follow_name();
  if (file_ == nullptr) {
    ++failed_writes_;
    return;
  }
  if (is_requested(skip.cause.reason) && bytes_ + line.size() + 1 > kMaximumRequestedBytes) return;
  if (bytes_ + line.size() + 1 > kMaximumBytes)
    return warn_once(fmt::format("the file has reached its bound of {}", format_bytes(kMaximumBytes)));
  try {
    file_->write(line + "\n");
    bytes_ += line.size() + 1;
    places_.insert(place);
  } catch (const IoError& error) {
    ++failed_writes_;
    warn_once(message_with_advice(error));
    reopen();
  }
}

/// Continues in the file that has the name now, if that of before was removed or replaced.
void SkipLog::follow_name() {
  if (file_ == nullptr || !name_.was_taken_away()) return;
  log_warning(
      "{} was removed or replaced while the run wrote to it; further skips are recorded in the file of that name",
      path_.string());
  file_.reset();
  try {
    bytes_ = file_exists(path_) ? ReadableFile(path_, Links::kRefuse).size() : 0;
    open();
  } catch (const IoError& error) {
    warn_once(message_with_advice(error));
  }
}

/// Cuts off the incomplete line that a failed write may have left.
void SkipLog::reopen() {
  try {
    open();
  } catch (const IoError&) {
    file_.reset();
  }
}

void SkipLog::warn_once(const std::string& why) {
  if (std::exchange(warned_, true)) return;
  log_warning("{}: further skips are counted but not recorded: {}", path_.string(), why);
}

uint64_t SkipLog::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

uint64_t SkipLog::failed_writes() const {
  const std::lock_guard lock(mutex_);
  return failed_writes_;
}

}  // namespace pretrain
