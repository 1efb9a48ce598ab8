// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/pair_merger.h"

#include <bit>
#include <queue>

#include "tokenizer/byte_alphabet.h"

namespace pretrain {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

uint64_t pair_of(uint32_t left, uint32_t right) {
  return uint64_t{left} << 32 | right;
}

uint64_t scatter(uint64_t pair) {
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 divided by the golden ratio
  const uint64_t product = pair * kOdd;
  return product ^ (product >> 32);
}

}  // namespace

PairMerger::PairMerger(const BytePairModel& model) : joins_(std::bit_ceil(2 * model.merges.size() + 1)) {
  for (uint32_t id = 0; id < model.tokens.size(); ++id) {
    if (!model.tokens[id].is_in_vocabulary) continue;
    const auto bytes = from_byte_letters(model.tokens[id].name);
    if (bytes && bytes->size() == 1) byte_ids_[static_cast<unsigned char>(bytes->front())] = id;
  }
  for (uint32_t rank = 0; rank < model.merges.size(); ++rank) {
    const BytePairModel::Merge& merge = model.merges[rank];
    // Of a pair that is listed twice, the last one counts, as in `tokenizers`.
    place_of(pair_of(merge.left, merge.right)) = {pair_of(merge.left, merge.right), rank, merge.joined};
  }
}

PairMerger::Join& PairMerger::place_of(uint64_t pair) {
  const size_t mask = joins_.size() - 1;
  size_t at = scatter(pair) & mask;
  while (joins_[at].rank != kNoRank && joins_[at].pair != pair) at = (at + 1) & mask;
  return joins_[at];
}

const PairMerger::Join* PairMerger::find(uint32_t left, uint32_t right) const {
  const uint64_t pair = pair_of(left, right);
  const size_t mask = joins_.size() - 1;
  for (size_t at = scatter(pair) & mask; joins_[at].rank != kNoRank; at = (at + 1) & mask) {
    if (joins_[at].pair == pair) return &joins_[at];
  }
  return nullptr;
}

/// The tokens of a word as a list in which neighbours are joined.
class PairMerger::Word {
 public:
  Word(const PairMerger& merger, std::string_view word) : merger_(merger) {
    const auto size = static_cast<uint32_t>(word.size());
    tokens_.reserve(size);
    for (uint32_t i = 0; i < size; ++i) {
      const uint32_t id = merger.byte_ids_[static_cast<unsigned char>(word[i])];
      tokens_.push_back({.id = id, .before = i == 0 ? kNone : i - 1, .after = i + 1 == size ? kNone : i + 1});
    }
    for (uint32_t i = 0; i + 1 < size; ++i) consider(i);
  }

  void join_all() {
    while (!candidates_.empty()) {
      const Candidate next = candidates_.top();
      candidates_.pop();
      if (is_current(next)) join(next);
    }
  }

  void append_to(std::vector<uint32_t>& ids) const {
    for (uint32_t i = 0; i != kNone; i = tokens_[i].after) ids.push_back(tokens_[i].id);
  }

 private:
  struct Token {
    uint32_t id;
    uint32_t before, after;  // places of the neighbours
    bool is_joined = false;  // with the one before it, so that it is no longer there
  };
  struct Candidate {
    uint32_t rank, left, joined;
    uint64_t pair;
    bool operator<(const Candidate& other) const {  // the top of the queue is the largest
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  /// Adds the pair that begins here to the candidates.
  void consider(uint32_t left) {
    const uint32_t right = tokens_[left].after;
    if (right == kNone) return;
    const Join* join = merger_.find(tokens_[left].id, tokens_[right].id);
    if (join != nullptr) candidates_.push({join->rank, left, join->joined, join->pair});
  }

  /// Whether the pair is still there: one of the two may have been joined with its other neighbour.
  bool is_current(const Candidate& candidate) const {
    const Token& left = tokens_[candidate.left];
    return !left.is_joined && left.after != kNone &&
           pair_of(left.id, tokens_[left.after].id) == candidate.pair;
  }

  void join(const Candidate& candidate) {
    Token& left = tokens_[candidate.left];
    Token& right = tokens_[left.after];
    right.is_joined = true;
    left.id = candidate.joined;
    left.after = right.after;
    if (left.after != kNone) tokens_[left.after].before = candidate.left;
    if (left.before != kNone) consider(left.before);
    consider(candidate.left);
  }

  const PairMerger& merger_;
  std::vector<Token> tokens_;
  std::priority_queue<Candidate> candidates_;
};

void PairMerger::merge(std::string_view text, std::vector<uint32_t>& ids) const {
  if (text.empty()) return;
  Word word(*this, text);
  word.join_all();
  word.append_to(ids);
}

}  // namespace pretrain
