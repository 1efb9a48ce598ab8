// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads a byte-level BPE vocabulary from a `tokenizer.json` of Hugging Face into plain values, and writes it again.
// The reader is strict: it accepts what this program encodes exactly as the library `tokenizers` does, and refuses
// the rest by name. Stateless, thread-safe.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/error.h"
#include "tokenizer/text_splitter.h"

namespace pretrain {

struct BytePairToken {
  enum class Kind {
    kLearned,  ///< of merged bytes
    kAdded,    ///< found in the text as a whole
    kSpecial,  ///< never found in text, and without text when it is decoded, such as the end of text
    kUnused,   ///< neither; fills ids up to the rows of a model
  };

  std::string name;  ///< byte letters (byte_alphabet.h); of added and special tokens their text
  Kind kind = Kind::kLearned;
  bool is_in_vocabulary = true;  ///< among the learned ones in the file
  bool is_normalized = false;    ///< an added token that is found after the normalization
};

/// The parts of a vocabulary that decide how text is encoded.
struct BytePairModel {
  struct Merge {
    uint32_t left, right;  ///< ids
    uint32_t joined;       ///< id of the token whose bytes are those of both
    bool operator==(const Merge&) const = default;
  };

  std::vector<BytePairToken> tokens;  ///< the index is the id
  std::vector<Merge> merges;          ///< what is joined first comes first
  std::vector<SplitRule> splits;
  bool is_composed = false;        ///< text is put into NFC first
  bool joins_whole_words = false;  ///< a word that is a token is that token, whatever the merges are
  uint32_t end_of_text = 0;
};

/// A larger vocabulary is no plausible one.
inline constexpr uint64_t kMaxTokenizerJsonBytes = uint64_t{64} << 20;

/// What is known of the token that ends a document: its name, or its id.
struct EndOfText {
  std::string name;
  std::optional<uint64_t> id;
};

/// A tokenizer.json of another kind.
class NotByteLevel : public Error {
 public:
  NotByteLevel(const std::string& message, bool is_of_pieces)
      : Error(ErrorKind::kData, message), is_of_pieces_(is_of_pieces) {}
  /// Whether it is the copy of a SentencePiece model, as this program writes it.
  bool is_of_pieces() const { return is_of_pieces_; }

 private:
  bool is_of_pieces_;
};

/// Reads a tokenizer.json. Without `end_of_text` a document ends with the token of the file's own key "end_of_text",
/// as this program writes it, or else with `<|endoftext|>`.
/// Errors: NotByteLevel; kData, one line without the name of the file.
BytePairModel parse_tokenizer_json(std::string_view json, const EndOfText& end_of_text = {});

/// Writes a tokenizer.json. Equal models give equal bytes. `with_end_of_text` adds the key that
/// parse_tokenizer_json() reads, which other programs don't know.
std::string write_tokenizer_json(const BytePairModel& model, bool with_end_of_text);

/// Adds unused tokens until there are `size`, for a model whose rows are more than its vocabulary.
void pad_vocabulary(BytePairModel& model, uint32_t size);

/// The text of a token: bytes, which may be a part of a character. Special and unused tokens have none.
std::string bytes_of(const BytePairToken& token);

}  // namespace pretrain
