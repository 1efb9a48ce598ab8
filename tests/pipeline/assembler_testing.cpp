// SPDX-License-Identifier: Apache-2.0
#include "tests/pipeline/assembler_testing.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "libs/base/rng.h"

namespace pretrain::test {

std::vector<Document> numbered_documents(uint64_t seed, size_t count, size_t longest, uint32_t first_id) {
  Rng rng(seed);
  std::vector<Document> documents(count);
  for (Document& document : documents) {
    document.resize(rng.below(longest + 1));
    std::iota(document.begin(), document.end(), first_id);
    first_id += static_cast<uint32_t>(document.size());
  }
  return documents;
}

std::vector<EncodedPiece> pieces_of(const Document& document, size_t piece_tokens) {
  std::vector<EncodedPiece> pieces;
  for (size_t at = 0; at == 0 || at < document.size(); at += piece_tokens) {
    const size_t end = std::min(document.size(), at + piece_tokens);
    const auto begin = document.begin();
    pieces.push_back({.ids = {begin + static_cast<int64_t>(at), begin + static_cast<int64_t>(end)},
                      .begins_document = at == 0,
                      .ends_document = end == document.size()});
  }
  return pieces;
}

NumberedCorpus::NumberedCorpus(std::vector<Document> documents, uint64_t seed)
    : documents_(std::move(documents)) {
  Catalog catalog;
  catalog.shards.push_back({.name = "numbers"});
  catalog_ = std::make_shared<const Catalog>(std::move(catalog));
  Rng rng(seed);
  chunks_.emplace_back();
  for (const Document& document : documents_) {
    for (EncodedPiece& piece : pieces_of(document, 1 + rng.below(20))) {
      piece.place.offset = document.empty() ? 0 : document.front();
      chunks_.back().push_back(std::move(piece));
      while (rng.below(4) == 0) chunks_.emplace_back();
    }
  }
}

Chunk NumberedCorpus::chunk(uint64_t number) const {
  const uint64_t index = number % chunks_.size();
  const auto epoch = static_cast<uint32_t>(number / chunks_.size());
  Chunk chunk{.number = number, .epoch = epoch, .pieces = chunks_[index]};
  if (index == 0) chunk.skips.push_back({.shard = "shard", .cause = SkipReason::kDamagedStream});
  chunk.invalid_utf8 = index == 0 ? 3 : 0;
  chunk.after = {.epoch = epoch, .region = index + 1, .position = {}, .ticket = number + 1};
  chunk.catalog = catalog_;
  chunk.ends_epoch = index + 1 == chunks_.size();
  return chunk;
}

std::map<int32_t, uint64_t> NumberedCorpus::targets_per_epoch(Packing packing) const {
  std::map<int32_t, uint64_t> counts;
  for (const Document& document : documents_) {
    for (const uint32_t id : document) ++counts[static_cast<int32_t>(id)];
    if (packing == Packing::kConcat) {
      ++counts[kEndOfText];
    } else if (!document.empty()) {
      counts.erase(static_cast<int32_t>(document.front()));  // nothing is before it
      ++counts[kEndOfText];
    }
  }
  return counts;
}

AssemblerOptions small_assembler(Packing packing, uint32_t epochs) {
  return {.rows = 3,
          .packing = packing,
          .end_of_text = kEndOfText,
          .epochs = epochs,
          .buffer = {.capacity = 20, .minimum = 5, .context = 8, .vocabulary = 100'000, .seed = 5}};
}

BatchAssembler fresh_assembler(const AssemblerOptions& options) {
  BatchAssembler assembler(options);
  assembler.start_at({}, std::make_shared<Catalog>());
  return assembler;
}

std::optional<Batch> next_batch(BatchAssembler& assembler, const NumberedCorpus& corpus) {
  while (true) {
    std::optional<Batch> batch = assembler.produce();
    if (batch || assembler.finished()) return batch;
    assembler.absorb(corpus.chunk(assembler.cursor().ticket));
  }
}

std::vector<Batch> next_batches(BatchAssembler& assembler, const NumberedCorpus& corpus, size_t limit) {
  std::vector<Batch> batches;
  while (batches.size() < limit) {
    std::optional<Batch> batch = next_batch(assembler, corpus);
    if (!batch) break;
    batches.push_back(std::move(*batch));
  }
  return batches;
}

std::map<int32_t, uint64_t> targets_of(const std::vector<Batch>& batches) {
  std::map<int32_t, uint64_t> counts;
  for (const Batch& batch : batches) {
    for (const int32_t target : batch.targets) {
      if (target >= 0) ++counts[target];
    }
  }
  return counts;
}

std::vector<uint64_t> hashes_of(const std::vector<Batch>& batches) {
  std::vector<uint64_t> hashes;
  for (const Batch& batch : batches) hashes.push_back(batch.hash);
  return hashes;
}

StreamState through_text(const StreamState& state) {
  return {.scalars = nlohmann::json::parse(state.scalars.dump()), .arrays = state.arrays};
}

testing::AssertionResult same_state(const StreamState& actual, const StreamState& expected) {
  if (actual.scalars != expected.scalars) {
    return testing::AssertionFailure() << nlohmann::json::diff(expected.scalars, actual.scalars).dump();
  }
  if (actual.arrays.size() != expected.arrays.size()) {
    return testing::AssertionFailure() << actual.arrays.size() << " arrays";
  }
  for (size_t i = 0; i < expected.arrays.size(); ++i) {
    const auto& a = actual.arrays[i];
    const auto& e = expected.arrays[i];
    const auto key = [](const auto& x) { return std::tie(x.name, x.element_bytes, x.shape, x.bytes); };
    if (key(a) != key(e))
      return testing::AssertionFailure() << "array " << a.name << " differs from " << e.name;
  }
  return testing::AssertionSuccess();
}

}  // namespace pretrain::test
