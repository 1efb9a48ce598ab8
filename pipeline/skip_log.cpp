#include "pipeline/skip_log.h"

#include <nlohmann/json.hpp>

#include "libs/base/log.h"

namespace pretrain {

SkipLog::SkipLog(FileSystem& files, const Path& path) {
  try {
    bytes_ = file_exists(path) ? ReadableFile(path).size() : 0;
    file_ = files.append(path, bytes_);
  } catch (const IoError& error) {
    log_warning("skips are counted but not written down: {}", error.what());
  }
}

void SkipLog::add(const Skip& skip) {
  nlohmann::json record = {{"file", skip.shard}, {"offset", skip.offset}, {"reason", skip.reason}};
  if (!skip.title.empty()) record["title"] = skip.title;
  const std::string line = record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  const std::lock_guard lock(mutex_);
  if (file_ == nullptr || bytes_ + line.size() > kMaximumBytes) return;
  try {
    file_->write(line);
    bytes_ += line.size();
  } catch (const IoError&) {
    ++failed_writes_;
  }
}

uint64_t SkipLog::failed_writes() const {
  const std::lock_guard lock(mutex_);
  return failed_writes_;
}

}  // namespace pretrain
