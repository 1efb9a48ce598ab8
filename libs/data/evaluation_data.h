// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sequences for evaluation, which are never trained on. A set is in memory or read piece by piece, because it
// may be larger than memory.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace pretrain {

struct EvaluationData {
  uint32_t context = 0;          ///< T
  std::vector<uint32_t> inputs;  ///< [N, T]
  std::vector<int32_t> targets;  ///< [N, T], -1 where the position does not count
  uint64_t target_count = 0;     ///< targets that count
  uint64_t target_bytes = 0;     ///< bytes of text that those targets represent

  uint64_t sequences() const { return context == 0 ? 0 : inputs.size() / context; }
};

/// Hash of inputs and targets, to check that two runs were evaluated on the same text.
std::string hash_of(const EvaluationData& data);

/// Reads the next sequences, as many as fit, and returns their number; fewer only at the end.
/// Shapes: inputs and targets [n, T].
using SequenceReader = std::function<uint64_t(std::span<uint32_t> inputs, std::span<int32_t> targets)>;

/// A set that need not be in memory. A value type; its readers share the underlying storage.
struct EvaluationSet {
  uint32_t context = 0;       ///< T
  uint64_t sequences = 0;     ///< N
  uint64_t target_count = 0;  ///< targets that count
  uint64_t target_bytes = 0;  ///< bytes of text that those targets represent
  std::string hash;           ///< as hash_of()
  /// A reader that begins with the first sequence.
  std::function<SequenceReader()> open = {};
};

/// The data as a set. The data must outlive it.
EvaluationSet as_set(const EvaluationData& data);

}  // namespace pretrain
