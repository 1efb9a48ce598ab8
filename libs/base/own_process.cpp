// SPDX-License-Identifier: Apache-2.0
#include "libs/base/own_process.h"

#include <csignal>

#include <unistd.h>

namespace pretrain {

int process_number() {
  return ::getpid();
}

/// A second SIGTERM would mean to exit without saving; SIGXCPU never does.
void request_own_stop() {
  ::kill(::getpid(), SIGXCPU);
}

}  // namespace pretrain
