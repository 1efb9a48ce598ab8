// SPDX-License-Identifier: Apache-2.0
#pragma once
// Muon for one matrix in double precision, from the formulas: the judge of the fast update.
// Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks"; Liu et al., "Muon is
// Scalable for LLM Training", algorithm 1; Li et al., "NorMuon: Making Muon more efficient and scalable", algorithm 1
// (neuron_decay).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "libs/tensor/reference/orthogonal.h"

namespace pretrain::test {

/// Its constants are written here again: shared ones would hide a fault in them.
struct ReferenceMuonOptions {
  double momentum = 0.95;
  double first_momentum = 0.85;
  double momentum_warmup = 300;
  double neuron_decay = 0;  // 0: Muon
};

/// Parts of `part_rows` rows and `part_columns` columns are orthogonalised by themselves.
struct ReferenceMuon {
  int64_t rows, columns;
  int64_t part_rows, part_columns;
  reference::Matrix p, m;
  bool neurons_are_rows = true;
  std::vector<double> v = {};  // of all neurons, part after part

  /// `t` counts updates from 1; `gradient` is clipped.
  void update(int t, const reference::Matrix& gradient, double learning_rate, double weight_decay,
              const ReferenceMuonOptions& options = {}) {
    const double done = options.momentum_warmup == 0 ? 1 : std::min(1.0, (t - 1) / options.momentum_warmup);
    const double first = std::min(options.first_momentum, options.momentum);
    const double momentum = first + (options.momentum - first) * done;
    reference::Matrix mixed(p.size());
    for (size_t i = 0; i < p.size(); ++i) {
      m[i] = momentum * m[i] + (1 - momentum) * gradient[i];
      mixed[i] = momentum * m[i] + (1 - momentum) * gradient[i];
      p[i] -= learning_rate * weight_decay * p[i];
    }
    for (int64_t row = 0; row < rows; row += part_rows) {
      for (int64_t column = 0; column < columns; column += part_columns)
        move(mixed, row, column, learning_rate, options.neuron_decay);
    }
  }

 private:
  size_t first_neuron(int64_t row, int64_t column) const {
    const int64_t part = row / part_rows * (columns / part_columns) + column / part_columns;
    return static_cast<size_t>(part * (neurons_are_rows ? part_rows : part_columns));
  }

  /// O / sqrt(v) for the mean squares v of its neurons, scaled to root mean square 1 / sqrt(max(rows, columns)).
  void divide_neurons(reference::Matrix& part, size_t first, double decay) {
    const int64_t neurons = neurons_are_rows ? part_rows : part_columns;
    const int64_t weights = neurons_are_rows ? part_columns : part_rows;
    v.resize(std::max(v.size(), first + static_cast<size_t>(neurons)));
    const auto element = [&](int64_t neuron, int64_t weight) -> double& {
      return part[static_cast<size_t>(neurons_are_rows ? neuron * weights + weight
                                                       : weight * neurons + neuron)];
    };
    double total = 0;
    for (int64_t n = 0; n < neurons; ++n) {
      double squares = 0;
      for (int64_t w = 0; w < weights; ++w) squares += element(n, w) * element(n, w);
      double& mean = v[first + static_cast<size_t>(n)];
      mean = decay * mean + (1 - decay) * squares / static_cast<double>(weights);
      for (int64_t w = 0; w < weights; ++w) {
        element(n, w) /= std::sqrt(mean) + 1e-8;
        total += element(n, w) * element(n, w);
      }
    }
    const double size = std::sqrt(static_cast<double>(std::min(neurons, weights)) / total);
    for (double& value : part) value *= size;
  }

  size_t at(int64_t row, int64_t column) const { return static_cast<size_t>(row * columns + column); }

  void move(const reference::Matrix& mixed, int64_t row, int64_t column, double learning_rate,
            double neuron_decay) {
    reference::Matrix part;
    for (int64_t r = row; r < row + part_rows; ++r) {
      for (int64_t c = column; c < column + part_columns; ++c) part.push_back(mixed[at(r, c)]);
    }
    part = reference::orthogonal(part, part_rows, part_columns);
    if (neuron_decay > 0) divide_neurons(part, first_neuron(row, column), neuron_decay);
    const double size = 0.2 * std::sqrt(static_cast<double>(std::max(part_rows, part_columns)));
    for (int64_t r = 0; r < part_rows; ++r) {
      for (int64_t c = 0; c < part_columns; ++c)
        p[at(row + r, column + c)] -= learning_rate * size * part[static_cast<size_t>(r * part_columns + c)];
    }
  }
};

}  // namespace pretrain::test
