// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/document_signature.h"

#include <algorithm>
#include <limits>
#include <span>

#include "libs/base/hash.h"
#include "libs/base/rng.h"

namespace pretrain {
namespace {

/// Consecutive words whose hash is one element of the compared set: long enough that unrelated texts share few, short
/// enough that one changed word leaves most of a paragraph alone.
constexpr size_t kShingleWords = 5;
/// Keeps the hash of a text independent of other uses of the same hash, such as holding out.
constexpr uint64_t kTextSeed = 0x64656475706c6963;
constexpr uint64_t kFnvPrime = 0x100000001b3;
/// Odd, so that multiplying by it loses nothing.
constexpr uint64_t kRollingFactor = 0x9e3779b97f4a7c15;
constexpr uint32_t kNoMinimum = std::numeric_limits<uint32_t>::max();

enum class Kind : uint8_t { kLetter, kBreak, kCharacter };

struct Range {
  uint32_t first;
  uint32_t last;
  Kind kind;
};

/// What is neither a letter nor a digit, and scripts without spaces between words. Everything else is a letter.
constexpr Range kRanges[] = {
    {0x0000, 0x002f, Kind::kBreak},     {0x003a, 0x0040, Kind::kBreak},
    {0x005b, 0x0060, Kind::kBreak},     {0x007b, 0x00a9, Kind::kBreak},
    {0x00ab, 0x00b4, Kind::kBreak},     {0x00b6, 0x00b9, Kind::kBreak},
    {0x00bb, 0x00bf, Kind::kBreak},     {0x00d7, 0x00d7, Kind::kBreak},
    {0x00f7, 0x00f7, Kind::kBreak},     {0x0589, 0x058a, Kind::kBreak},
    {0x05be, 0x05be, Kind::kBreak},     {0x05c0, 0x05c0, Kind::kBreak},
    {0x05c3, 0x05c3, Kind::kBreak},     {0x060c, 0x060d, Kind::kBreak},
    {0x061b, 0x061f, Kind::kBreak},     {0x066a, 0x066d, Kind::kBreak},
    {0x06d4, 0x06d4, Kind::kBreak},     {0x0964, 0x0965, Kind::kBreak},
    {0x0e01, 0x0ee0, Kind::kCharacter}, {0x0f0b, 0x0f14, Kind::kBreak},
    {0x1000, 0x109f, Kind::kCharacter}, {0x104a, 0x104f, Kind::kBreak},
    {0x1361, 0x1368, Kind::kBreak},     {0x1780, 0x17ff, Kind::kCharacter},
    {0x17d4, 0x17da, Kind::kBreak},     {0x2000, 0x2bff, Kind::kBreak},
    {0x2e00, 0x2e7f, Kind::kBreak},     {0x2e80, 0x2fdf, Kind::kCharacter},
    {0x3000, 0x3004, Kind::kBreak},     {0x3005, 0x3007, Kind::kCharacter},
    {0x3008, 0x3030, Kind::kBreak},     {0x3031, 0x30ff, Kind::kCharacter},
    {0x31a0, 0x31ff, Kind::kCharacter}, {0x3400, 0x4dbf, Kind::kCharacter},
    {0x4e00, 0x9fff, Kind::kCharacter}, {0xf900, 0xfaff, Kind::kCharacter},
    {0xfe10, 0xfe6f, Kind::kBreak},     {0xfeff, 0xfeff, Kind::kBreak},
    {0xff00, 0xff0f, Kind::kBreak},     {0xff1a, 0xff20, Kind::kBreak},
    {0xff3b, 0xff40, Kind::kBreak},     {0xff5b, 0xff65, Kind::kBreak},
    {0xff66, 0xff9f, Kind::kCharacter}, {0xfff0, 0xfffc, Kind::kBreak},
};

/// Kinds of the characters up to U+FFFF; a later range of the list overrides an earlier one.
using Kinds = std::array<Kind, 0x10000>;

const Kinds& kinds() {
  static const Kinds table = [] {
    Kinds made{};
    for (const Range& range : kRanges)
      std::fill(made.begin() + range.first, made.begin() + range.last + 1, range.kind);
    return made;
  }();
  return table;
}

/// Beyond U+FFFF there are rare letters, pictures and Han.
Kind kind_of(uint32_t code_point, const Kinds& table) {
  if (code_point < table.size()) return table[code_point];
  if (code_point >= 0x1f000 && code_point < 0x20000) return Kind::kBreak;
  return code_point >= 0x20000 ? Kind::kCharacter : Kind::kLetter;
}

struct Character {
  uint32_t code_point;
  size_t bytes;
};

/// Much faster than read_utf8(), because it accepts everything: the same bytes only have to give the same
/// characters.
Character character_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i])); };
  const uint32_t lead = byte(0);
  const size_t left = text.size() - at;
  if (lead < 0x80) return {lead, 1};
  if (lead >= 0xc0 && lead < 0xe0 && left >= 2) return {(lead & 0x1fU) << 6U | (byte(1) & 0x3fU), 2};
  if (lead >= 0xe0 && lead < 0xf0 && left >= 3)
    return {(lead & 0xfU) << 12U | (byte(1) & 0x3fU) << 6U | (byte(2) & 0x3fU), 3};
  if (lead >= 0xf0 && left >= 4) {
    return {(lead & 7U) << 18U | (byte(1) & 0x3fU) << 12U | (byte(2) & 0x3fU) << 6U | (byte(3) & 0x3fU), 4};
  }
  return {0xfffd, 1};
}

uint32_t without_case(uint32_t code_point) {
  return code_point >= 'A' && code_point <= 'Z' ? code_point + ('a' - 'A') : code_point;
}

/// Calls `visit` with the hash of each word until it returns false.
template <typename Visit>
void for_each_word(std::string_view text, const Visit& visit) {
  const Kinds& table = kinds();
  uint64_t word = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    at += character.bytes;
    const Kind kind = kind_of(character.code_point, table);
    if (kind == Kind::kLetter) {
      word = ((inside ? word : 0) ^ without_case(character.code_point)) * kFnvPrime;
      inside = true;
      continue;
    }
    if (inside && !visit(split_mix64(word))) return;
    inside = false;
    if (kind == Kind::kCharacter && !visit(split_mix64(character.code_point * kFnvPrime))) return;
  }
  if (inside) visit(split_mix64(word));
}

constexpr uint64_t rolled_out_factor() {
  uint64_t factor = 1;
  for (size_t i = 0; i < kShingleWords; ++i) factor *= kRollingFactor;
  return factor;
}

/// Hashes of the last words, joined into that of their run.
class Shingle {
 public:
  void add(uint64_t word) {
    const size_t oldest = words_ % kShingleWords;
    joined_ = joined_ * kRollingFactor + word;
    if (words_ >= kShingleWords) joined_ -= last_[oldest] * rolled_out_factor();
    last_[oldest] = word;
    ++words_;
  }
  bool is_whole() const { return words_ >= kShingleWords; }
  bool is_empty() const { return words_ == 0; }
  uint64_t hash() const { return split_mix64(joined_); }

 private:
  std::array<uint64_t, kShingleWords> last_{};
  uint64_t joined_ = 0;
  size_t words_ = 0;
};

void add_to(MinHash& minima, uint64_t hash) {
  uint32_t& minimum = minima[hash % kMinima];
  minimum = std::min(minimum, std::min(static_cast<uint32_t>(hash >> 32U), kNoMinimum - 1));
}

/// A part without a hash takes the minimum of another one, which its number determines: so it agrees for two texts
/// with the same probability as the others.
MinHash without_gaps(const MinHash& minima) {
  MinHash filled = minima;
  for (size_t i = 0; i < kMinima; ++i) {
    for (uint64_t attempt = 0; filled[i] == kNoMinimum; ++attempt)
      filled[i] = minima[derive_seed(i, attempt) % kMinima];
  }
  return filled;
}

}  // namespace

uint64_t count_words(std::string_view text, uint64_t most) {
  uint64_t words = 0;
  if (most == 0) return words;
  for_each_word(text, [&](uint64_t) { return ++words < most; });
  return words;
}

/// A text with fewer words than a run has is one run.
std::optional<MinHash> min_hash_of(std::string_view text) {
  MinHash minima;
  minima.fill(kNoMinimum);
  Shingle shingle;
  for_each_word(text, [&](uint64_t word) {
    shingle.add(word);
    if (shingle.is_whole()) add_to(minima, shingle.hash());
    return true;
  });
  if (shingle.is_empty()) return std::nullopt;
  if (!shingle.is_whole()) add_to(minima, shingle.hash());
  return without_gaps(minima);
}

double similarity(const MinHash& a, const MinHash& b) {
  size_t same = 0;
  for (size_t i = 0; i < kMinima; ++i) same += a[i] == b[i] ? 1 : 0;
  return static_cast<double>(same) / static_cast<double>(kMinima);
}

DocumentSignature signature_of(std::string_view text) {
  DocumentSignature signature{.text = hash64(text, kTextSeed)};
  const std::optional<MinHash> minima = min_hash_of(text);
  if (!minima) return signature;
  signature.has_words = true;
  for (size_t band = 0; band < DocumentSignature::kBands; ++band) {
    const auto rows = std::span(*minima).subspan(band * DocumentSignature::kRows, DocumentSignature::kRows);
    signature.bands[band] = hash64(std::as_bytes(rows), band + 1);
  }
  return signature;
}

}  // namespace pretrain
