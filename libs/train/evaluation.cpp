#include "libs/train/evaluation.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/tensor/loss.h"

namespace pretrain {

EvaluationResult evaluate(Transformer& model, const EvaluationData& data, const std::stop_token& stop,
                          const std::function<void()>& on_progress) {
  PRETRAIN_CHECK(data.target_count > 0 && data.context == model.context(), "{} targets, context {}",
                 data.target_count, data.context);
  const auto positions = static_cast<size_t>(model.rows() * model.context());
  std::vector<uint32_t> inputs(positions);
  std::vector<int32_t> targets(positions);
  double total = 0;
  for (size_t at = 0; at < data.inputs.size(); at += positions) {
    if (stop.stop_requested()) throw Stopped();
    const size_t count = std::min(positions, data.inputs.size() - at);
    std::copy_n(data.inputs.begin() + static_cast<int64_t>(at), count, inputs.begin());
    std::copy_n(data.targets.begin() + static_cast<int64_t>(at), count, targets.begin());
    std::fill(inputs.begin() + static_cast<int64_t>(count), inputs.end(), 0);
    std::fill(targets.begin() + static_cast<int64_t>(count), targets.end(), kMaskedTarget);
    total += model.evaluate(inputs.data(), targets.data());
    if (on_progress) on_progress();
  }
  EvaluationResult result;
  result.loss = total / static_cast<double>(data.target_count);
  result.perplexity = std::exp(result.loss);
  if (data.target_bytes > 0)
    result.bits_per_byte = total / std::numbers::ln2 / static_cast<double>(data.target_bytes);
  return result;
}

}  // namespace pretrain
