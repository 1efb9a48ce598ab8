// SPDX-License-Identifier: Apache-2.0
#include "pipeline/sequence_buffer.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/units.h"
#include "pipeline/origins.h"
#include "pipeline/stream_fields.h"

namespace pretrain {
namespace {

/// Sequences that enter for each one that leaves while the buffer fills. More would fill it sooner, but the
/// loader would take cores from the trainer: with 2, the median step takes 1.01 times as long while it fills.
constexpr uint64_t kAbsorbedPerEmission = 2;
/// Up to this size, 16-bit ids halve the memory of the buffer.
constexpr uint32_t kSmallVocabulary = 65'536;

uint32_t bytes_of_id(const SequenceBufferOptions& options) {
  return options.vocabulary <= kSmallVocabulary ? 2 : 4;
}

}  // namespace

uint64_t SequenceBuffer::bytes_of_tokens(const SequenceBufferOptions& options) {
  return uint64_t{bytes_of_id(options)} * (options.context + 1);
}

SequenceBuffer::SequenceBuffer(const SequenceBufferOptions& options)
    : options_(options),
      token_bytes_(bytes_of_id(options)),
      slot_bytes_(bytes_of_tokens(options)),
      tokens_(new std::byte[options.capacity * slot_bytes_]),
      rng_(options.seed),
      limit_(options.capacity) {
  pairs_.reserve(options.capacity);
  origins_.reserve(options.capacity);
}

/// A function of counts only, so the stream does not depend on timing.
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

/// Takes a random sequence and moves the last one into its place, so that the cost does not depend on the
/// size.
SequenceBuffer::Sequence SequenceBuffer::emit() {
  const uint64_t index = rng_.below(size_);
  Sequence sequence{.tokens = std::vector<uint32_t>(options_.context + 1),
                    .pairs = pairs_[index],
                    .origin = origins_[index]};
  const std::byte* from = slot(index);
  for (size_t i = 0; i < sequence.tokens.size(); ++i) {
    std::memcpy(&sequence.tokens[i], from + token_bytes_ * i, token_bytes_);  // little-endian
  }
  --size_;
  if (index != size_) {
    std::memcpy(slot(index), slot(size_), slot_bytes_);
    pairs_[index] = pairs_[size_];
    origins_[index] = origins_[size_];
  }
  pairs_.pop_back();
  origins_.pop_back();
  absorbed_since_emission_ = 0;
  return sequence;
}

void SequenceBuffer::stop_growing() {
  if (limit_ == options_.capacity && size_ < options_.capacity) limit_ = std::max<uint64_t>(size_, 1);
}

void SequenceBuffer::save_origins(StreamState& state) const {
  state.arrays.push_back(to_array("buffer_origins", origins_));
}

void SequenceBuffer::save_sequences(StreamState& state) const {
  state.scalars["buffer_rng"] = rng_.state();
  state.scalars["buffer_limit"] = limit_;
  state.scalars["buffer_absorbed"] = absorbed_since_emission_;
  state.arrays.push_back(to_array("buffer_pairs", pairs_));
  state.arrays.push_back({.name = "buffer_tokens",
                          .element_bytes = token_bytes_,
                          .shape = {size_, options_.context + 1},
                          .bytes = {tokens_.get(), tokens_.get() + size_ * slot_bytes_}});
}

namespace {

/// Refuses a state of zeros, because the generator would return zeros forever.
Rng::State random_state_in(const nlohmann::json& scalars) {
  const std::vector<uint64_t> words = numbers_in(scalars, "buffer_rng");
  Rng::State state{};
  if (words.size() == state.size()) std::ranges::copy(words, state.begin());
  if (state == Rng::State{}) fail_stream(kScalarsFile, "'buffer_rng' is not the state of a generator");
  return state;
}

}  // namespace

void SequenceBuffer::restore(const StreamState& state) {
  const uint64_t count = state.array("buffer_pairs").bytes.size() / sizeof(uint32_t);
  const auto limit = number_in(state.scalars, "buffer_limit");
  const uint64_t needed = std::max(count, limit);
  if (needed > options_.capacity) {
    fail(ErrorKind::kUsage,
         "the run's shuffle buffer is for {} sequences; --shuffle-buffer {} is too small for it",
         format_count(needed), format_count(options_.capacity));
  }
  if (limit == 0) fail_stream(kScalarsFile, "'buffer_limit' is 0");
  restore_tokens(state, count);
  restore_pairs(state);
  read_origins(state, "buffer_origins", count, origins_);
  rng_ = Rng(random_state_in(state.scalars));
  absorbed_since_emission_ = number_in(state.scalars, "buffer_absorbed");
  limit_ = limit;
  size_ = count;
}

void SequenceBuffer::restore_tokens(const StreamState& state, uint64_t count) {
  const StreamState::Array& array = state.array("buffer_tokens");
  if (array.bytes.size() != count * slot_bytes_ || array.element_bytes != token_bytes_) {
    fail_stream(kArraysFile,
                fmt::format("the shuffle buffer has {} bytes in elements of {}, expected {} in {}",
                            array.bytes.size(), array.element_bytes, count * slot_bytes_, token_bytes_));
  }
  std::ranges::copy(array.bytes, tokens_.get());
  for (size_t at = 0; at < array.bytes.size(); at += token_bytes_) {
    uint32_t id = 0;
    std::memcpy(&id, &array.bytes[at], token_bytes_);  // little-endian
    if (id >= options_.vocabulary) fail_id("buffer_tokens", at / token_bytes_, id, options_.vocabulary);
  }
}

void SequenceBuffer::restore_pairs(const StreamState& state) {
  const StreamState::Array& array = state.array("buffer_pairs");
  if (array.element_bytes != sizeof(uint32_t) || array.bytes.size() % sizeof(uint32_t) != 0)
    fail_stream(kArraysFile, "'buffer_pairs' does not consist of 32-bit numbers");
  pairs_.resize(array.bytes.size() / sizeof(uint32_t));
  std::ranges::copy(array.bytes, std::as_writable_bytes(std::span(pairs_)).begin());
  const auto bad = std::ranges::find_if(pairs_, [&](uint32_t n) { return n == 0 || n > options_.context; });
  if (bad == pairs_.end()) return;
  fail_stream(kArraysFile, fmt::format("buffer_pairs[{}] is {}, and the context is {}", bad - pairs_.begin(),
                                       *bad, options_.context));
}

}  // namespace pretrain
