#pragma once
// Sequences that are never trained on.

#include <cstdint>
#include <string>
#include <vector>

namespace pretrain {

struct EvaluationData {
  uint32_t context = 0;          ///< T
  std::vector<uint32_t> inputs;  ///< [N, T]
  std::vector<int32_t> targets;  ///< [N, T], -1 where the position does not count
  uint64_t target_count = 0;     ///< targets that count
  uint64_t target_bytes = 0;     ///< bytes of text that those targets stand for

  uint64_t sequences() const { return context == 0 ? 0 : inputs.size() / context; }
};

/// Hash of inputs and targets, to see that two runs were evaluated on the same text.
std::string hash_of(const EvaluationData& data);

}  // namespace pretrain
