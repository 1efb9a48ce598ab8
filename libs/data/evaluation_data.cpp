// SPDX-License-Identifier: Apache-2.0
#include "libs/data/evaluation_data.h"

#include <algorithm>

#include "libs/base/hash.h"

namespace pretrain {

std::string hash_of(const EvaluationData& data) {
  const uint64_t inputs = hash64(std::as_bytes(std::span(data.inputs)), data.context);
  return hex64(hash64(std::as_bytes(std::span(data.targets)), inputs));
}

EvaluationSet as_set(const EvaluationData& data) {
  const auto open = [&data]() -> SequenceReader {
    return [&data, at = size_t{0}](std::span<uint32_t> inputs, std::span<int32_t> targets) mutable {
      const size_t count = std::min(inputs.size(), data.inputs.size() - at);
      std::copy_n(data.inputs.begin() + static_cast<int64_t>(at), count, inputs.begin());
      std::copy_n(data.targets.begin() + static_cast<int64_t>(at), count, targets.begin());
      at += count;
      return uint64_t{count / data.context};
    };
  };
  return {.context = data.context,
          .sequences = data.sequences(),
          .target_count = data.target_count,
          .target_bytes = data.target_bytes,
          .hash = hash_of(data),
          .open = open};
}

}  // namespace pretrain
