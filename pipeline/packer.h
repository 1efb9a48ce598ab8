// SPDX-License-Identifier: Apache-2.0
#pragma once
// Cuts token streams into training sequences of T (input, target) pairs.
//
//   for (const EncodedPiece& piece : chunk.pieces) packer.add(piece);
//   while (const auto sequence = packer.next()) buffer.insert(*sequence);   // what is left waits for more pieces

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "libs/base/enum_table.h"
#include "libs/data/batch.h"
#include "pipeline/chunk.h"

namespace pretrain {

enum class Packing {
  kConcat,  ///< documents one after the other; windows of T pairs with stride T: each token is a target once
  kChunk,   ///< each document alone, in pieces of at most T pairs; the rest of a piece is uncounted padding
};

constexpr EnumName<Packing> kPackings[] = {{Packing::kConcat, "concat"}, {Packing::kChunk, "chunk"}};
static_assert(is_in_order(kPackings));

/// One sequence: T + 1 tokens, of which the first `pairs` + 1 are text. A view; valid until the packer
/// changes.
struct SequenceView {
  std::span<const uint32_t> tokens;
  uint32_t pairs = 0;
  SequenceOrigin origin;  ///< the document of the first token
};

/// Serial. Its state is `carry`: the tokens that are not yet in a sequence, and their documents.
class Packer {
 public:
  Packer(Packing packing, uint32_t context, uint32_t end_of_text);

  /// Adds a piece of a document, and an end-of-text token if the piece ends the document.
  void add(const EncodedPiece& piece, const SequenceOrigin& origin = {});

  /// The next whole sequence, if there is one.
  std::optional<SequenceView> next();

  /// From now on next() also returns the remaining tokens as a padded sequence. For the end of a bounded
  /// stream.
  void flush();

  /// Tokens not yet in a sequence, and the ends of their documents (chunk packing: positions after the
  /// end-of-text tokens).
  std::span<const uint32_t> carry() const { return std::span(tokens_).subspan(begin_); }
  std::vector<uint64_t> document_ends() const;

  /// A document and its first position in the carry; 0 if it began before the carry.
  struct DocumentStart {
    uint64_t position = 0;
    SequenceOrigin origin;
  };
  std::vector<DocumentStart> document_starts() const;

  void restore(std::vector<uint32_t> carry, const std::vector<uint64_t>& document_ends,
               const std::vector<DocumentStart>& document_starts = {});

 private:
  SequenceView cut(size_t pairs, size_t advance);
  SequenceOrigin origin_here();
  void move_to_front();

  Packing packing_;
  uint32_t context_;
  uint32_t end_of_text_;
  std::vector<uint32_t> tokens_;
  size_t begin_ = 0;            // tokens before it are already in sequences
  std::vector<uint64_t> ends_;  // chunk packing: ends of documents, as positions in tokens_, ascending
  std::vector<DocumentStart>
      starts_;  // positions in tokens_, ascending; those before the current one are dropped
  bool flushed_ = false;
  std::vector<uint32_t> padded_;  // the sequence last returned, when it needed padding
};

}  // namespace pretrain
