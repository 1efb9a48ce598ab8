// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/machine_pace.h"

#include "libs/model/parameters.h"

namespace pretrain {

MachinePace pace_at(double flops_per_second, const ModelConfig& model, int threads) {
  constexpr double kForwardAndBackward = 3, kBackward = 2;
  /// The update reads and writes parameters, moments and gradient, 28 bytes a parameter.
  constexpr double kBytesOfAParameter = 28, kMemoryBytesPerSecond = 30e9;
  const double flops = flops_per_token(model);
  const double of_head =
      2 * kForwardAndBackward * static_cast<double>(model.vocabulary * model.d_model) / flops;
  const double token = flops / flops_per_second;
  const auto parameters = static_cast<double>(ParameterLayout(model).parameter_count());
  return {.token = token,
          .layers_backward = token * (1 - of_head) * kBackward / kForwardAndBackward,
          .update = parameters * kBytesOfAParameter / kMemoryBytesPerSecond,
          .threads = threads};
}

}  // namespace pretrain
