// SPDX-License-Identifier: Apache-2.0
#include "pipeline/origins.h"

#include <algorithm>
#include <cstring>

#include "pipeline/stream_fields.h"

namespace pretrain {
namespace {

constexpr uint32_t kUnknown = UINT32_MAX;
/// An origin in a checkpoint: the number of the file, then the offset's lower and upper half.
constexpr size_t kWords = 3;
constexpr size_t kBytes = kWords * sizeof(uint32_t);

}  // namespace

OriginNames::OriginNames(std::vector<std::string> names) : names_(std::move(names)) {
  for (size_t i = 0; i < names_.size(); ++i) numbers_.emplace(names_[i], static_cast<uint32_t>(i));
}

/// Called for each document, so it caches the numbers of the current catalog's shards instead of looking up
/// names.
SequenceOrigin OriginNames::origin_of(const Place& place, const std::shared_ptr<const Catalog>& catalog) {
  if (catalog == nullptr || place.shard >= catalog->shards.size()) return {};
  if (catalog_ != catalog) {
    catalog_ = catalog;
    numbers_of_shards_.assign(catalog->shards.size(), kUnknown);
  }
  uint32_t& number = numbers_of_shards_[place.shard];
  if (number == kUnknown) number = number_of(catalog->shards[place.shard].name);
  return {.shard = number, .offset = place.offset};
}

uint32_t OriginNames::number_of(const std::string& name) {
  const auto [entry, is_new] = numbers_.emplace(name, static_cast<uint32_t>(names_.size()));
  if (is_new) names_.push_back(name);
  return entry->second;
}

std::string OriginNames::describe(const SequenceOrigin& origin) const {
  if (origin.shard >= names_.size()) return "";
  return fmt::format("{} at byte {}", names_[origin.shard], origin.offset);
}

/// Offsets are split into two words, because the arrays of a checkpoint have elements of at most 32 bits.
StreamState::Array to_array(std::string name, std::span<const SequenceOrigin> origins) {
  StreamState::Array array{.name = std::move(name),
                           .element_bytes = 4,
                           .shape = {origins.size(), kWords},
                           .bytes = std::vector<std::byte>(origins.size() * kBytes)};
  for (size_t i = 0; i < origins.size(); ++i) {
    const uint32_t words[kWords] = {origins[i].shard, static_cast<uint32_t>(origins[i].offset),
                                    static_cast<uint32_t>(origins[i].offset >> 32)};
    std::memcpy(array.bytes.data() + i * kBytes, words, kBytes);
  }
  return array;
}

/// Earlier versions did not write origins: the sequences of their checkpoints have none.
void read_origins(const StreamState& state, std::string_view name, size_t count,
                  std::vector<SequenceOrigin>& origins) {
  origins.assign(count, {});
  if (std::ranges::find(state.arrays, name, &StreamState::Array::name) == state.arrays.end()) return;
  const std::vector<std::byte>& bytes = state.array(name).bytes;
  if (bytes.size() / kBytes != count || bytes.size() % kBytes != 0) {
    fail_stream(kArraysFile,
                fmt::format("'{}' has {} bytes, expected {}", name, bytes.size(), count * kBytes));
  }
  for (size_t i = 0; i < count; ++i) {
    uint32_t words[kWords];
    std::memcpy(words, bytes.data() + i * kBytes, kBytes);
    origins[i] = {.shard = words[0], .offset = words[1] | uint64_t{words[2]} << 32};
  }
}

}  // namespace pretrain
