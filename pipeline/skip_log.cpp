#include "pipeline/skip_log.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

/// The hash of a line without its epoch, because the same place is skipped in each epoch. The epoch is the
/// first key if there is one (earlier versions wrote none), so it can be cut off without parsing JSON.
uint64_t place_of(std::string_view line) {
  constexpr std::string_view kEpoch = R"({"epoch":)";
  if (!line.starts_with(kEpoch)) return hash64(line);
  const size_t end = line.find(',');
  std::string place("{");
  if (end != std::string_view::npos) place += line.substr(end + 1);
  return hash64(place);
}

}  // namespace

void SkipLog::begin(std::optional<uint64_t> keep_bytes) {
  const std::lock_guard lock(mutex_);
  file_.reset();
  bytes_ = 0;
  places_.clear();
  try {
    read_places(keep_bytes.value_or(kMaximumBytes));
    file_ = files_.append(path_, bytes_);
  } catch (const IoError& error) {
    warn_once(error.what());
  }
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
    places_.insert(place_of(std::string_view(content).substr(bytes_, end - bytes_)));
  }
}

void SkipLog::add(const Skip& skip, uint32_t epoch) {
  nlohmann::json record = {
      {"epoch", epoch}, {"file", skip.shard}, {"offset", skip.offset}, {"reason", skip.reason}};
  if (!skip.title.empty()) record["title"] = skip.title;
  const std::string line = record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const uint64_t place = place_of(line);
  const std::lock_guard lock(mutex_);
  if (places_.contains(place)) return;
  if (file_ == nullptr) {
    ++failed_writes_;
    return;
  }
  if (bytes_ + line.size() + 1 > kMaximumBytes)
    return warn_once(fmt::format("the file has reached its bound of {}", format_bytes(kMaximumBytes)));
  try {
    file_->write(line + "\n");
    bytes_ += line.size() + 1;
    places_.insert(place);
  } catch (const IoError& error) {
    ++failed_writes_;
    warn_once(error.what());
    reopen();
  }
}

/// Cuts off the incomplete line that a failed write may have left.
void SkipLog::reopen() {
  try {
    file_ = files_.append(path_, bytes_);
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
