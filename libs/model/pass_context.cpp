// SPDX-License-Identifier: Apache-2.0
#include "libs/model/pass_context.h"

#include <vector>

namespace pretrain {

PassContext::PassContext(Compute& threads, const PassShape& s, size_t packed_words)
    : compute(threads),
      config(s.config),
      shape{config, s.rows, s.training, s.recompute, s.precision},
      M(shape.positions()),
      rotary(make_rotary_table(config)),
      packed_gradient(s.precision, packed_words),
      attention(threads, attention_shape(config, s.rows), s.precision) {}

void PassContext::show(std::string_view name, float* values, int64_t rows, int64_t columns) const {
  if (probe) probe(name, {values, static_cast<size_t>(rows * columns)});
}

void PassContext::show(std::string_view name, const Operand& kept, int64_t rows, int64_t columns) const {
  show(name, kept, rows, columns, columns);
}

/// A probe may change what it sees: its values are stored again.
void PassContext::show(std::string_view name, const Operand& kept, int64_t rows, int64_t columns,
                       int64_t ld) const {
  if (!probe) return;
  if (kept.precision() == Precision::kFloat32 && ld == columns)
    return show(name, kept.floats(), rows, columns);
  std::vector<float> values(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) load_values(columns, kept.at(r * ld), values.data() + r * columns);
  show(name, values.data(), rows, columns);
  store_values(rows, columns, values.data(), columns, kept, ld);
}

}  // namespace pretrain
