#pragma once
// In which numbers the operands of matrix products are held.

#include <cstdint>
#include <optional>
#include <string_view>

namespace pretrain {

/// Sums, and all that is not an operand of a product, are float32 in either case.
enum class Precision {
  kFloat32,
  kBf16,  ///< operands rounded to bfloat16, to the nearest, ties to even
};

/// The bits of one bfloat16: the upper half of a float32.
using Bf16 = uint16_t;

/// "f32" or "bf16", as on the command line.
std::string_view precision_name(Precision precision);

/// The inverse of precision_name(); nothing for other words.
std::optional<Precision> find_precision(std::string_view name);

/// Whether the processor multiplies pairs of bf16 in one instruction. Elsewhere the products of kBf16 are
/// made of float32 ones: the same numbers but for the last bits, at less than half the speed of kFloat32.
bool multiplies_bf16();

/// Whether kernels use the processor's instructions for bf16: where it has them. Tests turn it off.
extern bool uses_bf16_instruction;

/// What is fastest here.
inline Precision fastest_precision() {
  return multiplies_bf16() ? Precision::kBf16 : Precision::kFloat32;
}

/// Terms of a sum that one word of 32 bits holds in a packed operand.
constexpr int64_t terms_per_word(Precision precision) {
  return precision == Precision::kBf16 ? 2 : 1;
}

/// Words that hold K terms of a sum.
constexpr int64_t words_of(Precision precision, int64_t K) {
  return (K + terms_per_word(precision) - 1) / terms_per_word(precision);
}

}  // namespace pretrain
