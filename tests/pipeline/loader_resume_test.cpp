// SPDX-License-Identifier: Apache-2.0
// Exact resume: a stream that was interrupted continues as if nothing had happened.

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "tests/pipeline/assembler_testing.h"
#include "tests/pipeline/corpus/corpus_testing.h"
#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

using namespace test;

/// What one uninterrupted run gives: batches, and the state at some of them.
struct Reference {
  std::vector<uint64_t> hashes;
  std::map<size_t, StreamState> states;
  size_t second_epoch = 0;  ///< first batch of it

  std::vector<uint64_t> between(size_t from, size_t to) const {
    return {hashes.begin() + static_cast<int64_t>(from), hashes.begin() + static_cast<int64_t>(to)};
  }
};

class LoaderResume : public testing::TestWithParam<StreamCase> {
 protected:
  LoaderResume() { copy_sample_corpus(folder_, GetParam().compression); }
  LoaderOptions options() const { return small_loader(folder_.path(), GetParam().packing); }

  /// Runs with one worker and notes the state after each of `stops` batches, an ascending list.
  Reference run(const std::vector<size_t>& stops) const {
    Reference reference;
    Session session(options(), 1);
    uint32_t epoch = 0;
    for (const size_t stop : stops) {
      for (const Batch& batch : session.take(stop - reference.hashes.size())) {
        if (epoch == 0 && batch.epoch == 1) reference.second_epoch = batch.number;
        epoch = batch.epoch;
        reference.hashes.push_back(batch.hash);
      }
      reference.states[stop] = through_text(session.state());
    }
    return reference;
  }

  const TempFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Loader, LoaderResume, testing::ValuesIn(kStreamCases), name_of);

TEST_P(LoaderResume, GoesOnExactlyAfterEachOfManyResumesWithOtherWorkers) {
  // Before the first batch, while the buffer fills, around the beginning of the second epoch, and far inside
  // it.
  const std::vector<size_t> stops{0, 1, 60, 170, 180, 190, 200, 201, 300, 420};
  const Reference reference = run(stops);
  EXPECT_GT(reference.second_epoch, 60u);
  EXPECT_LT(reference.second_epoch, 300u);
  const std::vector<int> crews{4, 1, 8, 2};
  for (size_t i = 0; i + 1 < stops.size(); ++i) {
    const int workers = crews[i % crews.size()];
    Session session(options(), workers, &reference.states.at(stops[i]));
    ASSERT_TRUE(same_state(session.state(), reference.states.at(stops[i]))) << stops[i];
    const auto batches = session.take(stops[i + 1] - stops[i]);
    ASSERT_EQ(hashes_of(batches), reference.between(stops[i], stops[i + 1])) << stops[i];
    ASSERT_EQ(batches.front().number, stops[i]);
    if (batches.size() > 50) {  // more than the queue and one ticket hold
      EXPECT_EQ(session.most_at_once(), static_cast<size_t>(workers));
    }
    ASSERT_TRUE(same_state(session.state(), reference.states.at(stops[i + 1]))) << stops[i];
  }
}

TEST_P(LoaderResume, GoesOnFromAStateTakenRightAfterAResume) {
  const Reference reference = run({250, 330});
  EXPECT_LT(reference.second_epoch, 250u);
  StreamState state = reference.states.at(250);
  for (const int workers : {2, 8, 1}) {
    Session session(options(), workers, &state);
    state = through_text(session.state());
    ASSERT_TRUE(same_state(state, reference.states.at(250))) << workers << " workers";
  }
  EXPECT_EQ(hashes_of(Session(options(), 4, &state).take(80)), reference.between(250, 330));
}

/// Equal steps have equal checkpoints, however soon they are taken.
TEST_P(LoaderResume, AStateHasAFullQueueEvenBeforeTheFirstBatch) {
  LoaderOptions full = options();
  Session session(full, 1);
  EXPECT_EQ(session.state().scalars.at("queued").size(), full.queue_batches);
  session.take(1);
  EXPECT_EQ(session.state().scalars.at("queued").size(), full.queue_batches);
}

TEST_P(LoaderResume, TakingStatesDoesNotChangeTheStream) {
  const Reference reference = run({100});
  Session session(options(), 2);
  std::vector<uint64_t> hashes;
  for (int i = 0; i < 100; ++i) {
    session.state();
    hashes.push_back(session.take(1).at(0).hash);
  }
  EXPECT_EQ(hashes, reference.hashes);
}

/// As at a stop, whose save does not wait for batches that may never come.
TEST_P(LoaderResume, GoesOnExactlyFromStatesThatDidNotWaitForAFullQueue) {
  const std::vector<size_t> takes{0, 3, 60, 120, 17};
  const Reference reference = run({200});
  std::stop_source stop;
  stop.request_stop();
  std::optional<StreamState> state;
  std::vector<uint64_t> hashes;
  size_t part_full = 0;
  for (const size_t take : takes) {
    Session session(options(), 2, state ? &*state : nullptr);
    for (const Batch& batch : session.take(take)) hashes.push_back(batch.hash);
    state = through_text(session.loader().state(stop.get_token()));
    part_full += state->scalars.at("queued").size() < session.loader().status().queue_capacity ? 1 : 0;
  }
  EXPECT_EQ(hashes, reference.hashes);
  EXPECT_GE(part_full, 1u) << "the first one at least is taken before anything is read";
}

/// The state after `count` batches of a stream with fewer tickets than the workers could take.
StreamState state_after(const LoaderOptions& options, size_t count) {
  Session session(options, 4);
  session.dismiss_crew();
  session.take(count);
  return through_text(session.state());
}

TEST_P(LoaderResume, EndsABoundedStreamWithTheSameBatches) {
  LoaderOptions bounded = options();
  bounded.assembler.epochs = 1;
  const auto expected = hashes_of(Session(bounded, 1).take(10'000));
  // Near the end the reader is done, the buffer drains, and at last everything is in the queue.
  for (const size_t left : {0u, 1u, 5u, 6u, 7u, 20u, 31u, 32u, 40u}) {
    const StreamState state = state_after(bounded, expected.size() - left);
    Session session(bounded, 2, &state);
    session.dismiss_crew();
    ASSERT_TRUE(same_state(session.state(), state)) << left;
    const auto rest = hashes_of(session.take(10'000));
    EXPECT_EQ(rest, std::vector<uint64_t>(expected.end() - static_cast<int64_t>(left), expected.end()));
  }
}

TEST_P(LoaderResume, FindsACorpusThatMoved) {
  const Reference reference = run({60, 100});
  const TempFolder elsewhere;
  copy_sample_corpus(elsewhere, GetParam().compression);
  Session session(small_loader(elsewhere.path(), GetParam().packing), 2, &reference.states.at(60));
  EXPECT_EQ(hashes_of(session.take(40)), reference.between(60, 100));
}

TEST_P(LoaderResume, AcceptsALongerAndAShorterQueue) {
  const Reference reference = run({60, 100});
  LoaderOptions longer = options();
  longer.queue_batches = 9;
  EXPECT_EQ(hashes_of(Session(longer, 2, &reference.states.at(60)).take(40)), reference.between(60, 100));
  LoaderOptions shorter = options();
  shorter.queue_batches = 5;
  EXPECT_EQ(hashes_of(Session(shorter, 2, &reference.states.at(60)).take(40)), reference.between(60, 100));
}

TEST_P(LoaderResume, RefusesAStateWithoutItsQueue) {
  StreamState state = run({20}).states.at(20);
  StreamState unnumbered = state;
  unnumbered.scalars.erase("queued");
  expect_error(ErrorKind::kData, "queued", [&] { Session(options(), 2, &unnumbered); });
  std::erase_if(state.arrays, [](const StreamState::Array& array) { return array.name == "queued_targets"; });
  expect_error(ErrorKind::kData, "queued_targets", [&] { Session(options(), 2, &state); });
}

TEST_P(LoaderResume, RefusesAQueueWithIdsBeyondTheVocabulary) {
  const StreamState state = run({20}).states.at(20);
  for (const char* name : {"queued_inputs", "queued_targets"}) {
    for (const uint32_t id : {sample_tokenizer().vocabulary_size(), 0x7fffffffu, 0xfffffffeu}) {
      StreamState damaged = state;
      const auto array = std::ranges::find(damaged.arrays, name, &StreamState::Array::name);
      ASSERT_NE(array, damaged.arrays.end());
      std::memcpy(&array->bytes[12], &id, 4);
      expect_error(ErrorKind::kData, std::string(name) + "[3] is ", [&] { Session(options(), 2, &damaged); });
    }
  }
}

TEST_P(LoaderResume, ReportsAShardThatChangedMeanwhile) {
  const Reference reference = run({20});
  for (const FolderEntry& entry : list_folder(folder_.path())) {
    std::filesystem::resize_file(folder_.path() / entry.name, entry.size_bytes - 1);
  }
  std::vector<Batch> batches;
  expect_error(ErrorKind::kData, "wiki_0", [&] {
    Session session(options(), 2, &reference.states.at(20));
    take_all(session.loader(), batches);
  });
  EXPECT_GE(batches.size(), 6u) << "what was in the queue comes first";
}

}  // namespace
}  // namespace pretrain
