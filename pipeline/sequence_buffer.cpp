#include "pipeline/sequence_buffer.h"

#include <algorithm>
#include <cstring>

#include "libs/base/check.h"

namespace pretrain {
namespace {

/// Sequences that come in for each one that leaves while the buffer fills: more would starve the trainer's
/// cores.
constexpr uint64_t kAbsorbedPerEmission = 2;
constexpr uint32_t kSmallVocabulary = 65'536;

}  // namespace

SequenceBuffer::SequenceBuffer(const SequenceBufferOptions& options)
    : options_(options),
      token_bytes_(options.vocabulary <= kSmallVocabulary ? 2 : 4),
      slot_bytes_(uint64_t{token_bytes_} * (options.context + 1)),
      tokens_(new std::byte[options.capacity * slot_bytes_]),
      rng_(options.seed),
      limit_(options.capacity) {
  pairs_.reserve(options.capacity);
  origins_.reserve(options.capacity);
}

bool SequenceBuffer::must_emit() const {
  if (size_ == 0) return false;
  if (draining_ || size_ >= limit_) return true;
  return size_ >= options_.minimum && limit_ == options_.capacity &&
         absorbed_since_emission_ >= kAbsorbedPerEmission;
}

void SequenceBuffer::insert(const SequenceView& sequence) {
  PRETRAIN_CHECK(size_ < options_.capacity && sequence.tokens.size() == options_.context + 1, "{} of {}",
                 size_, options_.capacity);
  std::byte* to = slot(size_);
  if (token_bytes_ == 4) {
    std::memcpy(to, sequence.tokens.data(), slot_bytes_);
  } else {
    for (size_t i = 0; i < sequence.tokens.size(); ++i) {
      const auto token = static_cast<uint16_t>(sequence.tokens[i]);
      std::memcpy(to + 2 * i, &token, 2);
    }
  }
  pairs_.push_back(sequence.pairs);
  origins_.push_back(sequence.origin);
  ++size_;
  ++absorbed_since_emission_;
}

void SequenceBuffer::emit(Sequence& sequence) {
  const uint64_t index = rng_.below(size_);
  sequence.tokens.resize(options_.context + 1);
  const std::byte* from = slot(index);
  for (size_t i = 0; i < sequence.tokens.size(); ++i) {
    sequence.tokens[i] = 0;
    std::memcpy(&sequence.tokens[i], from + token_bytes_ * i, token_bytes_);  // little-endian
  }
  sequence.pairs = pairs_[index];
  sequence.origin = origins_[index];
  --size_;
  if (index != size_) {
    std::memcpy(slot(index), slot(size_), slot_bytes_);
    pairs_[index] = pairs_[size_];
    origins_[index] = origins_[size_];
  }
  pairs_.pop_back();
  origins_.pop_back();
  absorbed_since_emission_ = 0;
}

void SequenceBuffer::stop_growing() {
  if (limit_ == options_.capacity && size_ < options_.capacity) limit_ = std::max<uint64_t>(size_, 1);
}

SequenceBuffer::State SequenceBuffer::state() const {
  return {.tokens = {tokens_.get(), tokens_.get() + size_ * slot_bytes_},
          .pairs = pairs_,
          .origins = origins_,
          .rng = rng_.state(),
          .limit = limit_,
          .absorbed_since_emission = absorbed_since_emission_};
}

void SequenceBuffer::restore(const State& state) {
  size_ = state.pairs.size();
  PRETRAIN_CHECK(size_ <= options_.capacity && state.tokens.size() == size_ * slot_bytes_ &&
                     state.origins.size() == size_,
                 "{} sequences, {} origins, {} bytes", size_, state.origins.size(), state.tokens.size());
  std::copy(state.tokens.begin(), state.tokens.end(), tokens_.get());
  pairs_ = state.pairs;
  pairs_.reserve(options_.capacity);
  origins_ = state.origins;
  origins_.reserve(options_.capacity);
  rng_ = Rng(state.rng);
  limit_ = state.limit;
  absorbed_since_emission_ = state.absorbed_since_emission;
}

}  // namespace pretrain
