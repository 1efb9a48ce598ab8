// SPDX-License-Identifier: Apache-2.0
#pragma once
// Converts text to token ids and back, with a SentencePiece model. decode(encode(x)) == x for every valid
// UTF-8 string x, because models that normalise text or lack byte fallback are refused. A Tokenizer is
// immutable; its const functions are thread-safe.
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
#include "tokenizer/model_proto.h"

namespace pretrain {

class Tokenizer {
 public:
  /// Reads a serialized SentencePiece model.
  /// Errors: kData, one line, for a damaged model and for one that changes text (see parse_model_proto).
  static Tokenizer from_serialized(std::string model);
  /// Errors: as from_serialized(), with the file's name, and IoError.
  static Tokenizer from_file(const Path& path);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Appends the ids of `text`, never those of the unknown or a control piece. Names of control pieces in the
  /// text are plain text. U+2581, SentencePiece's mark for a blank, and NUL become byte pieces, so that they
  /// are preserved too. Long text is encoded in segments, so that the cost is linear: it is cut before blanks
  /// that no piece spans, or after at most 16 KiB (where the ids may differ from those of an uncut encoding).
  /// Requires: text is valid UTF-8 (each bad byte becomes U+FFFD).
  void encode(std::string_view text, std::vector<uint32_t>& ids) const;

  /// The text of ids, which is valid UTF-8. Control pieces have no text; the unknown piece, and a byte that
  /// is not part of a character, become U+FFFD.
  /// Requires: each id < vocabulary_size().
  std::string decode(std::span<const uint32_t> ids) const;

  /// The bytes of one id, with a blank for the blank mark; one raw byte for a byte piece.
  /// Requires: id < vocabulary_size().
  std::string_view bytes_of(uint32_t id) const;

  uint32_t vocabulary_size() const;
  /// Id of the piece that ends a document.
  uint32_t end_of_text() const;
  TokenizerType type() const;
  /// The model's own bytes, as given.
  const std::string& serialized() const;
  /// 32 hexadecimal digits that identify the model.
  std::string hash() const;
  /// The piece as the model names it, with U+2581 for blanks.
  /// Requires: id < vocabulary_size().
  const std::string& piece(uint32_t id) const;
  const ModelProto& model() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);

  std::unique_ptr<const State> state_;
};

}  // namespace pretrain
