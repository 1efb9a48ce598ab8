// SPDX-License-Identifier: Apache-2.0
#pragma once
// Muon: momentum whose matrix is made orthogonal before it is applied, so that an update moves all directions
// of a matrix alike.
// Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks"; Liu et al., "Muon is
// Scalable for LLM Training", algorithm 1; Li et al., "NorMuon: Making Muon more efficient and scalable", algorithm 1
// (neuron_decay).

#include <span>
#include <vector>

#include "libs/optim/optimizer.h"
#include "libs/tensor/muon_kernel.h"
#include "libs/tensor/orthogonalize.h"

namespace pretrain {

struct MuonOptions {
  double momentum = 0.95;
  uint64_t momentum_warmup = 300;  ///< updates over which the momentum rises to that from 0.85
  /// Decay of the mean square of each neuron's update, by whose root the neuron is divided; 0: no neuron is.
  double neuron_decay = 0;
  int64_t head_size = 0;  ///< channels of the model's attention heads; 0: no parts by heads
};

/// A matrix, cut into parts of that size which are orthogonalised by themselves.
struct MuonMatrix {
  ParameterInfo tensor;
  int64_t part_rows, part_columns;
  NeuronAxis neurons;  ///< a neuron has the weights of one output
};

/// The matrices of a model's layers: not those from and to tokens. A matrix to or from attention heads is cut into
/// its heads: they are separate functions that only share their memory, and many small problems cost less than
/// a large one.
std::vector<MuonMatrix> muon_matrices(const ParameterLayout& layout, int64_t head_size);

/// Keeps one tensor for each matrix: "momentum.NAME"; with neuron_decay also "neurons.NAME", the mean square of each
/// neuron's update, part after part.
///
/// The rows of a wide orthogonal matrix have the same size, those of a tall one need not. With neuron_decay, neurons
/// that were moved farther than others move less; the size of the whole update stays.
///
/// An orthogonal matrix of [r, c] has elements of root mean square 1 / sqrt(max(r, c)). They are scaled to 0.2,
/// which is about what AdamW makes of any gradient, so that the same learning rates and decays serve.
class Muon : public Optimizer {
 public:
  /// `settings`: those of all matrices; it names no tensors.
  /// Requires: parts divide their matrices.
  Muon(const std::vector<MuonMatrix>& matrices, const ParameterGroup& settings, const MuonOptions& options);

  std::vector<StateTensor> state_tensors() const override;
  size_t scratch_floats(int threads) const override;
  void update(Compute& compute, const UpdateStep& step, const UpdateMemory& memory) const override;

  /// The momentum of an update, counted from 1.
  double momentum_at(uint64_t update) const;

 private:
  /// A part of a tensor that is orthogonalised by itself.
  struct Block {
    size_t tensor;  // in updated()
    size_t offset;  // of its first element in the tensor
    MuonRows rows;
    NeuronAxis axis;
    size_t first_neuron;  // in the tensor's "neurons"

    MatrixSize size() const { return {rows.rows, rows.columns}; }
    size_t elements() const { return static_cast<size_t>(rows.rows * rows.columns); }
    int64_t neurons() const { return axis == NeuronAxis::kRows ? rows.rows : rows.columns; }
  };
  /// The numbers that all blocks of an update share.
  struct Shared {
    Compute& compute;
    const UpdateStep& step;
    const UpdateMemory& memory;
    float momentum;
  };

  void add_blocks(size_t tensor, const MuonMatrix& matrix);
  bool scales_neurons() const { return options_.neuron_decay > 0; }
  /// The first of `blocks_` that so many threads do together, one after the other. Each of the others has one thread.
  std::span<const Block> shared_blocks(int threads) const;
  size_t scratch_floats(const Block& block) const;
  size_t most_scratch(std::span<const Block> blocks) const;
  void even_out(const Shared& shared, const Block& block, Workers workers, float* direction,
                float* factors) const;
  void update_block(const Shared& shared, const Block& block, Workers workers, float* scratch) const;

  MuonOptions options_;
  std::vector<int64_t> neurons_;  // of each tensor, over all its parts
  std::vector<Block> blocks_;     // the most work first
  size_t large_ = 0;              // of these, those that are worth sharing
};

}  // namespace pretrain
