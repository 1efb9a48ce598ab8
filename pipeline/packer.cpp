// SPDX-License-Identifier: Apache-2.0
#include "pipeline/packer.h"

#include <algorithm>

namespace pretrain {

Packer::Packer(Packing packing, uint32_t context, uint32_t end_of_text)
    : packing_(packing), context_(context), end_of_text_(end_of_text) {}

void Packer::add(const EncodedPiece& piece, const SequenceOrigin& origin) {
  if (begin_ > 0) move_to_front();
  if (piece.begins_document) starts_.push_back({tokens_.size(), origin});
  tokens_.insert(tokens_.end(), piece.ids.begin(), piece.ids.end());
  if (!piece.ends_document) return;
  tokens_.push_back(end_of_text_);
  if (packing_ == Packing::kChunk) ends_.push_back(tokens_.size());
}

/// Removes the consumed tokens. Done once per piece, so that the cost is linear and memory is bounded by one
/// chunk.
void Packer::move_to_front() {
  starts_ = document_starts();
  ends_ = document_ends();
  tokens_.erase(tokens_.begin(), tokens_.begin() + static_cast<int64_t>(begin_));
  begin_ = 0;
}

/// Returns tokens [begin, begin + pairs], padded to T + 1, and advances.
SequenceView Packer::cut(size_t pairs, size_t advance) {
  const auto first = tokens_.begin() + static_cast<int64_t>(begin_);
  SequenceView sequence{.pairs = static_cast<uint32_t>(pairs), .origin = origin_here()};
  if (pairs == context_) {
    sequence.tokens = {first, context_ + 1};
  } else {
    padded_.assign(first, first + static_cast<int64_t>(pairs) + 1);
    padded_.resize(context_ + 1, end_of_text_);
    sequence.tokens = padded_;
  }
  begin_ += advance;
  return sequence;
}

/// The document of the token at begin_. Drops the starts of earlier documents, since begin_ only increases.
SequenceOrigin Packer::origin_here() {
  size_t passed = 0;
  while (passed + 1 < starts_.size() && starts_[passed + 1].position <= begin_) ++passed;
  starts_.erase(starts_.begin(), starts_.begin() + static_cast<int64_t>(passed));
  return starts_.empty() || starts_.front().position > begin_ ? SequenceOrigin{} : starts_.front().origin;
}

/// Concat packing: windows of T pairs that overlap by one token, so that each token is a target once.
/// Chunk packing: the same within each document; the rest of a document becomes a padded sequence.
std::optional<SequenceView> Packer::next() {
  while (!ends_.empty()) {  // chunk packing, with the end of the current document known
    const size_t left = ends_.front() - begin_;
    if (left > context_ + 1) return cut(context_, context_);
    ends_.erase(ends_.begin());
    if (left > 1) return cut(left - 1, left);
    begin_ += left;  // only the overlap token, or an empty document
  }
  const size_t left = tokens_.size() - begin_;
  // In chunk packing, the last token of a full piece is also the first of the next one, as the document may
  // continue.
  if (left >= context_ + 1) return cut(context_, context_);
  if (flushed_ && left > 1) return cut(left - 1, left);
  return std::nullopt;
}

void Packer::flush() {
  flushed_ = true;
}

std::vector<uint64_t> Packer::document_ends() const {
  std::vector<uint64_t> ends = ends_;
  for (uint64_t& end : ends) end -= begin_;
  return ends;
}

std::vector<Packer::DocumentStart> Packer::document_starts() const {
  std::vector<DocumentStart> starts = starts_;
  for (DocumentStart& start : starts) start.position -= std::min<uint64_t>(start.position, begin_);
  return starts;
}

void Packer::restore(std::vector<uint32_t> carry, const std::vector<uint64_t>& document_ends,
                     const std::vector<DocumentStart>& document_starts) {
  tokens_ = std::move(carry);
  ends_ = document_ends;
  starts_ = document_starts;
  begin_ = 0;
  flushed_ = false;
}

}  // namespace pretrain
