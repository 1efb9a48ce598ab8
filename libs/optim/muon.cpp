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
/// Multiplications of a product of a block with itself from which on all threads share it: some hundred
/// microseconds of one thread, when starting a loop costs a few.
constexpr int64_t kLargeProduct = int64_t{1} << 24;

bool is_large(const MuonRows& block) {
  return std::min(block.rows, block.columns) * block.rows * block.columns >= kLargeProduct;
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
    matrices.push_back(
        {tensor, rows > 0 ? rows : tensor.shape.at(0), columns > 0 ? columns : tensor.shape.at(1)});
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

ParameterGroup with_matrices(ParameterGroup group, const std::vector<MuonMatrix>& matrices) {
  for (const MuonMatrix& matrix : matrices) group.tensors.push_back(matrix.tensor);
  return group;
}

MuonRows with_rows(MuonRows block, int64_t rows) {
  block.rows = rows;
  return block;
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
    : Optimizer({with_matrices(settings, matrices)}), options_(options) {
  for (size_t i = 0; i < updated().size(); ++i) {
    const auto matrix = std::ranges::find_if(
        matrices, [&](const MuonMatrix& m) { return m.tensor.offset == updated()[i].tensor.offset; });
    add_blocks(i, *matrix);
  }
  // The most work first, so that threads finish at the same time.
  std::ranges::stable_sort(small_, std::greater<>(), [](const Block& block) { return block.elements(); });
}

void Muon::add_blocks(size_t tensor, const MuonMatrix& matrix) {
  const int64_t rows = matrix.tensor.shape.at(0), columns = matrix.tensor.shape.at(1);
  PRETRAIN_CHECK(rows % matrix.part_rows == 0 && columns % matrix.part_columns == 0,
                 "{} [{}, {}] in parts of [{}, {}]", matrix.tensor.name, rows, columns, matrix.part_rows,
                 matrix.part_columns);
  const MuonRows part{matrix.part_rows, matrix.part_columns, columns};
  for (int64_t row = 0; row < rows; row += matrix.part_rows) {
    for (int64_t column = 0; column < columns; column += matrix.part_columns) {
      (is_large(part) ? large_ : small_)
          .push_back({tensor, static_cast<size_t>(row * columns + column), part});
    }
  }
}

std::vector<StateTensor> Muon::state_tensors() const {
  std::vector<StateTensor> tensors;
  for (const Updated& u : updated())
    tensors.push_back({.name = fmt::format("momentum.{}", u.tensor.name), .shape = u.tensor.shape});
  return tensors;
}

/// The mixed gradient, its orthogonal matrix, and what that takes.
size_t Muon::scratch_floats(const Block& block) {
  return 2 * whole_lines(block.elements()) + whole_lines(orthogonalize_scratch(block.size()));
}

size_t Muon::most_scratch(const std::vector<Block>& blocks) {
  size_t most = 0;
  for (const Block& block : blocks) most = std::max(most, scratch_floats(block));
  return most;
}

size_t Muon::scratch_floats(int threads) const {
  return std::max(most_scratch(large_), most_scratch(small_) * static_cast<size_t>(threads));
}

double Muon::momentum_at(uint64_t update) const {
  const double first = std::min(kFirstMomentum, options_.momentum);
  if (update > options_.momentum_warmup) return options_.momentum;
  const double done = static_cast<double>(update - 1) / static_cast<double>(options_.momentum_warmup);
  return first + (options_.momentum - first) * done;
}

void Muon::update(Compute& compute, const UpdateStep& step, const UpdateMemory& memory) const {
  const Shared shared{compute, step, memory, static_cast<float>(momentum_at(step.number))};
  for (const Block& block : large_) update_block(shared, block, Workers::kAll, memory.scratch);
  const size_t each = most_scratch(small_);
  compute.parallel_for(small_.size(), [&](size_t i) {
    update_block(shared, small_[i], Workers::kCallingThread,
                 memory.scratch + each * static_cast<size_t>(Compute::slot()));
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
