// SPDX-License-Identifier: Apache-2.0
// Copies of documents and short documents are skipped: the same ones for any number of workers and after any resume.

#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "libs/base/rng.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/evaluation_set.h"
#include "tests/pipeline/assembler_testing.h"
#include "tests/pipeline/corpus/corpus_testing.h"
#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

using namespace test;

std::string text_of(uint64_t number, size_t words) {
  Rng rng(number);
  std::string text;
  for (size_t i = 0; i < words; ++i) text += fmt::format("{}{} ", "abcdefgh"[rng.below(8)], rng.below(5000));
  return text;
}

std::string line_of(const std::string& title, const std::string& text) {
  return nlohmann::json{{"title", title}, {"text", text}}.dump() + "\n";
}

/// Of 40 texts, each as it is, with one word more right after it, and once more in another file; every fourth is longer
/// than a ticket, so that tickets end inside of skipped documents and have text to train on before. And 30 documents of
/// five words.
constexpr uint64_t kTexts = 40;
constexpr uint64_t kShort = 30;

class LoaderDuplicates : public testing::Test {
 protected:
  LoaderDuplicates() {
    for (uint64_t i = 0; i < kTexts; ++i) {
      const std::string text = text_of(i, i % 4 == 0 ? 8000 : 150);
      parts_[i % 3] += line_of("first", text);
      parts_[i % 3] += line_of("near", text + "more");
      parts_[(i + 1) % 3] += line_of("copy", text);
    }
    for (uint64_t i = 0; i < kShort; ++i) parts_[i % 3] += line_of("short", text_of(1000 + i, 5));
    for (const auto& [part, lines] : parts_) folder_.write(fmt::format("part{}.jsonl", part), lines);
    options_.corpus.signatures = true;
    options_.assembler.deduplication = {.mode = Deduplication::kNear, .documents = 1000};
  }

  std::map<uint64_t, std::string> parts_;
  const TempFolder folder_;
  LoaderOptions options_ = small_loader(folder_.path());
};

/// The counts of an epoch.
SourceStatus status_of(LoaderOptions options) {
  options.assembler.epochs = 1;
  Session session(std::move(options), 2);
  session.dismiss_crew();
  session.take(100'000);
  return session.loader().status();
}

uint64_t skips_of(const SourceStatus& status, SkipReason reason) {
  const auto found = status.skips.find(std::string(reason_text(reason)));
  return found == status.skips.end() ? 0 : found->second;
}

TEST_F(LoaderDuplicates, AreSkippedOnlyIfAskedFor) {
  EXPECT_EQ(status_of(small_loader(folder_.path())).documents, 3 * kTexts + kShort);
  const SourceStatus near = status_of(options_);
  EXPECT_EQ(near.documents, kTexts + kShort);
  EXPECT_EQ(skips_of(near, SkipReason::kDuplicate), kTexts);
  EXPECT_EQ(skips_of(near, SkipReason::kNearDuplicate), kTexts);
  options_.assembler.deduplication.mode = Deduplication::kExact;
  const SourceStatus exact = status_of(options_);
  EXPECT_EQ(exact.documents, 2 * kTexts + kShort);
  EXPECT_EQ(skips_of(exact, SkipReason::kDuplicate), kTexts);
}

TEST_F(LoaderDuplicates, ShortDocumentsAreSkippedOnlyIfAskedFor) {
  options_.corpus.min_words = 6;
  const SourceStatus status = status_of(options_);
  EXPECT_EQ(status.documents, kTexts);
  EXPECT_EQ(skips_of(status, SkipReason::kFewWords), kShort);
  options_.corpus.min_words = 5;
  EXPECT_EQ(skips_of(status_of(options_), SkipReason::kFewWords), 0u);
}

TEST_F(LoaderDuplicates, ShortDocumentsAreStillHeldOut) {
  const auto held_out = [&](uint64_t min_words) {
    CorpusOptions corpus = options_.corpus;
    corpus.validation_fraction = 0.3;
    corpus.min_words = min_words;
    CorpusReader reader(corpus, scan_corpus(corpus), {}, Role::kHeldOut);
    while (const auto ticket = reader.next()) {
      for (const TextPiece& piece : ticket->pieces) EXPECT_EQ(piece.facts, nullptr);
    }
    return reader.statistics().documents;
  };
  EXPECT_GT(held_out(0), 10u);
  EXPECT_EQ(held_out(1000), held_out(0));
}

struct Outcome {
  std::vector<uint64_t> hashes;
  StreamState state;
  std::string skips;
};

Outcome run(LoaderOptions options, int workers, size_t count) {
  const TempFolder state;
  SkipLog log(real_file_system(), state / "skipped.jsonl");
  options.skip_log = &log;
  Session session(options, workers);
  Outcome outcome{.hashes = hashes_of(session.take(count)), .state = session.state(), .skips = ""};
  outcome.skips = read_file(state / "skipped.jsonl");
  return outcome;
}

TEST_F(LoaderDuplicates, AreTheSameForAnyNumberOfWorkers) {
  constexpr size_t kBatches = 1200;  // more than two epochs
  options_.corpus.min_words = 6;
  const Outcome one = run(options_, 1, kBatches);
  EXPECT_GE(one.state.scalars.at("epoch").get<int>(), 2);
  for (const int workers : {2, 4, 8}) {
    const Outcome many = run(options_, workers, kBatches);
    EXPECT_EQ(many.hashes, one.hashes) << workers;
    EXPECT_EQ(many.skips, one.skips) << workers;
    EXPECT_TRUE(same_state(many.state, one.state)) << workers;
  }
}

/// Resumes inside of skipped documents, too, whose pieces are in several tickets.
TEST_F(LoaderDuplicates, AreTheSameAfterAnyResume) {
  constexpr size_t kBatches = 700;
  constexpr size_t kStride = 7;
  const std::vector<uint64_t> expected = hashes_of(Session(options_, 1).take(kBatches));
  std::vector<uint64_t> hashes;
  std::optional<StreamState> state;
  size_t inside = 0;
  for (int workers = 1; hashes.size() < kBatches; workers = workers == 8 ? 1 : 2 * workers) {
    Session session(options_, workers, state ? &*state : nullptr);
    session.dismiss_crew();
    for (const Batch& batch : session.take(kStride)) hashes.push_back(batch.hash);
    state = through_text(session.state());
    inside += state->scalars.at("in_duplicate").get<bool>() ? 1 : 0;
  }
  EXPECT_EQ(hashes, expected);
  EXPECT_GT(inside, 2u);
}

TEST_F(LoaderDuplicates, AreRecordedWithTheirPlaces) {
  options_.assembler.epochs = 2;
  std::map<std::string, int> reasons;
  std::map<std::string, int> titles;
  std::istringstream lines(run(options_, 4, 100'000).skips);
  for (std::string line; std::getline(lines, line);) {
    const auto record = nlohmann::json::parse(line);
    ++reasons[record.at("reason").get<std::string>()];
    ++titles[record.at("title").get<std::string>()];
    EXPECT_TRUE(record.at("file").get<std::string>().starts_with("part"));
  }
  EXPECT_GT(reasons["duplicate"], 0);
  EXPECT_GT(reasons["near_duplicate"], 0);
  EXPECT_EQ(titles["short"], 0);
}

TEST_F(LoaderDuplicates, EachEpochKeepsOneOfEachText) {
  options_.assembler.epochs = 3;
  Session session(options_, 2);
  session.dismiss_crew();
  session.take(100'000);
  const SourceStatus status = session.loader().status();
  EXPECT_EQ(status.documents, 3 * (kTexts + kShort));
}

TEST_F(LoaderDuplicates, OfTheEvaluationSetAreSkippedInEveryEpoch) {
  const TempFolder other;
  std::string lines;
  for (uint64_t i = 0; i < 5; ++i) lines += line_of("evaluated", text_of(i, i % 4 == 0 ? 8000 : 150));
  other.write("evaluated.jsonl", lines);
  CorpusOptions corpus = options_for(other.path());
  corpus.validation_fraction = 1;
  HeldOutText text(corpus, scan_corpus(corpus), sample_tokenizer(), 64, {}, {});
  collect_evaluation_set(real_file_system(), other / "set", text);
  const EvaluationSet set = open_evaluation_set(other / "set", 64, sample_tokenizer(), {});
  options_.evaluated = signatures_of(set, sample_tokenizer());
  EXPECT_EQ(options_.evaluated.size(), 5u);
  options_.assembler.epochs = 2;
  Session session(options_, 4);
  session.dismiss_crew();
  session.take(100'000);
  const SourceStatus status = session.loader().status();
  EXPECT_EQ(skips_of(status, SkipReason::kEvaluatedDuplicate), 2u * 3 * 5);
  EXPECT_EQ(status.documents, 2 * (kTexts - 5 + kShort));
}

TEST_F(LoaderDuplicates, AStateWithoutTheTableIsRefused) {
  StreamState state = Session(small_loader(folder_.path()), 1).state();
  EXPECT_THROW(Session(options_, 1, &state), Error);
}

}  // namespace
}  // namespace pretrain
