// SPDX-License-Identifier: Apache-2.0
#pragma once
// Predicts how well a model will compress held-out text, from its size and the text that it is trained on. Its
// constants are fitted to measured runs (scaling_law_constants.h). Thread-safe: pure functions.

namespace pretrain {

/// What the law knows of a run.
struct TrainedOn {
  double parameters = 0;     ///< a tied embedding counted once
  double text_bytes = 0;     ///< that the run trains on, repetitions included
  double unique_bytes = 0;   ///< that there are: those of an epoch
  double context_bytes = 0;  ///< in a sequence, which the model sees at once
};

struct PredictedBits {
  double bits_per_byte = 0;
  double uncertainty = 0;  ///< two standard deviations, larger outside of the runs that were fitted
};

/// L = E + ((A / N^alpha)^q + (B / D^beta)^q)^(1/q) + K / C^gamma in bits per byte of English Wikipedia after a cooldown, for
/// N parameters, D bytes of text and contexts of C bytes. Text that is repeated counts less each time, and so do parameters
/// beyond what the unique text can fill.
/// Source: Kaplan et al., "Scaling Laws for Neural Language Models", equation 1.5, and Hoffmann et al., "Training
/// Compute-Optimal Large Language Models", approach 3, for the form; Muennighoff et al., "Scaling Data-Constrained Language
/// Models", equations 5 to 7.
/// Requires: all positive.
PredictedBits predict_bits(const TrainedOn& run);

}  // namespace pretrain
