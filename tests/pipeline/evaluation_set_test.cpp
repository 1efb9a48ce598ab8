// SPDX-License-Identifier: Apache-2.0
#include "pipeline/evaluation_set.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/checkpoint/safetensors.h"
#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"
#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

using namespace test;

constexpr uint32_t kContext = 32;

class EvaluationSetTest : public testing::Test {
 protected:
  EvaluationSetTest() {
    copy_sample_corpus(folder_, Compression::kNone);
    options_ = options_for(folder_.path(), 0.2);
  }
  HeldOutText text(const HeldOutLimits& limits, const std::stop_token& stop = {}) const {
    return HeldOutText(options_, scan_corpus(options_), sample_tokenizer(), kContext, limits, stop);
  }
  /// In memory, from reads of so many sequences at once.
  EvaluationData collect(const HeldOutLimits& limits, uint64_t at_once = 7) const {
    HeldOutText held_out = text(limits);
    EvaluationData data{.context = kContext};
    std::vector<uint32_t> inputs(at_once * kContext);
    std::vector<int32_t> targets(at_once * kContext);
    while (const uint64_t rows = held_out.read(inputs, targets)) {
      data.inputs.insert(data.inputs.end(), inputs.begin(),
                         inputs.begin() + static_cast<int64_t>(rows * kContext));
      data.targets.insert(data.targets.end(), targets.begin(),
                          targets.begin() + static_cast<int64_t>(rows * kContext));
    }
    EXPECT_EQ(held_out.sequences(), data.sequences());
    data.target_count = held_out.target_count();
    data.target_bytes = held_out.target_bytes();
    return data;
  }
  EvaluationData collect(uint64_t sequences) const { return collect(HeldOutLimits{.sequences = sequences}); }

  void store(uint64_t sequences) const {
    HeldOutText held_out = text({.sequences = sequences});
    collect_evaluation_set(real_file_system(), path_, held_out);
  }
  EvaluationSet open(uint32_t context = kContext) const {
    return open_evaluation_set(path_, context, sample_tokenizer(), {});
  }
  std::vector<std::string> documents(Role role) const { return documents_of(read_epoch(options_, role)); }

  const TempFolder folder_;
  const TempFolder state_;
  const Path path_ = state_ / "evaluation.safetensors";
  CorpusOptions options_;
};

void replace_file(const Path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

/// The text of the targets, cut into documents; the first lacks its first token.
std::vector<std::string> documents_in(const EvaluationData& data) {
  std::vector<std::string> documents;
  std::vector<uint32_t> ids;
  for (const int32_t target : data.targets) {
    if (target < 0) continue;
    ids.push_back(static_cast<uint32_t>(target));
    if (ids.back() != sample_tokenizer().end_of_text()) continue;
    documents.push_back(sample_tokenizer().decode(ids));
    ids.clear();
  }
  return documents;
}

TEST_F(EvaluationSetTest, IsTheSameForTheSameSeed) {
  const EvaluationData data = collect(20);
  EXPECT_EQ(data.sequences(), 20u);
  EXPECT_EQ(hash_of(collect(20)), hash_of(data));
  options_.seed = 3;
  EXPECT_NE(hash_of(collect(20)), hash_of(data));
}

TEST_F(EvaluationSetTest, IsTheBeginningOfALargerOne) {
  const EvaluationData few = collect(10);
  const EvaluationData many = collect(30);
  EXPECT_EQ(few.inputs, std::vector<uint32_t>(many.inputs.begin(), many.inputs.begin() + 10 * kContext));
}

TEST_F(EvaluationSetTest, HoldsExactlyTheHeldOutDocuments) {
  const auto held_out = documents(Role::kHeldOut);
  ASSERT_GT(held_out.size(), 10u);
  auto found = documents_in(collect(1'000'000));
  ASSERT_EQ(found.size(), held_out.size());
  EXPECT_EQ(found[0], held_out[0].substr(1));
  for (size_t i = 1; i < found.size(); ++i) EXPECT_EQ(found[i], held_out[i]);
}

TEST_F(EvaluationSetTest, SharesNoDocumentWithTheTrainingText) {
  const auto training = documents(Role::kTraining);
  const auto evaluated = documents_in(collect(1'000'000));
  for (const std::string& document : evaluated) {
    for (const std::string& text : training) EXPECT_EQ(text.find(document), std::string::npos);
  }
  options_.validation_fraction = 0;
  EXPECT_EQ(training.size() + evaluated.size(), documents(Role::kTraining).size());
}

TEST_F(EvaluationSetTest, CountsTargetsAndTheirBytes) {
  const EvaluationData data = collect(1'000'000);
  const auto documents = documents_in(data);
  uint64_t bytes = 0;
  for (const std::string& document : documents) bytes += document.size();
  EXPECT_EQ(data.target_bytes, bytes);
  uint64_t targets = 0;
  for (const int32_t target : data.targets) targets += target >= 0 ? 1 : 0;
  EXPECT_EQ(data.target_count, targets);
  EXPECT_LT(targets, data.targets.size()) << "the last sequence is padded";
}

TEST_F(EvaluationSetTest, IsEmptyWhenNothingIsHeldOut) {
  options_.validation_fraction = 0;
  const EvaluationData data = collect(20);
  EXPECT_EQ(data.sequences(), 0u);
  EXPECT_EQ(data.target_count, 0u);
}

TEST_F(EvaluationSetTest, DoesNotDependOnHowMuchIsReadAtOnce) {
  const std::string hash = hash_of(collect(HeldOutLimits{}, 1));
  for (const uint64_t at_once : {3u, 64u, 100'000u})
    EXPECT_EQ(hash_of(collect(HeldOutLimits{}, at_once)), hash) << at_once;
}

TEST_F(EvaluationSetTest, HasExactlyTheTokensThatAreAskedFor) {
  const EvaluationData all = collect(HeldOutLimits{});
  for (const uint64_t tokens : {1u, 10u, 31u, 32u, 33u, 100u}) {
    const EvaluationData some = collect({.targets = tokens});
    EXPECT_EQ(some.target_count, tokens);
    EXPECT_EQ(some.sequences(), (tokens + kContext - 1) / kContext);
    for (size_t i = 0; i < some.targets.size(); ++i)
      EXPECT_EQ(some.targets[i], i < tokens ? all.targets[i] : -1);
    EXPECT_LE(some.target_bytes, all.target_bytes);
  }
}

TEST_F(EvaluationSetTest, OfARunHasWholeSequencesUnlessItIsLessThanOne) {
  const auto size = [&](uint64_t tokens) {
    const EvaluationData data = collect(whole_sequences(tokens, kContext));
    return std::pair(data.sequences(), data.target_count);
  };
  EXPECT_EQ(size(0), std::pair(uint64_t{0}, uint64_t{0}));
  EXPECT_EQ(size(10), std::pair(uint64_t{1}, uint64_t{10}));
  EXPECT_EQ(size(32), std::pair(uint64_t{1}, uint64_t{32}));
  EXPECT_EQ(size(63), std::pair(uint64_t{1}, uint64_t{32}));
  EXPECT_EQ(size(100), std::pair(uint64_t{3}, uint64_t{96}));
}

TEST_F(EvaluationSetTest, StopsOnRequest) {
  std::stop_source stop;
  stop.request_stop();
  HeldOutText held_out = text({}, stop.get_token());
  EXPECT_THROW(collect_evaluation_set(real_file_system(), path_, held_out), Stopped);
  EXPECT_TRUE(list_folder(state_.path()).empty()) << "something is left behind";
  store(4);
  EXPECT_THROW(open_evaluation_set(path_, kContext, sample_tokenizer(), stop.get_token()), Stopped);
}

TEST_F(EvaluationSetTest, ComesBackAsItWasStored) {
  const EvaluationData data = collect(HeldOutLimits{});
  store(1'000'000);
  const EvaluationSet set = open();
  EXPECT_EQ(set.context, kContext);
  EXPECT_EQ(set.sequences, data.sequences());
  EXPECT_EQ(set.target_count, data.target_count);
  EXPECT_EQ(set.target_bytes, data.target_bytes);
  EXPECT_EQ(set.hash, hash_of(data));
  for (int evaluation = 0; evaluation < 2; ++evaluation) {
    const SequenceReader read = set.open();
    std::vector<uint32_t> inputs(5 * kContext);
    std::vector<int32_t> targets(5 * kContext);
    auto expected_input = data.inputs.begin();
    auto expected_target = data.targets.begin();
    while (const uint64_t rows = read(inputs, targets)) {
      const auto count = static_cast<int64_t>(rows * kContext);
      ASSERT_LE(count, data.inputs.end() - expected_input);
      EXPECT_TRUE(std::equal(inputs.begin(), inputs.begin() + count, expected_input));
      EXPECT_TRUE(std::equal(targets.begin(), targets.begin() + count, expected_target));
      expected_input += count;
      expected_target += count;
    }
    EXPECT_EQ(expected_input, data.inputs.end());
  }
  EXPECT_EQ(list_folder(state_.path()).size(), 1u) << "something else is left behind";
}

/// So that versions before and after it open each other's files.
TEST_F(EvaluationSetTest, IsStoredAsWhatWriteSafetensorsMakesOfIt) {
  const EvaluationData data = collect(HeldOutLimits{});
  store(1'000'000);
  const SafetensorsFile file = SafetensorsFile::open(path_);
  const std::vector<uint64_t> shape{data.sequences(), kContext};
  std::string expected;
  write_safetensors(std::vector<TensorSource>{{.name = "inputs",
                                               .dtype = DType::kU32,
                                               .shape = shape,
                                               .data = std::as_bytes(std::span(data.inputs))},
                                              {.name = "targets",
                                               .dtype = DType::kI32,
                                               .shape = shape,
                                               .data = std::as_bytes(std::span(data.targets))}},
                    file.metadata(), false, [&](std::span<const std::byte> piece) {
                      expected.append(reinterpret_cast<const char*>(piece.data()), piece.size());
                    });
  EXPECT_EQ(read_file(path_), expected);
}

TEST_F(EvaluationSetTest, TakesTheRestOfAKilledCollectionAway) {
  replace_file(Path(path_) += ".collecting", "half");
  replace_file(Path(path_) += ".tmp", "half");
  store(4);
  EXPECT_EQ(open().sequences, 4u);
  EXPECT_EQ(list_folder(state_.path()).size(), 1u);
}

TEST_F(EvaluationSetTest, ComesBackWhenItIsEmpty) {
  options_.validation_fraction = 0;
  store(20);
  EXPECT_EQ(open().sequences, 0u);
  EXPECT_EQ(open().target_count, 0u);
}

TEST_F(EvaluationSetTest, IsADataErrorForAnotherContext) {
  store(4);
  expect_error(ErrorKind::kData, "context 64", [&] { open(64); });
}

TEST_F(EvaluationSetTest, IsADataErrorWhenAnyByteIsFlipped) {
  store(2);
  const std::string content = read_file(path_);
  for (size_t i = 0; i < content.size(); ++i) {
    std::string damaged = content;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    replace_file(path_, damaged);
    expect_error(ErrorKind::kData, path_.string(), [&] { open(); });
    ASSERT_FALSE(HasFailure()) << "byte " << i << " of " << content.substr(0, 400);
  }
}

TEST_F(EvaluationSetTest, IsADataErrorWhenItIsCut) {
  store(2);
  const std::string content = read_file(path_);
  for (size_t size = 0; size < content.size(); size += 13) {
    replace_file(path_, content.substr(0, size));
    expect_error(ErrorKind::kData, path_.string(), [&] { open(); });
  }
}

/// A forged file with a correct hash.
void write_set(const Path& path, EvaluationData data) {
  const std::string checksum =
      hex64(hash64(fmt::format("{} {} {}", hash_of(data), data.target_count, data.target_bytes)));
  const std::vector<uint64_t> shape{data.sequences(), data.context};
  std::string content;
  write_safetensors(std::vector<TensorSource>{{.name = "inputs",
                                               .dtype = DType::kU32,
                                               .shape = shape,
                                               .data = std::as_bytes(std::span(data.inputs))},
                                              {.name = "targets",
                                               .dtype = DType::kI32,
                                               .shape = shape,
                                               .data = std::as_bytes(std::span(data.targets))}},
                    {{"hash", checksum},
                     {"target_count", std::to_string(data.target_count)},
                     {"target_bytes", std::to_string(data.target_bytes)}},
                    false, [&](std::span<const std::byte> piece) {
                      content.append(reinterpret_cast<const char*>(piece.data()), piece.size());
                    });
  replace_file(path, content);
}

TEST_F(EvaluationSetTest, IsADataErrorForIdsAndCountsThatCannotBe) {
  const EvaluationData sound = collect(4);
  write_set(path_, sound);
  EXPECT_EQ(open().hash, hash_of(sound));
  const uint32_t vocabulary = sample_tokenizer().vocabulary_size();
  for (const uint32_t id : {vocabulary, 0x7fffffffu, 0xffffffffu}) {
    EvaluationData data = sound;
    data.inputs[kContext + 3] = id;
    write_set(path_, data);
    expect_error(ErrorKind::kData, fmt::format("inputs[1, 3] is {}", id), [&] { open(); });
    data = sound;
    data.targets[2] = static_cast<int32_t>(id == 0xffffffffu ? id - 1 : id);
    write_set(path_, data);
    expect_error(ErrorKind::kData, "targets[0, 2] is ", [&] { open(); });
  }
  for (const uint64_t count : {uint64_t{0}, sound.target_count - 1, ~uint64_t{0}}) {
    EvaluationData data = sound;
    data.target_count = count;
    write_set(path_, data);
    expect_error(ErrorKind::kData, "target_count", [&] { open(); });
    data = sound;
    data.target_bytes = count;
    write_set(path_, data);
    expect_error(ErrorKind::kData, "target_bytes", [&] { open(); });
  }
}

}  // namespace
}  // namespace pretrain
