// SPDX-License-Identifier: Apache-2.0
#include "pipeline/held_out_text.h"

#include <algorithm>
#include <utility>

#include "libs/base/error.h"
#include "pipeline/encode.h"

namespace pretrain {

/// Earlier versions only evaluated whole sequences, so the number of sequences is rounded down as they did.
HeldOutLimits whole_sequences(uint64_t tokens, uint32_t context) {
  return {.sequences = std::max<uint64_t>(tokens / context, std::min<uint64_t>(tokens, 1)),
          .targets = tokens};
}

HeldOutText::HeldOutText(const CorpusOptions& corpus, const Catalog& catalog, const Tokenizer& tokenizer,
                         uint32_t context, const HeldOutLimits& limits, const std::stop_token& stop)
    : tokenizer_(tokenizer),
      context_(context),
      limits_(limits),
      stop_(stop),
      reader_(corpus, catalog, {}, Role::kHeldOut, {.stop = stop}),
      packer_(Packing::kConcat, context, tokenizer.end_of_text()) {}

/// Reads tickets as sequences need them; at most one ticket of text is in memory.
uint64_t HeldOutText::read(std::span<uint32_t> inputs, std::span<int32_t> targets) {
  const size_t T = context_;
  uint64_t rows = 0;
  while ((rows + 1) * T <= inputs.size()) {
    const std::optional<SequenceView> sequence = next();
    if (!sequence) break;
    append(*sequence, inputs.subspan(rows * T, T), targets.subspan(rows * T, T));
    ++rows;
  }
  return rows;
}

std::optional<SequenceView> HeldOutText::next() {
  if (sequences_ >= limits_.sequences || target_count_ >= limits_.targets) return std::nullopt;
  while (true) {
    if (std::optional<SequenceView> sequence = packer_.next()) return sequence;
    if (ended_) return std::nullopt;
    read_ticket();
  }
}

void HeldOutText::read_ticket() {
  if (stop_.stop_requested()) throw Stopped();
  std::optional<Ticket> ticket = reader_.next();
  if (!ticket) {
    ended_ = true;
    packer_.flush();
    return;
  }
  for (const EncodedPiece& piece : encode_ticket(std::move(*ticket), tokenizer_).pieces) packer_.add(piece);
}

/// Targets beyond the limit become -1. Bytes are counted from the targets, so that bits per byte refer to the
/// text that the model predicts.
void HeldOutText::append(const SequenceView& sequence, std::span<uint32_t> inputs,
                         std::span<int32_t> targets) {
  const uint64_t pairs = std::min<uint64_t>(sequence.pairs, limits_.targets - target_count_);
  std::ranges::copy(sequence.tokens.first(context_), inputs.begin());
  for (uint32_t t = 0; t < context_; ++t) {
    const uint32_t target = sequence.tokens[t + 1];
    targets[t] = t < pairs ? static_cast<int32_t>(target) : -1;
    if (t < pairs && target != tokenizer_.end_of_text()) target_bytes_ += tokenizer_.bytes_of(target).size();
  }
  target_count_ += pairs;
  ++sequences_;
}

}  // namespace pretrain
