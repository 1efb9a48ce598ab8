#include "libs/base/log.h"

#include <cstdio>
#include <memory>
#include <mutex>

#include <spdlog/sinks/base_sink.h>

namespace pretrain {
namespace {

/// Standard error with a hook before each line. The sink's own mutex guards the hook.
class HookedSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void set_hook(std::function<void()> hook) {
    const std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (hook_) hook_();
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
  void flush_() override { std::fflush(stderr); }

 private:
  std::function<void()> hook_;
};

std::shared_ptr<HookedSink> sink() {
  static const auto instance = std::make_shared<HookedSink>();
  return instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void initialize_log(LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("pretrain", sink());
  logger->set_level(to_spdlog(level));
  logger->set_pattern("%H:%M:%S %l: %v");
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void set_log_line_hook(std::function<void()> before_line) {
  sink()->set_hook(std::move(before_line));
}

}  // namespace pretrain
