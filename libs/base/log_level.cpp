// SPDX-License-Identifier: Apache-2.0
#include "libs/base/log_level.h"

namespace pretrain {
namespace {

spdlog::level::level_enum in_spdlog(LogLevel level) {
  if (level == LogLevel::kError) return spdlog::level::err;
  if (level == LogLevel::kWarning) return spdlog::level::warn;
  return level == LogLevel::kInfo ? spdlog::level::info : spdlog::level::debug;
}

}  // namespace

void set_log_level(LogLevel level) {
  spdlog::default_logger_raw()->set_level(in_spdlog(level));
}

}  // namespace pretrain
