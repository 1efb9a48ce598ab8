// SPDX-License-Identifier: Apache-2.0
#include "pipeline/batch_assembler.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/pipeline/assembler_testing.h"
#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

using namespace test;

constexpr size_t kAll = 1'000'000;

class Assembler : public testing::TestWithParam<Packing> {
 protected:
  AssemblerOptions bounded(uint32_t epochs) const { return small_assembler(GetParam(), epochs); }

  const NumberedCorpus corpus_{numbered_documents(9, 40, 40)};
};

INSTANTIATE_TEST_SUITE_P(Packings, Assembler, testing::Values(Packing::kConcat, Packing::kChunk),
                         [](const auto& packing) {
                           return std::string(row_of(kPackings, packing.param).name);
                         });

TEST_P(Assembler, MakesEachTokenATargetOncePerEpoch) {
  for (const uint32_t epochs : {1u, 3u}) {
    BatchAssembler assembler = fresh_assembler(bounded(epochs));
    auto expected = corpus_.targets_per_epoch(GetParam());
    for (auto& [id, count] : expected) count *= epochs;
    if (GetParam() == Packing::kConcat) --expected[2];  // nothing is before the very first token
    std::erase_if(expected, [](const auto& entry) { return entry.second == 0; });
    EXPECT_EQ(targets_of(next_batches(assembler, corpus_, kAll)), expected);
    EXPECT_TRUE(assembler.finished());
    EXPECT_EQ(assembler.buffered(), 0u);
  }
}

TEST_P(Assembler, PairsEachTargetWithTheTokenBeforeIt) {
  BatchAssembler assembler = fresh_assembler(bounded(2));
  for (const Batch& batch : next_batches(assembler, corpus_, kAll)) {
    for (size_t i = 0; i < batch.targets.size(); ++i) {
      if (batch.targets[i] < 0 || batch.targets[i] == static_cast<int32_t>(kEndOfText)) continue;
      if (batch.inputs[i] == kEndOfText) continue;  // the first token of a document
      EXPECT_EQ(static_cast<uint32_t>(batch.targets[i]), batch.inputs[i] + 1);
    }
  }
}

TEST_P(Assembler, FillsTheShapesOfABatch) {
  BatchAssembler assembler = fresh_assembler(bounded(2));
  const auto batches = next_batches(assembler, corpus_, kAll);
  ASSERT_GT(batches.size(), 30u);
  for (size_t i = 0; i < batches.size(); ++i) {
    const Batch& batch = batches[i];
    EXPECT_EQ(batch.number, i);
    EXPECT_EQ(batch.rows, 3);
    EXPECT_EQ(batch.context, 8);
    EXPECT_EQ(batch.inputs.size(), 24u);
    EXPECT_EQ(batch.targets.size(), 24u);
    const auto counted =
        std::count_if(batch.targets.begin(), batch.targets.end(), [](int32_t t) { return t >= 0; });
    EXPECT_EQ(batch.target_count, static_cast<uint64_t>(counted));
  }
  EXPECT_EQ(batches.front().epoch, 0u);
  EXPECT_EQ(batches.back().epoch, 1u);
  EXPECT_TRUE(std::is_sorted(batches.begin(), batches.end(),
                             [](const Batch& a, const Batch& b) { return a.epoch < b.epoch; }));
}

TEST_P(Assembler, MasksTheRowsThatFillTheLastBatch) {
  // Documents of 8 tokens give one sequence each: 4 of them make one batch of 3 rows and one of 1.
  const NumberedCorpus corpus({Document(8, 5), Document(8, 5), Document(8, 5), Document(8, 5)});
  AssemblerOptions options = bounded(1);
  options.packing = Packing::kChunk;
  BatchAssembler assembler = fresh_assembler(options);
  const auto batches = next_batches(assembler, corpus, kAll);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].target_count, 24u);
  EXPECT_EQ(batches[1].rows, 3);
  EXPECT_EQ(batches[1].target_count, 8u);
  for (size_t i = 8; i < 24; ++i) EXPECT_EQ(batches[1].targets[i], -1) << i;
}

TEST_P(Assembler, NeverEndsWithoutALimit) {
  BatchAssembler assembler = fresh_assembler(bounded(0));
  EXPECT_EQ(next_batches(assembler, corpus_, 400).size(), 400u);
  EXPECT_FALSE(assembler.finished());
  EXPECT_GE(assembler.cursor().epoch, 3u);
}

TEST_P(Assembler, DiffersBySeedAndNotByRun) {
  const auto stream = [&](uint64_t seed) {
    AssemblerOptions options = bounded(2);
    options.buffer.seed = seed;
    BatchAssembler assembler = fresh_assembler(options);
    return hashes_of(next_batches(assembler, corpus_, kAll));
  };
  EXPECT_EQ(stream(1), stream(1));
  EXPECT_NE(stream(1), stream(2));
}

/// The states of a stream after 0, 1, 2, ... batches, and its batches.
struct Recorded {
  std::vector<StreamState> states;
  std::vector<uint64_t> hashes;
};

StreamState state_of(const BatchAssembler& assembler) {
  StreamState state;
  assembler.save(state);
  return state;
}

BatchAssembler restored(const AssemblerOptions& options, const StreamState& state) {
  BatchAssembler assembler(options);
  assembler.restore(through_text(state));
  return assembler;
}

Recorded record(const AssemblerOptions& options, const NumberedCorpus& corpus) {
  BatchAssembler assembler = fresh_assembler(options);
  Recorded recorded;
  recorded.states.push_back(state_of(assembler));
  while (const auto batch = next_batch(assembler, corpus)) {
    recorded.hashes.push_back(batch->hash);
    recorded.states.push_back(state_of(assembler));
  }
  return recorded;
}

TEST_P(Assembler, GoesOnFromTheStateAfterAnyBatchOfAnyEpoch) {
  const Recorded recorded = record(bounded(3), corpus_);
  ASSERT_GT(recorded.hashes.size(), 60u);
  for (size_t k = 0; k < recorded.states.size(); ++k) {
    BatchAssembler assembler = restored(bounded(3), recorded.states[k]);
    const std::vector<uint64_t> rest(recorded.hashes.begin() + static_cast<int64_t>(k),
                                     recorded.hashes.end());
    ASSERT_EQ(hashes_of(next_batches(assembler, corpus_, kAll)), rest) << "after batch " << k;
  }
}

TEST_P(Assembler, SavesWhatItWasRestoredFrom) {
  const Recorded recorded = record(bounded(3), corpus_);
  for (const StreamState& state : recorded.states) {
    const StreamState again = state_of(restored(bounded(3), state));
    ASSERT_TRUE(same_state(again, state));
    ASSERT_TRUE(same_state(state_of(restored(bounded(3), again)), state));
  }
}

TEST_P(Assembler, GoesOnThroughTwoRestoresAfterEachBatch) {
  const Recorded recorded = record(bounded(3), corpus_);
  StreamState state = recorded.states.front();
  for (size_t k = 0; k < recorded.hashes.size(); ++k) {
    const StreamState again = state_of(restored(bounded(3), state));
    BatchAssembler assembler = restored(bounded(3), again);
    const auto batch = next_batch(assembler, corpus_);
    ASSERT_TRUE(batch.has_value());
    ASSERT_EQ(batch->hash, recorded.hashes[k]) << k;
    ASSERT_EQ(batch->number, k);
    state = state_of(assembler);
    ASSERT_TRUE(same_state(state, recorded.states[k + 1])) << k;
  }
}

TEST_P(Assembler, CountsDocumentsAndSkipsThroughARestore) {
  const Recorded recorded = record(bounded(3), corpus_);
  BatchAssembler assembler = restored(bounded(3), recorded.states[recorded.states.size() / 2]);
  next_batches(assembler, corpus_, kAll);
  EXPECT_EQ(assembler.documents(), 3 * corpus_.documents().size());
  EXPECT_EQ(assembler.skips().at(SkipReason::kDamagedStream), 3u);
  EXPECT_EQ(assembler.invalid_utf8(), 9u);
  EXPECT_EQ(assembler.batches(), recorded.hashes.size());
}

TEST_P(Assembler, ReadsTheWordsThatVersion01CountedSkipsBy) {
  StreamState state = record(bounded(1), corpus_).states.back();
  state.scalars["skips"] = {{"too long", 2}, {"too_long", 1}, {"damaged xz stream (no data)", 5}, {"odd", 7}};
  const BatchAssembler assembler = restored(bounded(1), state);
  EXPECT_EQ(assembler.skips(),
            (std::map<SkipReason, uint64_t>{
                {SkipReason::kTooLong, 3}, {SkipReason::kDamagedStream, 5}, {SkipReason::kOther, 7}}));
  StreamState saved;
  assembler.save(saved);
  EXPECT_EQ(saved.scalars["skips"], nlohmann::json({{"too_long", 3}, {"damaged_stream", 5}, {"other", 7}}));
}

TEST_P(Assembler, RefusesAnEpochOfLessThanOneBatch) {
  const NumberedCorpus corpus({Document(6, 5), Document(4, 5)});
  for (const uint32_t epochs : {0u, 1u}) {
    BatchAssembler assembler = fresh_assembler(bounded(epochs));
    expect_error(ErrorKind::kData, "less than one batch of 3", [&] { next_batch(assembler, corpus); });
  }
}

/// Feeds the chunks of a whole epoch; returns how many batches came of them.
size_t feed_epoch(BatchAssembler& assembler, const NumberedCorpus& corpus, uint32_t epoch) {
  size_t batches = 0;
  for (uint64_t number = 0;; ++number) {
    while (assembler.produce()) ++batches;
    Chunk chunk = corpus.chunk(number);
    chunk.epoch = epoch;
    assembler.absorb(chunk);
    if (chunk.ends_epoch) break;
  }
  while (assembler.produce()) ++batches;
  return batches;
}

/// Most of a corpus may go away between two epochs.
TEST_P(Assembler, RefusesALaterEpochOfLessThanOneBatchToo) {
  BatchAssembler assembler = fresh_assembler(bounded(0));
  EXPECT_GT(feed_epoch(assembler, corpus_, 0), 3U);
  const NumberedCorpus what_is_left({Document(6, 5)});
  expect_error(ErrorKind::kData, "less than one batch of 3", [&] { feed_epoch(assembler, what_is_left, 1); });
}

TEST_P(Assembler, RefusesAnEpochOfLessThanOneBatchAgainAfterARestore) {
  const NumberedCorpus corpus({Document(6, 5), Document(4, 5)});
  for (const uint32_t epochs : {0u, 1u}) {
    BatchAssembler assembler = fresh_assembler(bounded(epochs));
    expect_error(ErrorKind::kData, "less than one batch of 3", [&] { next_batch(assembler, corpus); });
    BatchAssembler again = restored(bounded(epochs), state_of(assembler));
    expect_error(ErrorKind::kData, "less than one batch of 3", [&] { next_batch(again, corpus); });
  }
}

/// How many targets are missing for each token to be one so often. No token may be one more often.
uint64_t missing_targets(const std::vector<Batch>& batches, const std::map<int32_t, uint64_t>& expected,
                         uint64_t epochs) {
  const auto counted = targets_of(batches);
  uint64_t missing = 0;
  for (const auto& [id, count] : expected) {
    const uint64_t found = counted.contains(id) ? counted.at(id) : 0;
    EXPECT_LE(found, epochs * count) << "token " << id;
    missing += epochs * count - found;
  }
  return missing;
}

TEST_P(Assembler, TrainsFurtherEpochsAfterAnyBatchOfTheOnesThatWereToBeTheLast) {
  std::vector<Batch> batches;
  BatchAssembler first = fresh_assembler(bounded(1));
  std::vector<StreamState> states{state_of(first)};
  while (const auto batch = next_batch(first, corpus_)) {
    batches.push_back(*batch);
    states.push_back(state_of(first));
  }
  size_t reopened = 0;
  for (size_t k = 0; k < states.size(); ++k) {
    BatchAssembler assembler = restored(bounded(3), states[k]);
    reopened += assembler.reopened() ? 1 : 0;
    std::vector<Batch> all(batches.begin(), batches.begin() + static_cast<int64_t>(k));
    for (Batch& batch : next_batches(assembler, corpus_, kAll)) all.push_back(std::move(batch));
    for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i].number, i);
    // The first token of the stream has none before it. Where the first epoch's end was padded, nor has the
    // first token after it.
    ASSERT_LE(missing_targets(all, corpus_.targets_per_epoch(GetParam()), 3), 2U) << "after batch " << k;
  }
  EXPECT_GT(reopened, 1U) << "the reader was ahead, and the end itself";
  EXPECT_LT(reopened, states.size());
}

TEST_P(Assembler, AFinishedStreamThatWasReopenedGoesOnFromAnyStateOfIt) {
  BatchAssembler first = fresh_assembler(bounded(1));
  next_batches(first, corpus_, kAll);
  BatchAssembler assembler = restored(bounded(2), state_of(first));
  std::vector<StreamState> states;
  std::vector<uint64_t> hashes;
  while (const auto batch = next_batch(assembler, corpus_)) {
    hashes.push_back(batch->hash);
    states.push_back(state_of(assembler));
  }
  ASSERT_GT(states.size(), 10U);
  for (size_t k = 0; k < states.size(); ++k) {
    BatchAssembler again = restored(bounded(2), states[k]);
    const std::vector<uint64_t> rest(hashes.begin() + static_cast<int64_t>(k) + 1, hashes.end());
    ASSERT_EQ(hashes_of(next_batches(again, corpus_, kAll)), rest) << k;
  }
}

TEST_P(Assembler, SaysAgainAfterEachRestoreThatAnEpochIsTooShort) {
  const NumberedCorpus corpus({Document(6, 5), Document(4, 5)});
  for (const uint32_t epochs : {0u, 1u}) {
    StreamState state;
    for (int start = 0; start < 3; ++start) {
      BatchAssembler assembler =
          start == 0 ? fresh_assembler(bounded(epochs)) : restored(bounded(epochs), state);
      const Cursor before = assembler.cursor();
      expect_error(ErrorKind::kData, "less than one batch of 3", [&] { next_batch(assembler, corpus); });
      if (start > 0) {
        EXPECT_EQ(assembler.cursor(), before) << "it read on";
      }
      EXPECT_EQ(assembler.batches(), 0u);
      state = state_of(assembler);
    }
  }
}

TEST_P(Assembler, RefusesAStateOfAnotherShape) {
  BatchAssembler assembler = fresh_assembler(bounded(0));
  next_batches(assembler, corpus_, 5);
  const StreamState state = state_of(assembler);
  AssemblerOptions options = bounded(0);
  options.buffer.context = 16;
  expect_error(ErrorKind::kData, "shuffle buffer", [&] { restored(options, state); });
  options = bounded(0);
  options.buffer.vocabulary = 1000;
  expect_error(ErrorKind::kData, "shuffle buffer", [&] { restored(options, state); });
}

TEST_P(Assembler, RefusesAShuffleBufferThatIsTooSmallForItsState) {
  BatchAssembler assembler = fresh_assembler(bounded(0));
  next_batches(assembler, corpus_, 1);
  AssemblerOptions options = bounded(0);
  options.buffer.capacity = 19;  // what is in the buffer fits, what will come does not
  expect_error(ErrorKind::kUsage, "--shuffle-buffer", [&] { restored(options, state_of(assembler)); });
}

TEST_P(Assembler, KnowsWhichDocumentEachRowBeginsIn) {
  BatchAssembler assembler = fresh_assembler(bounded(2));
  std::map<uint32_t, uint32_t> document_of;  // by token: the first token of its document
  for (const Document& document : corpus_.documents()) {
    for (const uint32_t token : document) document_of[token] = document.front();
  }
  size_t checked = 0;
  for (const Batch& batch : next_batches(assembler, corpus_, kAll)) {
    const auto documents = assembler.documents_of(batch);
    for (size_t row = 0; row < documents.size(); ++row) {
      const uint32_t first = batch.inputs[row * static_cast<size_t>(batch.context)];
      if (!document_of.contains(first)) continue;  // an end-of-text token
      ASSERT_EQ(documents[row], fmt::format("numbers at byte {}", document_of[first]));
      ++checked;
    }
  }
  EXPECT_GT(checked, 100u);
}

/// What states of earlier versions lack.
bool is_recent(const std::string& part) {
  return part == "buffer_origins" || part == "partial_origins" || part == "document_starts" ||
         part == "origin_names";
}

TEST_P(Assembler, GoesOnFromAStateThatKnowsNoOrigins) {
  const Recorded recorded = record(bounded(3), corpus_);
  const size_t middle = recorded.states.size() / 2;
  StreamState state = recorded.states[middle];
  std::erase_if(state.arrays, [](const auto& array) { return is_recent(array.name); });
  for (const char* key : {"document_starts", "origin_names"}) state.scalars.erase(key);
  BatchAssembler assembler = restored(bounded(3), state);
  const std::vector<uint64_t> rest(recorded.hashes.begin() + static_cast<int64_t>(middle),
                                   recorded.hashes.end());
  EXPECT_EQ(hashes_of(next_batches(assembler, corpus_, kAll)), rest);
}

TEST_P(Assembler, RefusesAStateWithPartsMissing) {
  BatchAssembler assembler = fresh_assembler(bounded(0));
  next_batches(assembler, corpus_, 5);
  const StreamState state = state_of(assembler);
  for (size_t i = 0; i < state.arrays.size(); ++i) {
    if (is_recent(state.arrays[i].name)) continue;
    StreamState less = state;
    less.arrays.erase(less.arrays.begin() + static_cast<int64_t>(i));
    expect_error(ErrorKind::kData, state.arrays[i].name, [&] { restored(bounded(0), less); });
  }
  for (const auto& [key, value] : state.scalars.items()) {
    if (is_recent(key)) continue;
    StreamState less = state;
    less.scalars.erase(key);
    expect_error(ErrorKind::kData, key, [&] { restored(bounded(0), less); });
  }
}

TEST_P(Assembler, RefusesABatchOfOtherRowsThanItsState) {
  BatchAssembler assembler = fresh_assembler(bounded(0));
  Batch batch;
  next_batches(assembler, corpus_, 4);
  StreamState state = state_of(assembler);
  state.scalars["partial_rows"] = 3;
  expect_error(ErrorKind::kData, "batch", [&] { restored(bounded(0), state); });
  state.scalars["partial_rows"] = 2;
  expect_error(ErrorKind::kData, "batch", [&] { restored(bounded(0), state); });
}

/// Sets 32 bits of an array.
void set_element(StreamState& state, const std::string& name, size_t index, uint32_t value) {
  const auto array = std::ranges::find(state.arrays, name, &StreamState::Array::name);
  ASSERT_NE(array, state.arrays.end());
  ASSERT_LE(4 * (index + 1), array->bytes.size()) << name;
  std::memcpy(&array->bytes[4 * index], &value, 4);
}

class DamagedState : public Assembler {
 protected:
  DamagedState() {
    BatchAssembler assembler = fresh_assembler(bounded(0));
    next_batches(assembler, corpus_, 5);
    while (state_.scalars.is_null() || state_.scalars["partial_rows"] == 0 || !has("carry")) {
      state_ = {};
      if (!assembler.produce()) assembler.absorb(corpus_.chunk(assembler.cursor().ticket));
      assembler.save(state_);
    }
  }
  bool has(const std::string& name) const { return !state_.array(name).bytes.empty(); }
  void expect_refused(const StreamState& state, const std::string& words) const {
    expect_error(ErrorKind::kData, words, [&] { restored(bounded(0), state); });
  }

  StreamState state_;
};

INSTANTIATE_TEST_SUITE_P(Packings, DamagedState, testing::Values(Packing::kConcat, Packing::kChunk),
                         [](const auto& packing) {
                           return std::string(row_of(kPackings, packing.param).name);
                         });

TEST_P(DamagedState, IsRefusedWithTheNameOfTheArrayThatHoldsAnIdBeyondTheVocabulary) {
  for (const char* name : {"buffer_tokens", "carry", "partial_inputs", "partial_targets"}) {
    for (const uint32_t id : {100'000u, 0x7fffffffu, 0xfffffffeu}) {
      StreamState state = state_;
      const size_t last = state.array(name).bytes.size() / 4 - 1;
      set_element(state, name, last, id);
      expect_refused(state, fmt::format("{}[{}] is ", name, last));
      expect_refused(state, "stream.safetensors");
    }
  }
  StreamState masked = state_;
  set_element(masked, "partial_targets", 0, 0xffffffffu);  // -1: does not count
  restored(bounded(0), masked);
}

TEST_P(DamagedState, IsRefusedForNumbersThatFitNothing) {
  StreamState state = state_;
  for (const uint32_t pairs : {0u, 9u, 0xffffffffu}) {
    set_element(state, "buffer_pairs", 0, pairs);
    expect_refused(state, "buffer_pairs[0] is ");
  }
  const std::vector<std::pair<const char*, nlohmann::json>> numbers{
      {"buffer_rng", {0, 0, 0, 0}},  {"buffer_rng", {1, 2, 3}},
      {"buffer_limit", 0},           {"buffer_absorbed", -1},
      {"partial_rows", -1},          {"partial_rows", uint64_t{1} << 63},
      {"next_batch", 1.5},           {"sequences_this_epoch", "many"},
      {"epoch", uint64_t{1} << 32},  {"draining", 1},
      {"document_ends", {3, 1}},     {"document_ends", {1'000'000}},
      {"document_ends", {-1}},       {"document_starts", {{1'000'000, 0, 0}}},
      {"document_starts", {{0, 0}}}, {"document_starts", {{5, 0, 0}, {2, 0, 0}}},
      {"skips", {{"damaged", -3}}}};
  for (const auto& [field, value] : numbers) {
    state = state_;
    state.scalars[field] = value;
    expect_refused(state, std::string(field) == "partial_rows" || std::string(field) == "skips" ? "" : field);
  }
}

}  // namespace
}  // namespace pretrain
