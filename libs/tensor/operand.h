// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tensors that are kept for later products: float32, or bf16 where products round their operands to it
// anyway, which takes half the memory.

#include <cstdint>
#include <type_traits>

#include "libs/base/check.h"
#include "libs/tensor/precision.h"

namespace pretrain {

/// A pointer to such a tensor or a part of one. Does not own the memory. Empty: no tensor.
/// Void: void, or const void for one that is only read.
template <typename Void>
class BasicOperand {
  template <typename T>
  using Element = std::conditional_t<std::is_const_v<Void>, const T, T>;

 public:
  BasicOperand() = default;
  BasicOperand(Element<float>* values) : data_(values) {}
  BasicOperand(Element<Bf16>* values) : data_(values), precision_(Precision::kBf16) {}
  /// One that may be written to, to be read.
  template <typename Other>
  requires(std::is_const_v<Void> && !std::is_const_v<Other>) BasicOperand(const BasicOperand<Other>& other) {
    if (other) other.visit([this](const auto* values) { *this = BasicOperand(values); });
  }

  explicit operator bool() const { return data_ != nullptr; }
  Precision precision() const { return precision_; }

  /// T: float or Bf16.
  /// Requires: that is their precision.
  template <typename T>
  Element<T>* elements() const {
    constexpr bool kFloats = std::is_same_v<T, float>;
    static_assert(kFloats || std::is_same_v<T, Bf16>);
    PRETRAIN_CHECK((precision_ == Precision::kFloat32) == kFloats, "a tensor in {}",
                   precision_name(precision_));
    return static_cast<Element<T>*>(data_);
  }
  Element<float>* floats() const { return elements<float>(); }
  Element<Bf16>* bf16() const { return elements<Bf16>(); }

  /// From an element on; empty stays empty.
  BasicOperand at(int64_t element) const {
    if (data_ == nullptr) return {};
    return visit([element](auto* values) { return BasicOperand(values + element); });
  }

  /// f(elements), float or Bf16.
  template <typename F>
  auto visit(const F& f) const {
    return precision_ == Precision::kBf16 ? f(bf16()) : f(floats());
  }

 private:
  Void* data_ = nullptr;
  Precision precision_ = Precision::kFloat32;
};

using Operand = BasicOperand<void>;
using ConstOperand = BasicOperand<const void>;

/// The values of a block of rows, rounded: to[r, c] = values[r, c]. Float32 is copied.
/// Shapes: values [rows, columns], rows ld apart; to [rows, columns], rows ld_to apart.
void store_values(int64_t rows, int64_t columns, const float* values, int64_t ld, const Operand& to,
                  int64_t ld_to);

/// The inverse, which is exact.
/// Shapes: from [count], values [count].
void load_values(int64_t count, const ConstOperand& from, float* values);

}  // namespace pretrain
