// SPDX-License-Identifier: Apache-2.0
#include "libs/optim/muon.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <variant>

#include <fmt/format.h>

#include "libs/base/check.h"

namespace pretrain {
namespace {

constexpr double kFirstMomentum = 0.85;
/// Root mean square of the elements of an update, as a share of the rate.
constexpr double kUpdateSize = 0.2;
/// Multiplications of a product of a block with itself from which on threads can share it: some hundred
/// microseconds of one thread, when starting a loop costs a few.
constexpr int64_t kLargeProduct = int64_t{1} << 24;
/// Blocks for each thread from which on each is done by one, although it is large: that costs no waiting between the
/// thirty loops of a block, and its matrices stay in one core's cache (NOTES.md).
constexpr size_t kEnoughBlocks = 4;

int64_t product_work(const MuonRows& block) {
  return std::min(block.rows, block.columns) * block.rows * block.columns;
}

/// Arrays in the scratch memory start at cache lines.
size_t whole_lines(size_t floats) {
  constexpr size_t kCacheLineFloats = 16;
  return (floats + kCacheLineFloats - 1) / kCacheLineFloats * kCacheLineFloats;
}

/// Whether a tensor is the matrix of a linear layer, or a part of it: q, k and v may be three tensors.
bool is_of(const LinearParameters& linear, const ParameterInfo& tensor) {
  return tensor.offset >= linear.weight &&
         tensor.offset < linear.weight + static_cast<size_t>(linear.in * linear.out);
}

/// Adds the tensors of a linear layer in parts of so many inputs and outputs; 0: all.
void add_linear(const ParameterLayout& layout, const LinearParameters& linear, int64_t inputs,
                int64_t outputs, std::vector<MuonMatrix>& matrices) {
  const bool in_out = linear.order == MatrixOrder::kInOut;
  for (const ParameterInfo& tensor : layout.tensors()) {
    if (!is_of(linear, tensor)) continue;
    const int64_t rows = in_out ? inputs : outputs;
    const int64_t columns = in_out ? outputs : inputs;
    matrices.push_back({tensor, rows > 0 ? rows : tensor.shape.at(0),
                        columns > 0 ? columns : tensor.shape.at(1),
                        in_out ? NeuronAxis::kColumns : NeuronAxis::kRows});
  }
}

/// f(row, rows) for parts of the rows of a block.
template <typename F>
void for_rows(Compute& compute, Workers workers, const MuonRows& block, const F& f) {
  constexpr int64_t kElementsPerPiece = 65536;
  if (workers == Workers::kCallingThread) {
    f(0, block.rows);
    return;
  }
  const int64_t rows = std::max<int64_t>(1, kElementsPerPiece / block.columns);
  compute.parallel_ranges(
      static_cast<size_t>(block.rows), static_cast<size_t>(rows),
      [&](size_t begin, size_t end) { f(static_cast<int64_t>(begin), static_cast<int64_t>(end - begin)); });
}

/// f(first, count) for parts of the neurons of a block.
template <typename F>
void for_neurons(Compute& compute, Workers workers, int64_t neurons, const F& f) {
  // Each has some hundred weights; 64 columns are whole cache lines.
  constexpr size_t kNeuronsPerPiece = 64;
  if (workers == Workers::kCallingThread) {
    f(0, neurons);
    return;
  }
  compute.parallel_ranges(static_cast<size_t>(neurons), kNeuronsPerPiece, [&](size_t begin, size_t end) {
    f(static_cast<int64_t>(begin), static_cast<int64_t>(end - begin));
  });
}

ParameterGroup with_matrices(ParameterGroup group, const std::vector<MuonMatrix>& matrices) {
  for (const MuonMatrix& matrix : matrices) group.tensors.push_back(matrix.tensor);
  return group;
}

MuonRows with_rows(MuonRows block, int64_t rows) {
  block.rows = rows;
  return block;
}

/// Turns the sums of squares of neurons into their factors, and updates their decaying means. The factors leave the
/// size of the whole as that of an orthogonal matrix: the root of its shorter side.
/// Shapes: sums, means [neurons].
void to_factors(double decay, int64_t neurons, int64_t weights, float* sums, float* means) {
  constexpr double kEpsilon = 1e-8;
  double total = 0;
  const auto inverse_root = [&](int64_t i) {
    return 1 / (std::sqrt(static_cast<double>(means[i])) + kEpsilon);
  };
  for (int64_t i = 0; i < neurons; ++i) {
    const double square = static_cast<double>(sums[i]);
    means[i] = static_cast<float>(decay * static_cast<double>(means[i]) +
                                  (1 - decay) * square / static_cast<double>(weights));
    total += square * inverse_root(i) * inverse_root(i);
  }
  const double size = std::sqrt(static_cast<double>(std::min(neurons, weights)));
  for (int64_t i = 0; i < neurons; ++i)
    sums[i] = total > 0 ? static_cast<float>(inverse_root(i) * size / std::sqrt(total)) : 0.0F;
}

}  // namespace

std::vector<MuonMatrix> muon_matrices(const ParameterLayout& layout, int64_t head_size) {
  std::vector<MuonMatrix> matrices;
  const auto add_block = [&](const auto& block) {
    if constexpr (requires { block.qkv; }) {
      add_linear(layout, block.qkv, 0, head_size, matrices);
      add_linear(layout, block.output, head_size, 0, matrices);
    } else {
      for (const LinearParameters& linear : block.linears()) add_linear(layout, linear, 0, 0, matrices);
    }
  };
  for (const LayerParameters& layer : layout.layers()) {
    for (const BlockParameters& block : layer) std::visit(add_block, block);
  }
  return matrices;
}

Muon::Muon(const std::vector<MuonMatrix>& matrices, const ParameterGroup& settings,
           const MuonOptions& options)
    : Optimizer({with_matrices(settings, matrices)}), options_(options), neurons_(matrices.size()) {
  for (size_t i = 0; i < updated().size(); ++i) {
    const auto matrix = std::ranges::find_if(
        matrices, [&](const MuonMatrix& m) { return m.tensor.offset == updated()[i].tensor.offset; });
    add_blocks(i, *matrix);
  }
  const auto work = [](const Block& block) { return product_work(block.rows); };
  // The most work first, so that threads finish at the same time.
  std::ranges::stable_sort(blocks_, std::greater<>(), work);
  large_ = static_cast<size_t>(
      std::ranges::count_if(blocks_, [&](const Block& block) { return work(block) >= kLargeProduct; }));
}

void Muon::add_blocks(size_t tensor, const MuonMatrix& matrix) {
  const int64_t rows = matrix.tensor.shape.at(0), columns = matrix.tensor.shape.at(1);
  PRETRAIN_CHECK(rows % matrix.part_rows == 0 && columns % matrix.part_columns == 0,
                 "{} [{}, {}] in parts of [{}, {}]", matrix.tensor.name, rows, columns, matrix.part_rows,
                 matrix.part_columns);
  Block block{.tensor = tensor,
              .offset = 0,
              .rows = {matrix.part_rows, matrix.part_columns, columns},
              .axis = matrix.neurons,
              .first_neuron = 0};
  for (int64_t row = 0; row < rows; row += matrix.part_rows) {
    for (int64_t column = 0; column < columns; column += matrix.part_columns) {
      block.offset = static_cast<size_t>(row * columns + column);
      block.first_neuron = static_cast<size_t>(neurons_[tensor]);
      neurons_[tensor] += block.neurons();
      blocks_.push_back(block);
    }
  }
}

std::vector<StateTensor> Muon::state_tensors() const {
  std::vector<StateTensor> tensors;
  for (const Updated& u : updated())
    tensors.push_back({.name = fmt::format("momentum.{}", u.tensor.name), .shape = u.tensor.shape});
  for (size_t i = 0; scales_neurons() && i < updated().size(); ++i) {
    // The update takes their roots.
    tensors.push_back({.name = fmt::format("neurons.{}", updated()[i].tensor.name),
                       .shape = {neurons_[i]},
                       .may_be_negative = false});
  }
  return tensors;
}

/// The mixed gradient, its orthogonal matrix, and what that takes. The factors of neurons need no place of their own:
/// then the mixed gradient is needed no longer.
size_t Muon::scratch_floats(const Block& block) const {
  return 2 * whole_lines(block.elements()) + whole_lines(orthogonalize_scratch(block.size()));
}

std::span<const Muon::Block> Muon::shared_blocks(int threads) const {
  const bool enough = large_ >= kEnoughBlocks * static_cast<size_t>(threads);
  return std::span(blocks_).first(enough ? 0 : large_);
}

size_t Muon::most_scratch(std::span<const Block> blocks) const {
  size_t most = 0;
  for (const Block& block : blocks) most = std::max(most, scratch_floats(block));
  return most;
}

size_t Muon::scratch_floats(int threads) const {
  const auto shared = shared_blocks(threads);
  const auto others = std::span(blocks_).subspan(shared.size());
  return std::max(most_scratch(shared), most_scratch(others) * static_cast<size_t>(threads));
}

double Muon::momentum_at(uint64_t update) const {
  const double first = std::min(kFirstMomentum, options_.momentum);
  if (update > options_.momentum_warmup) return options_.momentum;
  const double done = static_cast<double>(update - 1) / static_cast<double>(options_.momentum_warmup);
  return first + (options_.momentum - first) * done;
}

void Muon::update(Compute& compute, const UpdateStep& step, const UpdateMemory& memory) const {
  const Shared shared{compute, step, memory, static_cast<float>(momentum_at(step.number))};
  const auto together = shared_blocks(compute.threads());
  for (const Block& block : together) update_block(shared, block, Workers::kAll, memory.scratch);
  const auto others = std::span(blocks_).subspan(together.size());
  const size_t each = most_scratch(others);
  compute.parallel_for(others.size(), [&](size_t i) {
    update_block(shared, others[i], Workers::kCallingThread,
                 memory.scratch + each * static_cast<size_t>(Compute::slot()));
  });
}

/// Divides each neuron of an update by the root of its decaying mean square.
/// Shapes: direction [rows, columns], dense; factors [neurons].
void Muon::even_out(const Shared& s, const Block& block, Workers workers, float* direction,
                    float* factors) const {
  const bool by_rows = block.axis == NeuronAxis::kRows;
  const int64_t columns = block.rows.columns;
  const MuonRows dense{block.rows.rows, columns, columns};
  const auto squares = [&](int64_t first, int64_t count) {
    const MuonRows part = by_rows ? MuonRows{count, columns, columns} : MuonRows{dense.rows, count, columns};
    muon_neuron_squares(part, block.axis, direction + first * (by_rows ? columns : 1), factors + first);
  };
  for_neurons(s.compute, workers, block.neurons(), squares);
  float* means = s.memory.state[updated().size() + block.tensor] + block.first_neuron;
  const int64_t weights = by_rows ? columns : dense.rows;
  to_factors(options_.neuron_decay, block.neurons(), weights, factors, means);
  for_rows(s.compute, workers, dense, [&](int64_t row, int64_t rows) {
    muon_scale_neurons(with_rows(dense, rows), block.axis, factors + (by_rows ? row : 0),
                       direction + row * columns);
  });
}

void Muon::update_block(const Shared& s, const Block& block, Workers workers, float* scratch) const {
  const Updated& u = updated()[block.tensor];
  const MuonRows& all = block.rows;
  const float* gradient = s.memory.gradients + u.tensor.offset + block.offset;
  float* parameter = s.memory.parameters + u.tensor.offset + block.offset;
  float* momentum = s.memory.state[block.tensor] + block.offset;
  float* mixed = scratch;
  float* direction = mixed + whole_lines(block.elements());
  for_rows(s.compute, workers, all, [&](int64_t row, int64_t rows) {
    muon_mix(with_rows(all, rows), s.momentum, static_cast<float>(s.step.gradient_scale),
             gradient + row * all.ld, momentum + row * all.ld, mixed + row * all.columns);
  });
  orthogonalize(s.compute, workers, block.size(), mixed, direction,
                direction + whole_lines(block.elements()));
  if (scales_neurons()) even_out(s, block, workers, direction, mixed);
  const double rate = s.step.learning_rate * u.rate_scale;
  const double size = kUpdateSize * std::sqrt(static_cast<double>(std::max(all.rows, all.columns)));
  const MuonChange change{.rate = static_cast<float>(rate * size),
                          .decay = static_cast<float>(rate * u.weight_decay),
                          .cautious_decay = u.cautious_decay};
  for_rows(s.compute, workers, all, [&](int64_t row, int64_t rows) {
    muon_apply(with_rows(all, rows), change, direction + row * all.columns, parameter + row * all.ld);
  });
}

}  // namespace pretrain
