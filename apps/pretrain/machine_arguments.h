// SPDX-License-Identifier: Apache-2.0
#pragma once
// Options of commands that predict what several machines would do together.

#include "apps/pretrain/machines.h"
#include "apps/pretrain/option.h"

namespace pretrain {

/// Row network for a member of T.
template <typename T>
Option<T> network_option(LineRate T::*network) {
  return {{"network", "line rate between the machines, in bits a second"},
          option_detail::single<T>({"RATE"}, network, read_line_rate, write_line_rate)};
}

}  // namespace pretrain
