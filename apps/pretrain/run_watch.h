// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything around a running session by which its user watches and steers it: the control socket, the hours
// and the power supply, the command of --on-event, the file of --metrics-file.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "apps/pretrain/control_server.h"
#include "apps/pretrain/event_hook.h"
#include "apps/pretrain/manners.h"
#include "apps/pretrain/metrics_file.h"
#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/run_monitor.h"
#include "libs/train/run_control.h"

namespace pretrain {

/// Create it before the trainer, which uses control() and observers(), and start() it afterwards. Single-owner.
class RunWatch {
 public:
  /// `parameters`: of the model.
  RunWatch(const RunConfiguration& config, uint64_t parameters);

  RunControl& control() { return control_; }
  /// Energy and heat, read every few seconds.
  MachineUse machine_use() const { return monitor_.machine_use(); }
  /// Valid while this lives.
  std::vector<TrainObserver*> observers() { return {&monitor_, &hook_}; }

  /// Pauses the run if it may not train now; then answers requests and watches the machine until the
  /// destructor. A file system without sockets is no reason not to train.
  /// Requires: this process holds the lock of the state folder.
  void start();

  /// An event for the command of the user.
  void note(std::string_view event, uint64_t step, std::string message) {
    hook_.note(event, step, std::move(message));
  }

 private:
  void look_at_machine(const std::stop_token& stop);

  Path state_;
  int most_threads_;
  RunControl control_;
  RunMonitor monitor_;
  EventHook hook_;
  Manners manners_;
  MetricsFile metrics_file_;
  std::unique_ptr<ControlServer> server_;
  std::jthread watcher_;  // last: uses all others
};

}  // namespace pretrain
