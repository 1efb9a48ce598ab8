#include "pipeline/packer.h"

#include <algorithm>

#include "libs/base/error.h"

namespace pretrain {

Packing parse_packing(std::string_view name) {
  if (name == "concat") return Packing::kConcat;
  if (name == "chunk") return Packing::kChunk;
  fail(ErrorKind::kUsage, "packing '{}' is not known; use concat or chunk", name);
}

std::string_view to_string(Packing packing) {
  return packing == Packing::kConcat ? "concat" : "chunk";
}

Packer::Packer(Packing packing, uint32_t context, uint32_t end_of_text)
    : packing_(packing), context_(context), end_of_text_(end_of_text) {}

void Packer::add(const EncodedPiece& piece) {
  if (begin_ > 0) {  // the carry moves to the front, so that memory stays bounded by one chunk
    tokens_.erase(tokens_.begin(), tokens_.begin() + static_cast<int64_t>(begin_));
    for (uint64_t& end : ends_) end -= begin_;
    begin_ = 0;
  }
  tokens_.insert(tokens_.end(), piece.ids.begin(), piece.ids.end());
  if (!piece.ends_document) return;
  tokens_.push_back(end_of_text_);
  if (packing_ == Packing::kChunk) ends_.push_back(tokens_.size());
}

/// Returns tokens [begin, begin + pairs], padded to T + 1, and moves on.
bool Packer::cut(size_t pairs, size_t advance, SequenceView& sequence) {
  const auto first = tokens_.begin() + static_cast<int64_t>(begin_);
  sequence.pairs = static_cast<uint32_t>(pairs);
  if (pairs == context_) {
    sequence.tokens = {first, context_ + 1};
  } else {
    padded_.assign(first, first + static_cast<int64_t>(pairs) + 1);
    padded_.resize(context_ + 1, end_of_text_);
    sequence.tokens = padded_;
  }
  begin_ += advance;
  return true;
}

bool Packer::next(SequenceView& sequence) {
  while (!ends_.empty()) {  // a whole document is there
    const size_t left = ends_.front() - begin_;
    if (left > context_ + 1) return cut(context_, context_, sequence);
    ends_.erase(ends_.begin());
    if (left > 1) return cut(left - 1, left, sequence);
    begin_ += left;  // only the overlap token, or an empty document
  }
  const size_t left = tokens_.size() - begin_;
  // In chunk packing a full piece whose document may go on keeps its last token for the next piece.
  if (left >= context_ + 1) return cut(context_, context_, sequence);
  if (flushed_ && left > 1) return cut(left - 1, left, sequence);
  return false;
}

void Packer::flush() {
  flushed_ = true;
}

std::vector<uint64_t> Packer::document_ends() const {
  std::vector<uint64_t> ends = ends_;
  for (uint64_t& end : ends) end -= begin_;
  return ends;
}

void Packer::restore(std::vector<uint32_t> carry, const std::vector<uint64_t>& document_ends) {
  tokens_ = std::move(carry);
  ends_ = document_ends;
  begin_ = 0;
  flushed_ = false;
}

}  // namespace pretrain
