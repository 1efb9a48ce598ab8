// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_watch.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/control_requests.h"
#include "libs/base/io_advice.h"
#include "libs/base/log.h"
#include "libs/base/own_process.h"

namespace pretrain {

RunWatch::RunWatch(const RunConfiguration& c, uint64_t parameters)
    : state_(c.state_folder),
      most_threads_(c.threads),
      monitor_({.model = model_name(c),
                .parameters = parameters,
                .threads = c.threads,
                .checkpoint_interval = c.trainer.checkpoint_interval}),
      hook_(c.on_event, c.state_folder),
      manners_(control_, c.manners),
      metrics_file_(c.metrics_file, c.state_folder) {}

void RunWatch::start() {
  manners_.look(std::chrono::system_clock::now());  // before the first step
  try {
    server_ = std::make_unique<ControlServer>(state_, control_requests({.control = control_,
                                                                        .monitor = monitor_,
                                                                        .request_stop = request_own_stop,
                                                                        .most_threads = most_threads_}));
  } catch (const IoError& error) {
    log_warning("{}; pretrain status shows less, and pause, save and stop can't reach this run",
                message_with_advice(error));
  }
  watcher_ = std::jthread([this](const std::stop_token& stop) { look_at_machine(stop); });
}

void RunWatch::look_at_machine(const std::stop_token& stop) {
  constexpr std::chrono::seconds kLook(5);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  do {
    manners_.look(std::chrono::system_clock::now());
    monitor_.look_at_machine();
    metrics_file_.look(std::chrono::steady_clock::now());
  } while (!never.wait_for(lock, stop, kLook, [&] { return stop.stop_requested(); }));
}

}  // namespace pretrain
