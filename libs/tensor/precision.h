// SPDX-License-Identifier: Apache-2.0
#pragma once
// The numbers that operands of matrix products are held in, and the instruction sets that kernels use.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

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

/// Whether kernels may use the processor's instructions for bf16: where it has them and none of the below
/// forbids it. Kernels ask it for each vector, so it is a plain load. Thread-compatible.
class Bf16Instruction {
 public:
  static bool is_allowed() { return allowed_; }

 private:
  friend class WithoutBf16Instruction;
  friend void limit_instruction_set(std::string_view name);
  static bool allowed_;
};

/// Whether products of bf16 may use the processor's tiles (AMX): registers of 16 rows of 64 bytes, and one
/// instruction that multiplies two of them, which is several times as fast as one for pairs. The operating
/// system grants them to a process that asks, which this does before main(). As Bf16Instruction otherwise.
class Bf16Tiles {
 public:
  static bool are_allowed() { return allowed_; }

 private:
  friend class WithoutBf16Tiles;
  friend void limit_instruction_set(std::string_view name);
  static bool allowed_;
};

/// While it lives, kernels do without tiles. None may run while it begins or ends.
class WithoutBf16Tiles {
 public:
  WithoutBf16Tiles() { Bf16Tiles::allowed_ = false; }
  ~WithoutBf16Tiles() { Bf16Tiles::allowed_ = before_; }
  WithoutBf16Tiles(const WithoutBf16Tiles&) = delete;
  WithoutBf16Tiles& operator=(const WithoutBf16Tiles&) = delete;

 private:
  bool before_ = Bf16Tiles::allowed_;
};

/// While it lives, kernels do without the processor's instructions for bf16, tiles included. None may run
/// while it begins or ends.
class WithoutBf16Instruction {
 public:
  WithoutBf16Instruction() { Bf16Instruction::allowed_ = false; }
  ~WithoutBf16Instruction() { Bf16Instruction::allowed_ = before_; }
  WithoutBf16Instruction(const WithoutBf16Instruction&) = delete;
  WithoutBf16Instruction& operator=(const WithoutBf16Instruction&) = delete;

 private:
  bool before_ = Bf16Instruction::allowed_;
  WithoutBf16Tiles tiles_;
};

/// What products of bf16 are made of: "float32", "pairs" or "tiles". They differ in a result's last bits.
std::string_view bf16_products();

/// An instruction set that kernels are built for.
struct InstructionSet {
  std::string_view name;  ///< "avx2"
  bool is_supported;      ///< by this processor
};

/// The slowest first; empty on processors without a choice.
std::vector<InstructionSet> instruction_sets();

/// From now on kernels use this instruction set at most. Results may differ in their last bits from those of
/// another one. No kernel may run meanwhile.
/// Requires: it is one of instruction_sets(), and supported.
void limit_instruction_set(std::string_view name);

/// What is fastest here: kBf16 on processors with tiles, and with instructions for pairs unless these take longer than
/// the two for float32 that they replace.
Precision fastest_precision();

/// Terms of a sum that one word of 32 bits holds in a packed operand.
constexpr int64_t terms_per_word(Precision precision) {
  return precision == Precision::kBf16 ? 2 : 1;
}

/// Words that hold K terms of a sum.
constexpr int64_t words_of(Precision precision, int64_t K) {
  return (K + terms_per_word(precision) - 1) / terms_per_word(precision);
}

}  // namespace pretrain
