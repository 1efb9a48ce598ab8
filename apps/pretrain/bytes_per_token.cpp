// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/bytes_per_token.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace pretrain {
namespace {

struct BytesPerToken {
  int64_t vocabulary;
  double bytes;
};

/// Vocabularies of type bpe, trained on 4 MB of English Wikipedia and measured on 4 MB of other articles; that of 8,192
/// is the first part of the one of 16,000. The first is one of characters.
constexpr std::array<BytesPerToken, 4> kBytesPerToken{
    {{kEnglishCharacters, 1.00}, {4096, 3.26}, {8192, 3.71}, {16000, 4.06}}};

}  // namespace

double english_bytes_per_token(int64_t vocabulary) {
  const auto* above = std::ranges::lower_bound(kBytesPerToken, vocabulary, {}, &BytesPerToken::vocabulary);
  if (above == kBytesPerToken.begin()) return above->bytes;
  if (above == kBytesPerToken.end()) --above;
  const BytesPerToken& below = *(above - 1);
  const auto logarithm = [](int64_t size) { return std::log(static_cast<double>(size)); };
  const double share = (logarithm(vocabulary) - logarithm(below.vocabulary)) /
                       (logarithm(above->vocabulary) - logarithm(below.vocabulary));
  return below.bytes + share * (above->bytes - below.bytes);
}

}  // namespace pretrain
