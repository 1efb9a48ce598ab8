// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/operand.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/operand.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

/// Copies between arrays of float and bf16, converting each vector.
template <class From, class To>
void CopyValues(int64_t count, const From* from, To* to) {
  ForEachVector(count, [&](auto d, int64_t i) { StoreValues(LoadValues(d, from + i), d, to + i); });
}

void StoreRows(int64_t rows, int64_t columns, const float* values, int64_t ld, const Operand& to,
               int64_t ld_to) {
  to.visit([&](auto* elements) {
    for (int64_t r = 0; r < rows; ++r) CopyValues(columns, values + r * ld, elements + r * ld_to);
  });
}

void LoadRow(int64_t count, const ConstOperand& from, float* values) {
  from.visit([&](const auto* elements) { CopyValues(count, elements, values); });
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(StoreRows);
HWY_EXPORT(LoadRow);

void store_values(int64_t rows, int64_t columns, const float* values, int64_t ld, const Operand& to,
                  int64_t ld_to) {
  HWY_DYNAMIC_DISPATCH(StoreRows)(rows, columns, values, ld, to, ld_to);
}

void load_values(int64_t count, const ConstOperand& from, float* values) {
  HWY_DYNAMIC_DISPATCH(LoadRow)(count, from, values);
}

}  // namespace pretrain
#endif  // HWY_ONCE
