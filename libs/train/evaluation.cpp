// SPDX-License-Identifier: Apache-2.0
#include "libs/train/evaluation.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/tensor/loss.h"

namespace pretrain {

double total_loss(Transformer& model, const SequenceReader& read, const std::stop_token& stop,
                  const std::function<void()>& on_progress) {
  const auto rows = static_cast<uint64_t>(model.rows());
  const auto context = static_cast<size_t>(model.context());
  std::vector<uint32_t> inputs(rows * context);
  std::vector<int32_t> targets(rows * context);
  // In double: a float sum over millions of targets would lose digits. A reader only returns fewer rows at
  // the end.
  double total = 0;
  for (uint64_t got = rows; got == rows;) {
    if (stop.stop_requested()) throw Stopped();
    got = read(inputs, targets);
    if (got == 0) break;
    const auto end = static_cast<int64_t>(got * context);
    std::fill(inputs.begin() + end, inputs.end(), 0);
    std::fill(targets.begin() + end, targets.end(), kMaskedTarget);
    total += model.evaluate(inputs.data(), targets.data());
    if (on_progress) on_progress();
  }
  return total;
}

/// Bits per byte don't depend on the tokenizer: the loss of all tokens in bits, divided by the bytes of their
/// text.
EvaluationResult to_result(double total_loss, uint64_t target_count, uint64_t target_bytes) {
  PRETRAIN_CHECK(target_count > 0, "no target");
  EvaluationResult result;
  result.loss = total_loss / static_cast<double>(target_count);
  result.perplexity = std::exp(result.loss);
  if (target_bytes > 0)
    result.bits_per_byte = total_loss / std::numbers::ln2 / static_cast<double>(target_bytes);
  return result;
}

EvaluationResult evaluate(Transformer& model, const EvaluationSet& set, const std::stop_token& stop,
                          const std::function<void()>& on_progress) {
  PRETRAIN_CHECK(set.target_count > 0 && set.context == model.context(), "{} targets, context {}",
                 set.target_count, set.context);
  return to_result(total_loss(model, set.open(), stop, on_progress), set.target_count, set.target_bytes);
}

}  // namespace pretrain
