// SPDX-License-Identifier: Apache-2.0
#pragma once
// Encodes text with a SentencePiece model. Immutable; thread-safe.

#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/encoder.h"
#include "tokenizer/model_proto.h"

namespace pretrain {

/// The ids are never those of the unknown or a control piece. U+2581, SentencePiece's mark for a blank, and NUL become
/// byte pieces, so that they are preserved too. Long text is encoded in segments, so that the cost is linear: it is
/// cut before blanks that no piece spans, or after at most 16 KiB (where the ids may differ from those of an uncut
/// encoding).
class SentencePieceEncoder : public Encoder {
 public:
  /// Errors: kData when the library refuses the model.
  explicit SentencePieceEncoder(const ModelProto& model);
  ~SentencePieceEncoder() override;

  void encode(std::string_view text, std::vector<uint32_t>& ids) const override;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace pretrain
