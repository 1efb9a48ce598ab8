// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands that ask and steer a running session, as commands.h describes commands.

#include "apps/pretrain/commands.h"

namespace pretrain {

int status_command(const Arguments& arguments, StopSignal& stop);
int pause_command(const Arguments& arguments, StopSignal& stop);
int continue_command(const Arguments& arguments, StopSignal& stop);
int save_command(const Arguments& arguments, StopSignal& stop);
int stop_command(const Arguments& arguments, StopSignal& stop);
int set_command(const Arguments& arguments, StopSignal& stop);

}  // namespace pretrain
