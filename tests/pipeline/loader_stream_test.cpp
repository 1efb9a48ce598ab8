// SPDX-License-Identifier: Apache-2.0
// The stream contract: what the batches are depends on the corpus, the packing and the seed, not on workers
// or time.

#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "pipeline/corpus/scan.h"
#include "pipeline/encode.h"
#include "tests/pipeline/assembler_testing.h"
#include "tests/pipeline/corpus/corpus_testing.h"
#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

using namespace test;

class LoaderStream : public testing::TestWithParam<StreamCase> {
 protected:
  LoaderStream() { copy_sample_corpus(folder_, GetParam().compression); }
  LoaderOptions options() const { return small_loader(folder_.path(), GetParam().packing); }

  const TempFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Loader, LoaderStream, testing::ValuesIn(kStreamCases), name_of);

/// What a session gave.
struct Outcome {
  std::vector<uint64_t> hashes;
  uint32_t last_epoch = 0;
  StreamState state;
  size_t most_at_once = 0;
};

Outcome run(const LoaderOptions& options, int workers, size_t count) {
  Session session(options, workers);
  const std::vector<Batch> batches = session.take(count);
  return {hashes_of(batches), batches.back().epoch, session.state(), session.most_at_once()};
}

TEST_P(LoaderStream, IsTheSameForAnyNumberOfWorkers) {
  constexpr size_t kBatches = 420;  // more than two epochs
  const Outcome one = run(options(), 1, kBatches);
  ASSERT_EQ(one.hashes.size(), kBatches);
  EXPECT_GE(one.last_epoch, 2u);
  EXPECT_EQ(one.most_at_once, 1u);
  for (const int workers : {2, 4, 8}) {
    const Outcome many = run(options(), workers, kBatches);
    EXPECT_EQ(many.hashes, one.hashes) << workers << " workers";
    EXPECT_EQ(many.most_at_once, static_cast<size_t>(workers));
    EXPECT_TRUE(same_state(many.state, one.state)) << workers << " workers";
  }
}

TEST_P(LoaderStream, NamesTheSameEpochsForAnyNumberOfWorkers) {
  const auto epochs = [&](int workers) {
    std::map<uint32_t, uint64_t> batches_of_epoch;
    for (const Batch& batch : Session(options(), workers).take(300)) ++batches_of_epoch[batch.epoch];
    return batches_of_epoch;
  };
  const auto one = epochs(1);
  EXPECT_GE(one.size(), 2u);
  EXPECT_EQ(epochs(4), one);
}

/// How often each id is a target when each training document is read once per epoch.
std::map<int32_t, uint64_t> expected_targets(const LoaderOptions& options) {
  CorpusReader reader(options.corpus, scan_corpus(options.corpus), {}, Role::kTraining);
  std::map<int32_t, uint64_t> counts;
  const bool concat = options.assembler.packing == Packing::kConcat;
  bool has_predecessor = false;
  for (auto ticket = reader.next(); ticket && ticket->epoch < options.assembler.epochs;
       ticket = reader.next()) {
    for (const EncodedPiece& piece : encode_ticket(std::move(*ticket), sample_tokenizer()).pieces) {
      if (piece.begins_document && !concat) has_predecessor = false;
      for (const uint32_t id : piece.ids) {
        if (has_predecessor) ++counts[static_cast<int32_t>(id)];
        has_predecessor = true;
      }
      if (piece.ends_document && has_predecessor)
        ++counts[static_cast<int32_t>(options.assembler.end_of_text)];
    }
  }
  return counts;
}

TEST_P(LoaderStream, BoundedToEpochsMakesEachTokenATargetOnceInEach) {
  for (const uint32_t epochs : {1u, 2u}) {
    LoaderOptions bounded = options();
    bounded.assembler.epochs = epochs;
    bounded.corpus.validation_fraction = 0.1;
    Session session(bounded, 4);
    EXPECT_EQ(targets_of(session.take(10'000)), expected_targets(bounded)) << epochs << " epochs";
    EXPECT_TRUE(session.take(1).empty());
  }
}

TEST_P(LoaderStream, DiffersBySeed) {
  LoaderOptions other = options();
  other.corpus.seed = 3;
  LoaderOptions shuffled = options();
  shuffled.assembler.buffer.seed = 12;
  const auto expected = hashes_of(Session(options(), 2).take(30));
  EXPECT_EQ(hashes_of(Session(options(), 2).take(30)), expected);
  EXPECT_NE(hashes_of(Session(other, 2).take(30)), expected);
  EXPECT_NE(hashes_of(Session(shuffled, 2).take(30)), expected);
}

TEST_P(LoaderStream, DoesNotDependOnTheLengthOfTheQueue) {
  LoaderOptions shorter = options();
  shorter.queue_batches = 1;
  EXPECT_EQ(hashes_of(Session(shorter, 2).take(220)), hashes_of(Session(options(), 2).take(220)));
}

TEST(LoaderStatus, CountsDocumentsAndSkips) {
  const TempFolder folder;
  copy_sample_corpus(folder, Compression::kNone);
  folder.write("damaged.jsonl", "{\"text\": \"one line of text\"}\n{\"text\": broken}\n");
  LoaderOptions options = small_loader(folder.path());
  options.assembler.epochs = 1;
  const TempFolder state;
  SkipLog log(real_file_system(), state / "skipped.jsonl");
  options.skip_log = &log;
  Session session(options, 4);
  session.take(10'000);
  const SourceStatus status = session.loader().status();
  EXPECT_EQ(status.documents, documents_of(read_epoch(options.corpus)).size());
  EXPECT_EQ(status.queue_capacity, 6u);
  EXPECT_EQ(status.buffer_capacity, 400u);
  EXPECT_EQ(status.buffered_sequences, 0u);
  const auto record = nlohmann::json::parse(read_file(state / "skipped.jsonl"));
  EXPECT_EQ(record.at("file"), "damaged.jsonl");
  EXPECT_EQ(record.at("epoch"), 0);
  EXPECT_EQ(status.skips.at(record.at("text").get<std::string>()), 1u);
  EXPECT_EQ(status.unwritten_skips, 0u);
}

}  // namespace
}  // namespace pretrain
