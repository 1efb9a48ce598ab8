// SPDX-License-Identifier: Apache-2.0
#include "libs/tensor/product_packing.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "libs/base/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/tensor/product_packing.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, and included once a target.
#include "libs/tensor/bf16_pairs-inl.h"
#include "libs/tensor/bf16_tiles-inl.h"
#include "libs/tensor/product_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pretrain::HWY_NAMESPACE {

// Copies operands into the order in which the kernel reads them, so that it only reads consecutive memory:
//
//   A, in tiles of up to kPackedRows rows:  word 0 of each row, word 1 of each row, ...
//   B, in panels of columns:                word 0 of each column, word 1 of each column, ...
//
// A word is a float or a pair of bf16 (two consecutive terms). If the terms of a row of A are contiguous,
// packing is a transposition, done in registers. T is the element type: float, or Bf16 for matrices stored as
// bf16.
//
// For processors with tiles of bf16, A is in blocks of 16 rows by 16 words, row after row: all blocks of the first 16
// rows, those of the next, ... There it is the transposed A that has to be transposed.

/// Words that begin at `word` of a row with contiguous terms.
template <Precision kPrecision, class T, class D>
hn::Vec<D> WordsAlong(D d, const T* row, int64_t word) {
  if constexpr (kPrecision == Precision::kFloat32) {
    return hn::LoadU(d, row + word);
  } else if constexpr (std::is_same_v<T, Bf16>) {  // stored as pairs already
    return hn::BitCast(d, hn::LoadU(hn::Repartition<Bf16, D>(), row + 2 * word));
  } else {
    return LoadPairs(d, row + 2 * word);
  }
}

/// Words whose terms are in different rows: the first in `line`, the second of a pair in `second`. Null:
/// there is no second term, which counts as 0.
template <Precision kPrecision, class T, class D>
hn::Vec<D> WordsAcross(D d, const T* line, const T* second) {
  if constexpr (kPrecision == Precision::kFloat32) {
    return hn::LoadU(d, line);
  } else if constexpr (std::is_same_v<T, Bf16>) {
    const hn::Rebind<Bf16, D> d16;
    return MakePairs(d, hn::LoadU(d16, line), second == nullptr ? hn::Zero(d16) : hn::LoadU(d16, second));
  } else {
    return MakePairs(d, hn::LoadU(d, line), second == nullptr ? hn::Zero(d) : hn::LoadU(d, second));
  }
}

/// Copies `count` such words.
template <Precision kPrecision, class T>
HWY_INLINE void CopyAcross(const T* line, const T* second, int64_t count, float* to) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 4> d4;  // for the rest of a row: a tile has 14 words with AVX-512, 6 otherwise
  const hn::CappedTag<float, 1> d1;
  int64_t i = 0;
  const auto copy_vectors = [&](auto tag) {
    const auto lanes = static_cast<int64_t>(hn::Lanes(tag));
    for (; i + lanes <= count; i += lanes) {
      const T* second_here = second == nullptr ? nullptr : second + i;
      hn::StoreU(WordsAcross<kPrecision>(tag, line + i, second_here), tag, to + i);
    }
  };
  copy_vectors(d);
  copy_vectors(d4);
  copy_vectors(d1);
}

/// Copies word `word` of a row of K terms; a missing second term is 0.
template <Precision kPrecision, class T>
void CopyWord(const T* row, int64_t word, int64_t K, float* to) {
  constexpr int64_t kTerms = terms_per_word(kPrecision);
  const T* first = row + word * kTerms;
  CopyAcross<kPrecision>(first, (word + 1) * kTerms <= K ? first + 1 : nullptr, 1, to);
}

/// Packs words [begin, end) of up to four rows of K terms: the words of one position become consecutive, `ld`
/// after those of the position before. Transposes blocks of 4 x 4 words with two rounds of interleaving.
/// Always stores four words for each position; if there are fewer rows, the last one is repeated.
template <Precision kPrecision, class T>
void PackFourRows(int64_t rows, int64_t begin, int64_t end, int64_t K, const T* a, int64_t ld_a, float* to,
                  int64_t ld) {
  int64_t w = begin;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d;
  const T* row1 = a + std::min<int64_t>(1, rows - 1) * ld_a;
  const T* row2 = a + std::min<int64_t>(2, rows - 1) * ld_a;
  const T* row3 = a + std::min<int64_t>(3, rows - 1) * ld_a;
  for (; w + 4 <= end && (w + 4) * terms_per_word(kPrecision) <= K; w += 4) {
    const auto r0 = WordsAlong<kPrecision>(d, a, w);
    const auto r1 = WordsAlong<kPrecision>(d, row1, w);
    const auto r2 = WordsAlong<kPrecision>(d, row2, w);
    const auto r3 = WordsAlong<kPrecision>(d, row3, w);
    const auto low02 = hn::InterleaveLower(d, r0, r2);
    const auto low13 = hn::InterleaveLower(d, r1, r3);
    const auto high02 = hn::InterleaveUpper(d, r0, r2);
    const auto high13 = hn::InterleaveUpper(d, r1, r3);
    float* out = to + w * ld;
    hn::StoreU(hn::InterleaveLower(d, low02, low13), d, out);
    hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, out + ld);
    hn::StoreU(hn::InterleaveLower(d, high02, high13), d, out + 2 * ld);
    hn::StoreU(hn::InterleaveUpper(d, high02, high13), d, out + 3 * ld);
  }
#endif
  for (; w < end; ++w) {
    for (int64_t r = 0; r < rows; ++r) CopyWord<kPrecision>(a + r * ld_a, w, K, to + w * ld + r);
  }
}

#undef PRETRAIN_PACKS_SIXTEEN_ROWS
#if HWY_CAP_GE512
#define PRETRAIN_PACKS_SIXTEEN_ROWS 1

/// Transposes each block of 4 x 4 words: element j of vectors[i] and element i of vectors[j] swap places.
template <class D>
HWY_INLINE void TransposeInBlocks(D d, hn::Vec<D>* vectors) {
  const auto low02 = hn::InterleaveLower(d, vectors[0], vectors[2]);
  const auto low13 = hn::InterleaveLower(d, vectors[1], vectors[3]);
  const auto high02 = hn::InterleaveUpper(d, vectors[0], vectors[2]);
  const auto high13 = hn::InterleaveUpper(d, vectors[1], vectors[3]);
  vectors[0] = hn::InterleaveLower(d, low02, low13);
  vectors[1] = hn::InterleaveUpper(d, low02, low13);
  vectors[2] = hn::InterleaveLower(d, high02, high13);
  vectors[3] = hn::InterleaveUpper(d, high02, high13);
}

/// Transposes the blocks: block j of vectors[i * step] and block i of vectors[j * step] swap places.
template <int kStep, class D>
HWY_INLINE void TransposeBlocks(D d, hn::Vec<D>* vectors) {
  const auto low02 = hn::ConcatLowerLower(d, vectors[2 * kStep], vectors[0]);
  const auto low13 = hn::ConcatLowerLower(d, vectors[3 * kStep], vectors[kStep]);
  const auto high02 = hn::ConcatUpperUpper(d, vectors[2 * kStep], vectors[0]);
  const auto high13 = hn::ConcatUpperUpper(d, vectors[3 * kStep], vectors[kStep]);
  vectors[0] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(low13), low02);
  vectors[kStep] = hn::OddEvenBlocks(low13, hn::SwapAdjacentBlocks(low02));
  vectors[2 * kStep] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(high13), high02);
  vectors[3 * kStep] = hn::OddEvenBlocks(high13, hn::SwapAdjacentBlocks(high02));
}

/// Transposes 16 x 16 words: first within 4 x 4 blocks, then the blocks themselves.
template <class D>
HWY_INLINE void TransposeSixteen(D d, hn::Vec<D>* vectors) {
#pragma GCC unroll 4
  for (int r = 0; r < 16; r += 4) TransposeInBlocks(d, vectors + r);
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) TransposeBlocks<4>(d, vectors + r);
}

/// As PackFourRows(), for up to 16 rows, in blocks of 16 x 16 words. Packs whole vectors of words only
/// and returns the first word that is left. Stores sixteen words for each position.
template <Precision kPrecision, class T>
int64_t PackSixteenRows(int64_t rows, int64_t begin, int64_t end, int64_t K, const T* a, int64_t ld_a,
                        float* to, int64_t ld) {
  const hn::FixedTag<float, 16> d;
  int64_t w = begin;
  for (; w + 16 <= end && (w + 16) * terms_per_word(kPrecision) <= K; w += 16) {
    hn::Vec<decltype(d)> vectors[16];
#pragma GCC unroll 16
    for (int r = 0; r < 16; ++r)
      vectors[r] = WordsAlong<kPrecision>(d, a + std::min<int64_t>(r, rows - 1) * ld_a, w);
    TransposeSixteen(d, vectors);
    float* out = to + w * ld;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) hn::StoreU(vectors[i], d, out + i * ld);
  }
  return w;
}
#else
#define PRETRAIN_PACKS_SIXTEEN_ROWS 0
#endif

/// Packs a tile of plain rows. Starts with the last rows: their stores may exceed the tile's rows, and the
/// stores of earlier rows then overwrite the excess.
template <Precision kPrecision, class T>
void PackRowsOfTile(int64_t rows, int64_t K, const T* a, int64_t ld, float* to) {
  int64_t first_word = 0;
#if PRETRAIN_PACKS_SIXTEEN_ROWS
  static_assert(kPackedRows == 16);
  if (rows > 4) first_word = PackSixteenRows<kPrecision>(rows, 0, words_of(kPrecision, K), K, a, ld, to, 16);
#endif
  for (int64_t r = (rows - 1) / 4 * 4; r >= 0; r -= 4) {
    PackFourRows<kPrecision>(std::min<int64_t>(4, rows - r), first_word, words_of(kPrecision, K), K,
                             a + r * ld, ld, to + r, kPackedRows);
  }
}

/// Packs K columns of one tile of A, which are rows of a_transposed; `there` elements of each row may be
/// read. Copies whole vectors if reading and storing beyond the tile is allowed, which is faster than exact
/// lengths.
template <Precision kPrecision, class T>
void PackColumnsOfTile(int64_t rows, int64_t there, int64_t K, const T* a_transposed, int64_t ld, float* to) {
  constexpr int64_t kTerms = terms_per_word(kPrecision);
  const hn::CappedTag<float, kPackedRows == 16 ? 16 : 8> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t vectors = (rows + lanes - 1) / lanes * lanes;
  const int64_t words = words_of(kPrecision, K);
  const bool fit =
      vectors <= kPackedRows;  // otherwise the next column overwrites the excess, so not the last
  const int64_t whole = std::min(K / kTerms, fit ? words : words - 1);
  int64_t w = 0;
  if (vectors <= there) {
    for (; w < whole; ++w) {
      const T* line = a_transposed + w * kTerms * ld;
      for (int64_t r = 0; r < vectors; r += lanes)
        hn::StoreU(WordsAcross<kPrecision>(d, line + r, line + ld + r), d, to + w * kPackedRows + r);
    }
  }
  for (; w < words; ++w) {
    const T* line = a_transposed + w * kTerms * ld;
    CopyAcross<kPrecision>(line, (w + 1) * kTerms <= K ? line + ld : nullptr, rows, to + w * kPackedRows);
  }
}

/// Prefetches rows into the first-level cache.
template <class T>
void FetchRows(int64_t rows, int64_t columns, const T* a, int64_t ld) {
  constexpr int64_t kElementsPerLine = 64 / sizeof(T);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; c += kElementsPerLine) __builtin_prefetch(a + r * ld + c);
  }
}

/// Packs A^T, a few of its rows at a time, so that their cache lines are read from memory once for all tiles.
/// The next rows are prefetched meanwhile.
template <Precision kPrecision, class T>
void PackTransposedRows(int64_t M, int64_t K, const T* a_transposed, int64_t ld, float* packed) {
  constexpr int64_t kRowsAtOnce = 16;
  const int64_t words = words_of(kPrecision, K);
  const RowTiles tiles(M);
  for (int64_t k = 0; k < K; k += kRowsAtOnce) {
    const int64_t next = k + kRowsAtOnce;
    if (next < K) FetchRows(std::min(kRowsAtOnce, K - next), M, a_transposed + next * ld, ld);
    int64_t row = 0;
    for (int64_t i = 0; i < tiles.count; ++i) {
      PackColumnsOfTile<kPrecision>(tiles.rows(i), M - row, std::min(kRowsAtOnce, K - k),
                                    a_transposed + k * ld + row, ld,
                                    packed + (i * words + k / terms_per_word(kPrecision)) * kPackedRows);
      row += tiles.rows(i);
    }
  }
}

template <Precision kPrecision, class T>
void PackRowsOf(int64_t M, int64_t K, const T* elements, const MatrixView& a, float* packed) {
  if (a.column_stride != 1) return PackTransposedRows<kPrecision>(M, K, elements, a.column_stride, packed);
  const int64_t words = words_of(kPrecision, K);
  const RowTiles tiles(M);
  int64_t row = 0;
  for (int64_t i = 0; i < tiles.count; ++i) {
    PackRowsOfTile<kPrecision>(tiles.rows(i), K, elements + row * a.row_stride, a.row_stride,
                               packed + i * kPackedRows * words);
    row += tiles.rows(i);
  }
}

#if PRETRAIN_BF16_TILES
/// Words that begin at `word` of a row of K terms, 0 from its end on.
template <class T>
HWY_INLINE void CopyWordsAlong(const T* row, int64_t word, int64_t K, float* to) {
  const hn::FixedTag<float, kTileWords> d;
  if (2 * (word + kTileWords) <= K) return hn::StoreU(WordsAlong<Precision::kBf16>(d, row, word), d, to);
  for (int64_t i = 0; i < kTileWords; ++i) {
    to[i] = 0;
    if (2 * (word + i) < K) CopyWord<Precision::kBf16>(row, word + i, K, to + i);
  }
}

/// Packs plain rows into blocks for tiles. What is beyond the last row is in no result and stays as it is.
template <class T>
void PackRowsInTiles(int64_t M, int64_t K, const T* a, int64_t ld, float* packed) {
  const int64_t words = words_of(Precision::kBf16, K);
  for (int64_t row = 0; row < M; row += kTileRows) {
    const int64_t rows = std::min(kTileRows, M - row);
    for (int64_t word = 0; word < words; word += kTileWords, packed += kTileArea) {
      for (int64_t r = 0; r < rows; ++r) CopyWordsAlong(a + (row + r) * ld, word, K, packed + r * kTileWords);
    }
  }
}

/// Packs one block of A^T: the words of `terms` successive lines, of which `rows` elements are A's rows.
template <class T>
HWY_INLINE void PackBlockOfColumns(int64_t rows, int64_t terms, const T* lines, int64_t ld, float* to) {
  const hn::FixedTag<float, kTileRows> d;
  hn::Vec<decltype(d)> vectors[kTileWords];
  if (rows == kTileRows && terms == 2 * kTileWords) {
#pragma GCC unroll 16
    for (int w = 0; w < kTileWords; ++w) {
      const T* line = lines + int64_t{2} * w * ld;
      vectors[w] = WordsAcross<Precision::kBf16>(d, line, line + ld);
    }
  } else {
    alignas(64) std::array<float, kTileArea> words{};
    for (int64_t w = 0; 2 * w < terms; ++w) {
      const T* line = lines + 2 * w * ld;
      CopyAcross<Precision::kBf16>(line, 2 * w + 1 < terms ? line + ld : nullptr, rows,
                                   words.data() + w * kTileRows);
    }
#pragma GCC unroll 16
    for (int w = 0; w < kTileWords; ++w) vectors[w] = hn::Load(d, words.data() + int64_t{w} * kTileRows);
  }
  TransposeSixteen(d, vectors);
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) hn::StoreU(vectors[r], d, to + int64_t{r} * kTileWords);
}

/// As PackTransposedRows(), into blocks for tiles.
template <class T>
void PackColumnsInTiles(int64_t M, int64_t K, const T* a_transposed, int64_t ld, float* packed) {
  constexpr int64_t kTermsAtOnce = 2 * kTileWords;
  const int64_t blocks = (K + kTermsAtOnce - 1) / kTermsAtOnce;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t k = block * kTermsAtOnce;
    const int64_t next = k + kTermsAtOnce;
    if (next < K) FetchRows(std::min(kTermsAtOnce, K - next), M, a_transposed + next * ld, ld);
    for (int64_t row = 0; row < M; row += kTileRows) {
      PackBlockOfColumns(std::min(kTileRows, M - row), std::min(kTermsAtOnce, K - k),
                         a_transposed + k * ld + row, ld,
                         packed + (row / kTileRows * blocks + block) * kTileArea);
    }
  }
}

template <class T>
void PackInTiles(int64_t M, int64_t K, const T* elements, const MatrixView& a, float* packed) {
  if (a.column_stride != 1) return PackColumnsInTiles(M, K, elements, a.column_stride, packed);
  PackRowsInTiles(M, K, elements, a.row_stride, packed);
}
#endif

/// Packs B from contiguous columns, `ld_b` apart. Works on 16 words of all columns at a time, so that each
/// line of the result is complete before it leaves the cache.
template <Precision kPrecision, class T>
void PackTransposedColumns(int64_t K, int64_t N, const T* b, int64_t ld_b, float* packed, int64_t ld) {
  constexpr int64_t kWordsAtOnce = 16;
  const int64_t words = words_of(kPrecision, K);
  for (int64_t w = 0; w < words; w += kWordsAtOnce) {
    const int64_t end = std::min(words, w + kWordsAtOnce);
    int64_t n = 0;
#if PRETRAIN_PACKS_SIXTEEN_ROWS
    for (; n + 16 <= N; n += 16) {
      const T* columns = b + n * ld_b;
      const int64_t rest = PackSixteenRows<kPrecision>(16, w, end, K, columns, ld_b, packed + n, ld);
      for (int64_t i = 0; rest < end && i < 16; i += 4)
        PackFourRows<kPrecision>(4, rest, end, K, columns + i * ld_b, ld_b, packed + n + i, ld);
    }
#endif
    for (; n < N; n += 4) {
      PackFourRows<kPrecision>(std::min<int64_t>(4, N - n), w, end, K, b + n * ld_b, ld_b, packed + n, ld);
    }
  }
}

/// Whether the sums of B's columns (the gradient of a bias) are computed on the way, and added or stored.
enum class Sums { kNone, kStore, kAdd };

/// Packs kVectors vectors of columns of B in plain rows. Two vectors make a whole cache line with AVX2, so
/// each line is read once.
template <Precision kPrecision, Sums kSums, int kVectors, class D, class T>
HWY_INLINE void PackPlainVectors(D d, int64_t K, const T* b, int64_t ld_b, float* packed, int64_t ld,
                                 float* sums) {
  constexpr int64_t kTerms = terms_per_word(kPrecision);
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<D> totals[kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v)
    totals[v] = kSums == Sums::kAdd ? hn::LoadU(d, sums + v * lanes) : hn::Zero(d);
  const auto pack_word = [&](const T* line, const T* second, float* to) HWY_ATTR {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const int64_t n = v * lanes;
      const T* second_here = second == nullptr ? nullptr : second + n;
      if constexpr (kSums != Sums::kNone) {
        totals[v] = hn::Add(totals[v], LoadValues(d, line + n));
        if (second != nullptr) totals[v] = hn::Add(totals[v], LoadValues(d, second_here));
      }
      hn::StoreU(WordsAcross<kPrecision>(d, line + n, second_here), d, to + n);
    }
  };
  const int64_t whole = K / kTerms;
  for (int64_t w = 0; w < whole; ++w) {
    const T* line = b + w * kTerms * ld_b;
    pack_word(line, kTerms == 2 ? line + ld_b : nullptr, packed + w * ld);
  }
  if (whole * kTerms < K) pack_word(b + whole * kTerms * ld_b, nullptr, packed + whole * ld);
  if constexpr (kSums != Sums::kNone) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) hn::StoreU(totals[v], d, sums + v * lanes);
  }
}

/// Packs B in plain rows: two vectors of columns at a time, the rest with narrower vectors.
template <Precision kPrecision, Sums kSums, class T>
void PackPlainColumns(int64_t K, int64_t N, const T* b, int64_t ld_b, float* packed, int64_t ld,
                      float* sums) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 4> d4;
  const hn::CappedTag<float, 1> d1;
  int64_t n = 0;
  const auto pack = [&]<int kVectors>(auto tag, std::integral_constant<int, kVectors>) {
    const auto columns = kVectors * static_cast<int64_t>(hn::Lanes(tag));
    for (; n + columns <= N; n += columns)
      PackPlainVectors<kPrecision, kSums, kVectors>(tag, K, b + n, ld_b, packed + n, ld,
                                                    kSums == Sums::kNone ? nullptr : sums + n);
  };
  pack(d, std::integral_constant<int, 2>());
  pack(d, std::integral_constant<int, 1>());
  pack(d4, std::integral_constant<int, 1>());
  pack(d1, std::integral_constant<int, 1>());
}

template <Precision kPrecision, class T>
void PackColumnsOf(int64_t K, int64_t N, const T* elements, const MatrixView& b, float* packed, int64_t ld) {
  if (b.column_stride != 1)
    return PackTransposedColumns<kPrecision>(K, N, elements, b.column_stride, packed, ld);
  PackPlainColumns<kPrecision, Sums::kNone>(K, N, elements, b.row_stride, packed, ld, nullptr);
}

template <Precision kPrecision>
void PackAndSumIn(const PlainRows& b, float* packed, int64_t ld, Store store, float* sums) {
  if (store == Store::kAccumulate)
    return PackPlainColumns<kPrecision, Sums::kAdd>(b.K, b.N, b.elements, b.ld, packed, ld, sums);
  PackPlainColumns<kPrecision, Sums::kStore>(b.K, b.N, b.elements, b.ld, packed, ld, sums);
}

void PackAndSum(Precision precision, const PlainRows& b, float* packed, int64_t ld, Store store,
                float* sums) {
  if (precision == Precision::kBf16) return PackAndSumIn<Precision::kBf16>(b, packed, ld, store, sums);
  PackAndSumIn<Precision::kFloat32>(b, packed, ld, store, sums);
}

void PackRows(Precision precision, int64_t M, int64_t K, const MatrixView& a, float* packed) {
#if PRETRAIN_BF16_TILES
  if (precision == Precision::kBf16 && HasBf16Tiles())
    return a.elements.visit([&](const auto* elements) { PackInTiles(M, K, elements, a, packed); });
#endif
  if (a.elements.precision() == Precision::kBf16)
    return PackRowsOf<Precision::kBf16>(M, K, a.elements.bf16(), a, packed);
  if (precision == Precision::kBf16)
    return PackRowsOf<Precision::kBf16>(M, K, a.elements.floats(), a, packed);
  PackRowsOf<Precision::kFloat32>(M, K, a.elements.floats(), a, packed);
}

void PackColumns(Precision precision, int64_t K, int64_t N, const MatrixView& b, float* packed, int64_t ld) {
  if (b.elements.precision() == Precision::kBf16)
    return PackColumnsOf<Precision::kBf16>(K, N, b.elements.bf16(), b, packed, ld);
  if (precision == Precision::kBf16)
    return PackColumnsOf<Precision::kBf16>(K, N, b.elements.floats(), b, packed, ld);
  PackColumnsOf<Precision::kFloat32>(K, N, b.elements.floats(), b, packed, ld);
}

int64_t PackedRowWords([[maybe_unused]] Precision precision, int64_t M, int64_t words) {
#if PRETRAIN_BF16_TILES
  if (precision == Precision::kBf16 && HasBf16Tiles())
    return (M + kTileRows - 1) / kTileRows * ((words + kTileWords - 1) / kTileWords) * kTileArea;
#endif
  return RowTiles(M).count * kPackedRows * words +
         kPackedRows;  // stores of whole vectors may exceed the last column
}

}  // namespace pretrain::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pretrain {

HWY_EXPORT(PackRows);
HWY_EXPORT(PackColumns);
HWY_EXPORT(PackAndSum);
HWY_EXPORT(PackedRowWords);

namespace {

void require_packable(const MatrixView& matrix, Precision precision) {
  PRETRAIN_CHECK(matrix.elements.precision() == Precision::kFloat32 || precision == Precision::kBf16,
                 "bf16 is not packed as float32");
}

}  // namespace

int64_t packed_row_words(Precision precision, int64_t M, int64_t K) {
  return M == 0 ? 0 : HWY_DYNAMIC_DISPATCH(PackedRowWords)(precision, M, words_of(precision, K));
}

void pack_rows(Precision precision, int64_t M, int64_t K, const MatrixView& a, float* packed) {
  require_packable(a, precision);
  if (M > 0) HWY_DYNAMIC_DISPATCH(PackRows)(precision, M, K, a, packed);
}

void pack_columns(Precision precision, int64_t K, int64_t N, const MatrixView& b, float* packed, int64_t ld) {
  require_packable(b, precision);
  if (N > 0) HWY_DYNAMIC_DISPATCH(PackColumns)(precision, K, N, b, packed, ld);
}

void pack_columns_and_sum(Precision precision, const PlainRows& b, float* packed, int64_t ld, Store store,
                          float* sums) {
  if (b.N > 0) HWY_DYNAMIC_DISPATCH(PackAndSum)(precision, b, packed, ld, store, sums);
}

}  // namespace pretrain
#endif  // HWY_ONCE
