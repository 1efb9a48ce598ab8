#pragma once
// Text to token ids and back, with a SentencePiece model. Text survives: decode(encode(x)) == x for every
// valid UTF-8 string x, because models that normalise, or that lack byte fallback, are refused. A Tokenizer
// never changes after it was made; all of its const functions are thread-safe.

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
  /// Errors: as above with the file's name, and IoError.
  static Tokenizer from_file(const Path& path);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Appends the ids of `text`; never the unknown or a control piece. The names of control pieces are plain
  /// text here. U+2581, SentencePiece's mark for a blank, and NUL become byte pieces, so they survive too.
  /// The cost is linear: long text is cut at fixed places, before blanks where no piece spans one, else after
  /// at most 16 KiB (so a longer stretch without blanks may differ there from what an uncut encoding gives).
  /// Requires: text is valid UTF-8 (elsewhere each bad byte becomes U+FFFD).
  void encode(std::string_view text, std::vector<uint32_t>& ids) const;

  /// The text of ids. Control pieces give nothing; a byte that is part of no character gives U+FFFD, and so
  /// does the unknown piece. The result is valid UTF-8.
  /// Requires: each id < vocabulary_size().
  std::string decode(std::span<const uint32_t> ids) const;

  /// The bytes that one id stands for: a blank for the blank mark, one raw byte for a byte piece.
  /// Requires: id < vocabulary_size().
  std::string_view bytes_of(uint32_t id) const;

  uint32_t vocabulary_size() const;
  /// Id of the piece that ends a document.
  uint32_t end_of_text() const;
  TokenizerType type() const;
  /// The model's own bytes, as given.
  const std::string& serialized() const;
  /// 32 hexadecimal digits that pin the model.
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
