// SPDX-License-Identifier: Apache-2.0
#pragma once
// Floating-point numbers of 16 bits, as files of weights hold them. Stateless, thread-safe.

#include <cstdint>

namespace pretrain {

/// IEEE 754 binary16, rounded to the nearest, ties to even. What is beyond 65504 after that becomes infinity,
/// subnormal numbers are kept, a NaN stays one.
uint16_t to_f16(float value);
/// Exact.
float from_f16(uint16_t bits);

/// bfloat16, the upper half of a float32, rounded to the nearest, ties to even. A NaN stays one.
uint16_t to_bf16(float value);
/// Exact.
float from_bf16(uint16_t bits);

}  // namespace pretrain
