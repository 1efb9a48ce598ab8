// SPDX-License-Identifier: Apache-2.0
#pragma once
// Predicts how long a step takes that machines share: the exchange of slot_exchange.h, bucket after bucket, beside a
// backward pass that completes them, on a network by the LogGP model. Pure functions, thread-safe.
// Source: Alexandrov et al., "LogGP: Incorporating Long Messages into the LogP Model". Its L + 2 o is `latency` here, its
// g `gap`, 1/G `bytes_per_second`.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "libs/model/parameter_table.h"

namespace pretrain {

/// Of one machine's cable. Both ways at the same time.
struct NetworkModel {
  double bytes_per_second = 0;
  double latency = 0;  ///< seconds from the start of a message without bytes to its end
  double gap = 0;      ///< seconds between the starts of two messages of one machine
  double cpu_seconds_per_byte =
      0;  ///< of one thread, for each byte that a machine sends and each that it receives
};

/// An Ethernet with this line rate and machines that have nothing else to do with it. What the fabric costs was measured
/// (step_time.cpp), on another machine than the one at hand.
/// Requires: positive.
NetworkModel ethernet(double bits_per_second);

/// How long one machine takes for its part. Seconds.
struct MachinePace {
  double token = 0;            ///< forward and backward pass
  double layers_backward = 0;  ///< of these, the backward pass of the layers
  double update = 0;           ///< of all parameters, once a step
  int threads = 1;
};

struct SharedRun {
  std::vector<ElementRange> parts;  ///< ParameterLayout::backward_parts()
  int64_t micro_batch_tokens = 2048;
  int64_t element_bytes = 4;  ///< 2 for an exchange in bf16
  MachinePace pace;
  NetworkModel network;
};

/// Seconds.
struct PredictedStep {
  double all = 0;
  double computing = 0;  ///< of the slots, and what the exchange takes from it
  double exchange = 0, hidden = 0;
};

/// For equal machines with one slot each, or as many as a power of two.
/// Requires: machines >= 1, tokens > 0.
PredictedStep predict_step(const SharedRun& run, int machines, double tokens_of_a_machine);

/// Tokens a second of the machines together, compared with so many times one machine that trains the same steps alone.
double efficiency(const SharedRun& run, int machines, double tokens_of_a_machine);

/// Tokens of each machine in a step from which on the efficiency is at least this. Empty when no step of up to 2^26 is
/// enough.
std::optional<double> tokens_for_efficiency(const SharedRun& run, int machines, double least);

}  // namespace pretrain
