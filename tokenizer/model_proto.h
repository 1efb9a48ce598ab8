// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads a SentencePiece model from its ModelProto into plain values, and writes it again. The reader is
// strict, because the library does not check what it loads: a model that was read here and written again is
// safe for it. Stateless, thread-safe.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/enum_table.h"

namespace pretrain {

enum class TokenizerType { kBpe, kUnigram, kChar };
constexpr EnumName<TokenizerType> kTokenizerTypes[] = {
    {TokenizerType::kBpe, "bpe"}, {TokenizerType::kUnigram, "unigram"}, {TokenizerType::kChar, "char"}};
static_assert(is_in_order(kTokenizerTypes));

/// "bpe", "unigram", "char".
std::string_view tokenizer_type_name(TokenizerType type);

/// SentencePiece's mark for a blank, U+2581.
inline constexpr std::string_view kBlankMark = "\xE2\x96\x81";

/// A vocabulary of four million pieces is smaller.
inline constexpr uint64_t kMaxModelBytes = uint64_t{64} << 20;

struct ModelPiece {
  enum class Kind { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

  std::string text;
  float score = 0;
  Kind kind = Kind::kNormal;
};

/// The parts of a model that decide how text is encoded. Names are SentencePiece's; the index of a piece is
/// its id.
struct ModelProto {
  TokenizerType type = TokenizerType::kUnigram;
  std::vector<ModelPiece> pieces;
  std::string unk_piece = "<unk>";
  std::string eos_piece = "</s>";
  bool byte_fallback = false;
  bool treat_whitespace_as_suffix = false;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool has_normalization_rules = false;
};

/// Value of a byte piece ("<0x0A>" is 10), or -1 for any other text.
int byte_of_piece(std::string_view text);

/// What to do with a model that changes text: normalization, blanks, characters that it doesn't know.
enum class TextChanges {
  kRefuse,
  kLeaveOut,  ///< use its pieces without the changes, and add the byte pieces that it lacks
};

/// Reads a serialized model and checks that it preserves text: identity normalisation, a piece for the blank
/// mark, all 256 byte pieces, one unknown and one end-of-text piece, pieces that are valid UTF-8, finite
/// scores.
/// Errors: kData, one line with the problem and how to train a suitable model.
/// Source: sentencepiece_model.proto and the protocol buffer wire format.
ModelProto parse_model_proto(std::string_view serialized, TextChanges changes = TextChanges::kRefuse);

/// Writes a model that parse_model_proto() accepts. Equal models give equal bytes.
std::string serialize_model_proto(const ModelProto& model);

}  // namespace pretrain
