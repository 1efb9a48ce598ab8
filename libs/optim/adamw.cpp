#include "libs/optim/adamw.h"

#include <algorithm>
#include <cmath>

#include "libs/tensor/adamw_kernel.h"

namespace pretrain {

AdamW::AdamW(Compute& compute, const ParameterLayout& layout, const AdamWOptions& options)
    : compute_(compute),
      options_(options),
      sum_of_squares_(layout.flat_size()),
      m_(layout.flat_size()),
      v_(layout.flat_size()) {
  constexpr size_t kElementsPerPiece = 65536;
  for (const ParameterInfo& tensor : layout.tensors()) {
    for (size_t done = 0; done < tensor.size; done += kElementsPerPiece) {
      pieces_.push_back(
          {tensor.offset + done, std::min(kElementsPerPiece, tensor.size - done), tensor.decays});
    }
  }
  std::fill_n(m_.data(), m_.size(), 0.0F);
  std::fill_n(v_.data(), v_.size(), 0.0F);
}

double AdamW::gradient_norm(const float* gradients) {
  return std::sqrt(sum_of_squares_(compute_, gradients));
}

void AdamW::update(double learning_rate, double gradient_norm, const float* gradients, float* parameters) {
  ++updates_;
  const auto t = static_cast<double>(updates_);
  const bool clips = options_.gradient_clip > 0 && gradient_norm > options_.gradient_clip;
  const AdamWStep step{
      .learning_rate = static_cast<float>(learning_rate),
      .beta1 = static_cast<float>(options_.beta1),
      .beta2 = static_cast<float>(options_.beta2),
      .inverse_correction1 = static_cast<float>(1 / (1 - std::pow(options_.beta1, t))),
      .inverse_correction2 = static_cast<float>(1 / (1 - std::pow(options_.beta2, t))),
      .epsilon = static_cast<float>(options_.epsilon),
      .gradient_scale = clips ? static_cast<float>(options_.gradient_clip / gradient_norm) : 1.0F};
  compute_.parallel_for(pieces_.size(), [&](size_t i) {
    const Piece& piece = pieces_[i];
    adamw_update(step, piece.decays ? static_cast<float>(options_.weight_decay) : 0.0F, piece.size,
                 gradients + piece.offset, parameters + piece.offset, m_.data() + piece.offset,
                 v_.data() + piece.offset);
  });
}

}  // namespace pretrain
