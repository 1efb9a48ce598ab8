// SPDX-License-Identifier: Apache-2.0
#include "tests/pipeline/hostile_state.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "pipeline/queue_state.h"

namespace pretrain::test {
namespace {

constexpr uint32_t kVocabulary = 300;
constexpr size_t kQueue = 4;

DocumentSignature signature_of_document(uint64_t document, uint64_t chunk) {
  DocumentSignature signature{.text = 100 * (5 * chunk + document), .has_words = true};
  std::iota(signature.bands.begin(), signature.bands.end(), signature.text);
  return signature;
}

Chunk chunk_of(uint64_t number) {
  static const auto catalog = [] {
    Catalog shards;
    shards.shards.push_back({.name = "text", .size_bytes = 1000, .hash = "h"});
    return std::make_shared<const Catalog>(std::move(shards));
  }();
  constexpr uint64_t kChunksPerEpoch = 6;
  Chunk chunk{.number = number, .epoch = static_cast<uint32_t>(number / kChunksPerEpoch)};
  for (uint32_t i = 0; i < 5; ++i) {
    EncodedPiece piece{.begins_document = true, .ends_document = i != 3};
    piece.place.offset = i;
    piece.facts =
        std::make_shared<const DocumentFacts>(DocumentFacts{signature_of_document(i, number / 2), "title"});
    for (uint32_t t = 0; t < 3 + 7 * i; ++t) piece.ids.push_back((17 * t + i) % kVocabulary);
    chunk.pieces.push_back(std::move(piece));
  }
  chunk.after = {.epoch = chunk.epoch, .region = 0, .position = {}, .ticket = number + 1};
  chunk.catalog = catalog;
  chunk.ends_epoch = number % kChunksPerEpoch == kChunksPerEpoch - 1;
  return chunk;
}

/// Nothing at the end of the stream.
std::optional<Batch> next_batch(BatchAssembler& assembler, uint64_t& number) {
  while (true) {
    std::optional<Batch> batch = assembler.produce();
    if (batch || assembler.finished()) return batch;
    assembler.absorb(chunk_of(number++));
  }
}

void check_batch(const Batch& batch, const AssemblerOptions& options) {
  const auto elements = static_cast<size_t>(options.rows) * options.buffer.context;
  PRETRAIN_CHECK(batch.inputs.size() == elements && batch.targets.size() == elements, "{} inputs, {} targets",
                 batch.inputs.size(), batch.targets.size());
  for (const uint32_t id : batch.inputs) PRETRAIN_CHECK(id < kVocabulary, "input {}", id);
  for (const int32_t id : batch.targets)
    PRETRAIN_CHECK(id >= -1 && id < static_cast<int32_t>(kVocabulary), "target {}", id);
}

}  // namespace

HostileState::HostileState(Packing packing)
    : options_{.rows = 3,
               .packing = packing,
               .end_of_text = 1,
               .epochs = 0,
               .buffer = {.capacity = 20, .minimum = 5, .context = 8, .vocabulary = kVocabulary, .seed = 5},
               .deduplication = {.mode = Deduplication::kNear, .documents = 20}} {
  BatchAssembler assembler(options_);
  const std::vector<DocumentSignature> evaluated{signature_of("a document of the evaluation set")};
  assembler.start_at({}, chunk_of(0).catalog, evaluated);
  uint64_t number = 0;
  std::deque<Batch> queue;
  while (number < 9) {
    std::optional<Batch> batch = next_batch(assembler, number);
    if (!batch) break;
    queue.push_back(*std::move(batch));
    if (queue.size() == kQueue) queue.pop_front();
  }
  assembler.save(sound_);
  save_queue(queue, sound_);
}

StreamState HostileState::changed(std::string_view bytes) const {
  StreamState state = sound_;
  const size_t text = std::min(bytes.find('\0'), bytes.size());
  const auto scalars = nlohmann::json::parse(bytes.substr(0, text), nullptr, false);
  if (scalars.is_object()) state.scalars.update(scalars);
  bytes.remove_prefix(std::min(bytes.size(), text + 1));
  for (; bytes.size() >= 4; bytes.remove_prefix(4)) {
    const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
    StreamState::Array& array = state.arrays[byte(0) % state.arrays.size()];
    const size_t place = byte(1) | byte(2) << 8U;
    if (place == 0xffff) {
      array.bytes.resize(byte(3));
    } else if (place == 0xfffe) {
      array.element_bytes = static_cast<uint32_t>(byte(3));
    } else if (!array.bytes.empty()) {
      array.bytes[place % array.bytes.size()] = static_cast<std::byte>(byte(3));
    }
  }
  return state;
}

bool HostileState::survive(const StreamState& state) const {
  BatchAssembler assembler(options_);
  try {
    assembler.restore(state);
    for (const Batch& batch : restore_queue(state, options_)) check_batch(batch, options_);
  } catch (const Error&) {
    return false;
  }
  try {
    uint64_t number = 9;
    for (int i = 0; i < 30; ++i) {
      const std::optional<Batch> batch = next_batch(assembler, number);
      if (!batch) break;
      check_batch(*batch, options_);
      (void)assembler.documents_of(*batch);
    }
    StreamState again;
    assembler.save(again);
  } catch (const Error&) {  // an epoch that claims to be too short
  }
  return true;
}

}  // namespace pretrain::test
