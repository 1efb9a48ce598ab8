#pragma once
// Cuts token streams into training sequences of T (input, target) pairs.

#include <cstdint>
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

/// Serial. Its state is `carry`: the tokens that have not become sequences yet, and which documents they are
/// of.
class Packer {
 public:
  Packer(Packing packing, uint32_t context, uint32_t end_of_text);

  /// Takes a piece of a document; its end-of-text token follows when the piece ends the document.
  void add(const EncodedPiece& piece, const SequenceOrigin& origin = {});

  /// The next whole sequence, if there is one.
  bool next(SequenceView& sequence);

  /// Makes what is left a sequence of its own, padded. For the end of a bounded stream.
  void flush();

  /// Tokens not yet in a sequence, and where the documents among them end (chunk packing: positions behind
  /// the end-of-text tokens).
  std::span<const uint32_t> carry() const { return std::span(tokens_).subspan(begin_); }
  std::vector<uint64_t> document_ends() const;

  /// A document, and where in the carry it begins; the first may have begun before it and stands at 0.
  struct DocumentStart {
    uint64_t position = 0;
    SequenceOrigin origin;
  };
  std::vector<DocumentStart> document_starts() const;

  void restore(std::vector<uint32_t> carry, const std::vector<uint64_t>& document_ends,
               const std::vector<DocumentStart>& document_starts = {});

 private:
  bool cut(size_t pairs, size_t advance, SequenceView& sequence);
  SequenceOrigin origin_here();
  void move_to_front();

  Packing packing_;
  uint32_t context_;
  uint32_t end_of_text_;
  std::vector<uint32_t> tokens_;
  size_t begin_ = 0;            // tokens before it are used up
  std::vector<uint64_t> ends_;  // chunk packing: ends of documents, as positions in tokens_, ascending
  std::vector<DocumentStart>
      starts_;  // positions in tokens_, ascending; those before the current one are dropped
  bool flushed_ = false;
  std::vector<uint32_t> padded_;  // the sequence last returned, when it needed padding
};

}  // namespace pretrain
