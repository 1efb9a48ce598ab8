// SPDX-License-Identifier: Apache-2.0
#pragma once
// Converts text to token ids and back, with a SentencePiece model or a byte-level BPE vocabulary.
// decode(encode(x)) == x for every valid UTF-8 string x, because models that normalise text or lack bytes are refused;
// of the byte-level ones some apply NFC, and give back the text in NFC. A Tokenizer is immutable; its const functions
// are thread-safe.
//
//   const Tokenizer tokenizer = Tokenizer::from_file("tokenizer.model");
//   std::vector<uint32_t> ids;
//   tokenizer.encode("some text", ids);
//   tokenizer.decode(ids);  // "some text"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"
#include "libs/base/utf8.h"
#include "tokenizer/model_proto.h"

namespace pretrain {

struct BytePairModel;  // byte_pair_model.h

/// Names of the files in a checkpoint that hold its tokenizer, one or the other.
inline constexpr std::string_view kSentencePieceFile = "tokenizer.model";
inline constexpr std::string_view kBytePairsFile = "byte_pairs.json";

class Tokenizer {
 public:
  /// Reads a serialized SentencePiece model, or byte pairs as serialized() gives them or as a tokenizer.json.
  /// Errors: kData, one line, for a damaged model and for one that changes text (see parse_model_proto,
  /// parse_tokenizer_json).
  static Tokenizer from_serialized(std::string model);
  /// A SentencePiece model without its changes of the text, which serialized() lacks too.
  /// Errors: as from_serialized().
  static Tokenizer without_changes(std::string model);
  static Tokenizer from_byte_pairs(BytePairModel model);
  /// Errors: as from_serialized(), with the file's name, and IoError.
  static Tokenizer from_file(const Path& path, TextChanges changes = TextChanges::kRefuse);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Appends the ids of `text`, never those of special pieces, whose names in the text are plain text. The cost is
  /// linear, up to a logarithm of the longest word.
  /// Requires: text is valid UTF-8 (each bad byte becomes U+FFFD).
  void encode(std::string_view text, std::vector<uint32_t>& ids) const;

  /// The text of ids, which is valid UTF-8. Special pieces have no text; the unknown piece, and what is not part of a
  /// character, become U+FFFD.
  /// Requires: each id < vocabulary_size().
  std::string decode(std::span<const uint32_t> ids) const;

  /// The bytes of one id, with a blank for SentencePiece's blank mark; they may be a part of a character.
  /// Requires: id < vocabulary_size().
  std::string_view bytes_of(uint32_t id) const;
  /// What a U+FFFD of decode() replaces.
  Replaced replaced() const;

  uint32_t vocabulary_size() const;
  /// Id of the piece that ends a document.
  uint32_t end_of_text() const;
  /// "bpe", "unigram", "char" or "byte-level bpe".
  std::string_view kind() const;
  /// What from_serialized() reads: a SentencePiece model's own bytes, as given; the byte pairs as JSON.
  const std::string& serialized() const;
  /// The file in a checkpoint that holds serialized().
  std::string_view file_name() const;
  /// 32 hexadecimal digits that identify the tokenizer.
  std::string hash() const;
  /// The piece as the model names it, with U+2581 for blanks, or with byte letters.
  /// Requires: id < vocabulary_size().
  const std::string& piece(uint32_t id) const;

  /// Null unless it is a byte-level one.
  const BytePairModel* byte_pairs() const;
  /// The SentencePiece model, and its type.
  /// Requires: byte_pairs() is null.
  const ModelProto& model() const;
  TokenizerType type() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);

  std::unique_ptr<const State> state_;
};

}  // namespace pretrain
