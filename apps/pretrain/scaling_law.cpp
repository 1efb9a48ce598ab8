// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/scaling_law.h"

#include <algorithm>
#include <cmath>

#include "apps/pretrain/scaling_law_constants.h"

namespace pretrain {
namespace {

using namespace scaling_law;

/// `unique` units, and `excess` more for each of them, of which each further one is worth less.
double discounted(double unique, double excess, double decay) {
  return unique * (1 + decay * (1 - std::exp(-excess / decay)));
}

/// The size of the best model for so much text and the operations that it takes: there, more parameters and more
/// text lower the loss equally.
double best_parameters(double text_bytes) {
  const double ratio = std::pow(kAlpha / kBeta, 1 / kNorm) * kA / kB * std::pow(text_bytes, kBeta);
  return std::pow(ratio, 1 / kAlpha);
}

/// What too few parameters and too little text cost together.
double shortage(double parameters, double text_bytes) {
  const double of_parameters = kA / std::pow(parameters, kAlpha), of_text = kB / std::pow(text_bytes, kBeta);
  return std::pow(std::pow(of_parameters, kNorm) + std::pow(of_text, kNorm), 1 / kNorm);
}

/// Factors of ten by which a value is outside of a range.
double decades_outside(double value, double least, double most) {
  return std::max({0.0, std::log10(least / value), std::log10(value / most)});
}

}  // namespace

PredictedBits predict_bits(const TrainedOn& run) {
  const double repeated = std::max(1.0, run.text_bytes / run.unique_bytes);
  const double text = discounted(run.text_bytes / repeated, repeated - 1, kRepeatedTextDecay);
  const double filled = std::min(best_parameters(run.unique_bytes), run.parameters);
  const double parameters = discounted(filled, run.parameters / filled - 1, kExcessParametersDecay);
  const double bits = kE + shortage(parameters, text) + kContext / std::pow(run.context_bytes, kGamma);
  const double outside = decades_outside(run.parameters, kLeastParameters, kMostParameters) +
                         decades_outside(text, kLeastTextBytes, kMostTextBytes);
  return {.bits_per_byte = bits, .uncertainty = bits * (kRelativeError + kErrorPerDecade * outside)};
}

}  // namespace pretrain
