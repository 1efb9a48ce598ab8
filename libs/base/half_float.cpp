// SPDX-License-Identifier: Apache-2.0
#include "libs/base/half_float.h"

#include <bit>
#include <cmath>

namespace pretrain {
namespace {

constexpr uint32_t kInfinity = 0x7f800000;  // bits of a float32 without its sign

}  // namespace

uint16_t to_f16(float value) {
  constexpr uint32_t kHalfInfinity = 0x7c00, kHalfQuiet = 0x200;
  constexpr uint32_t kOverflows = 0x477ff000;    // 65520, half way between 65504 and the next step
  constexpr uint32_t kLeastNormal = 0x38800000;  // 2^-14
  constexpr uint32_t kRebias = (127 - 15) << 23;
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  const auto with_sign = [sign](uint32_t half) { return static_cast<uint16_t>(sign | half); };
  if (magnitude > kInfinity) return with_sign(kHalfInfinity | kHalfQuiet | (magnitude >> 13 & 0x1ff));
  if (magnitude >= kOverflows) return with_sign(kHalfInfinity);
  if (magnitude >= kLeastNormal) {
    // Adding just under half of the last kept bit, or half when that bit is odd, carries where it rounds up.
    const uint32_t rounded = magnitude - kRebias + 0xfff + (magnitude >> 13 & 1);
    return with_sign(rounded >> 13);
  }
  // The last bit of 0.5 in float32 is 2^-24, the step of subnormal halves: the sum rounds to a multiple of
  // it.
  constexpr float kHalf = 0.5F;
  const float sum = std::bit_cast<float>(magnitude) + kHalf;
  return with_sign(std::bit_cast<uint32_t>(sum) - std::bit_cast<uint32_t>(kHalf));
}

float from_f16(uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f;
  const float fraction = static_cast<float>(bits & 0x3ff);
  const float sign = (bits & 0x8000) != 0 ? -1.0F : 1.0F;
  if (exponent == 0x1f) return fraction != 0 ? std::nanf("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(fraction + 1024, exponent - 25);
}

uint16_t to_bf16(float value) {
  constexpr uint32_t kQuiet = 64;  // keeps a NaN whose lower half alone says so from becoming infinity
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > kInfinity) return static_cast<uint16_t>(bits >> 16 | kQuiet);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

}  // namespace pretrain
