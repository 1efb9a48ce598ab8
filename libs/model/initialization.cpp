// SPDX-License-Identifier: Apache-2.0
#include "libs/model/initialization.h"

#include <algorithm>

#include "libs/base/hash.h"
#include "libs/base/rng.h"

namespace pretrain {

void initialize_parameters(Compute& compute, const ParameterLayout& layout, uint64_t seed, float* parameters,
                           OutputStart outputs) {
  constexpr size_t kElementsPerSeed = 16384;
  std::fill(parameters, parameters + layout.flat_size(), 0.0F);
  for (const ParameterInfo& tensor : layout.tensors()) {
    if (outputs == OutputStart::kZero && tensor.role == ParameterRole::kResidualMatrix) continue;
    const uint64_t tensor_seed = derive_seed(seed, hash64(tensor.name));
    compute.parallel_ranges(tensor.size, kElementsPerSeed, [&](size_t begin, size_t end) {
      Rng rng(derive_seed(tensor_seed, begin));
      for (size_t i = begin; i < end; ++i) {
        parameters[tensor.offset + i] = tensor.initial_std > 0
                                            ? tensor.initial_std * static_cast<float>(rng.normal())
                                            : tensor.initial_value;
      }
    });
  }
}

}  // namespace pretrain
