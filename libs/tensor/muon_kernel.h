// SPDX-License-Identifier: Apache-2.0
#pragma once
// The passes of Muon over memory: what comes before the orthogonalisation of a matrix, and after it.
// Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks"; Liu et al., "Muon is
// Scalable for LLM Training", algorithm 1 (decay and size of the update); Chen et al., "Cautious Weight Decay",
// algorithm 1; Li et al., "NorMuon: Making Muon more efficient and scalable", algorithm 1 (neurons).

#include <cstdint>

namespace pretrain {

/// The rows of a block of a matrix that are worked on.
struct MuonRows {
  int64_t rows, columns;
  int64_t ld;  ///< distance of rows in the matrix; those of a dense array are `columns` apart
};

/// g = gradient_scale * gradient;  m = momentum m + (1 - momentum) g;  mixed = momentum m + (1 - momentum) g,
/// Nesterov's look ahead. Runs on the calling thread.
/// Shapes: gradient, m [rows, columns], rows ld apart; mixed [rows, columns], dense.
void muon_mix(const MuonRows& block, float momentum, float gradient_scale, const float* gradient, float* m,
              float* mixed);

/// Whose weights are the rows or the columns of a matrix.
enum class NeuronAxis { kRows, kColumns };

/// sums[i] = the sum of squares of neuron i. Runs on the calling thread.
/// Shapes: direction [rows, columns], rows ld apart; sums [rows] or [columns].
void muon_neuron_squares(const MuonRows& block, NeuronAxis axis, const float* direction, float* sums);

/// Multiplies each neuron i by factors[i]. Runs on the calling thread.
/// Shapes: direction [rows, columns], rows ld apart; factors [rows] or [columns].
void muon_scale_neurons(const MuonRows& block, NeuronAxis axis, const float* factors, float* direction);

/// The numbers of an update of a matrix.
struct MuonChange {
  float rate;
  float decay;
  bool cautious_decay = false;  ///< only of elements that do not move away from zero
};

/// p -= rate * direction + decay * p. A cautious decay leaves out decay * p where direction and p have opposite signs.
/// Runs on the calling thread.
/// Shapes: direction [rows, columns], dense; parameter [rows, columns], rows ld apart.
void muon_apply(const MuonRows& block, const MuonChange& change, const float* direction, float* parameter);

}  // namespace pretrain
