#pragma once
// Sequences that are never trained on: in memory, or read piece by piece from where they are kept, because a
// set may be larger than memory.

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
  uint64_t target_bytes = 0;     ///< bytes of text that those targets stand for

  uint64_t sequences() const { return context == 0 ? 0 : inputs.size() / context; }
};

/// Hash of inputs and targets, to see that two runs were evaluated on the same text.
std::string hash_of(const EvaluationData& data);

/// Gives the next sequences, as many as there is room for, and returns how many; fewer only at the end.
/// Shapes: inputs and targets [n, T].
using SequenceReader = std::function<uint64_t(std::span<uint32_t> inputs, std::span<int32_t> targets)>;

/// What is known of a set without having it in memory. A value; the readers share what it is kept in.
struct EvaluationSet {
  uint32_t context = 0;       ///< T
  uint64_t sequences = 0;     ///< N
  uint64_t target_count = 0;  ///< targets that count
  uint64_t target_bytes = 0;  ///< bytes of text that those targets stand for
  std::string hash;           ///< as hash_of()
  /// A reader that begins with the first sequence.
  std::function<SequenceReader()> open = {};
};

/// The data as a set. The data must outlive it.
EvaluationSet as_set(const EvaluationData& data);

}  // namespace pretrain
