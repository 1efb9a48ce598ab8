#include "pipeline/evaluation_set.h"

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/pipeline/corpus/corpus_testing.h"
#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

using namespace test;

constexpr uint32_t kContext = 32;

class EvaluationSet : public testing::Test {
 protected:
  EvaluationSet() {
    copy_sample_corpus(folder_, Compression::kNone);
    options_ = options_for(folder_.path(), 0.2);
  }
  EvaluationData collect(uint64_t sequences) const {
    return collect_evaluation_set(options_, scan_corpus(options_), sample_tokenizer(), kContext, sequences,
                                  {});
  }
  std::vector<std::string> documents(Role role) const { return documents_of(read_epoch(options_, role)); }

  const TempFolder folder_;
  CorpusOptions options_;
};

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

TEST_F(EvaluationSet, IsTheSameForTheSameSeed) {
  const EvaluationData data = collect(20);
  EXPECT_EQ(data.sequences(), 20u);
  EXPECT_EQ(hash_of(collect(20)), hash_of(data));
  options_.seed = 3;
  EXPECT_NE(hash_of(collect(20)), hash_of(data));
}

TEST_F(EvaluationSet, IsTheBeginningOfALargerOne) {
  const EvaluationData few = collect(10);
  const EvaluationData many = collect(30);
  EXPECT_EQ(few.inputs, std::vector<uint32_t>(many.inputs.begin(), many.inputs.begin() + 10 * kContext));
}

TEST_F(EvaluationSet, HoldsExactlyTheHeldOutDocuments) {
  const auto held_out = documents(Role::kHeldOut);
  ASSERT_GT(held_out.size(), 10u);
  auto found = documents_in(collect(1'000'000));
  ASSERT_EQ(found.size(), held_out.size());
  EXPECT_EQ(found[0], held_out[0].substr(1));
  for (size_t i = 1; i < found.size(); ++i) EXPECT_EQ(found[i], held_out[i]);
}

TEST_F(EvaluationSet, SharesNoDocumentWithTheTrainingText) {
  const auto training = documents(Role::kTraining);
  const auto evaluated = documents_in(collect(1'000'000));
  for (const std::string& document : evaluated) {
    for (const std::string& text : training) EXPECT_EQ(text.find(document), std::string::npos);
  }
  options_.validation_fraction = 0;
  EXPECT_EQ(training.size() + evaluated.size(), documents(Role::kTraining).size());
}

TEST_F(EvaluationSet, CountsTargetsAndTheirBytes) {
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

TEST_F(EvaluationSet, IsEmptyWhenNothingIsHeldOut) {
  options_.validation_fraction = 0;
  const EvaluationData data = collect(20);
  EXPECT_EQ(data.sequences(), 0u);
  EXPECT_EQ(data.target_count, 0u);
}

TEST_F(EvaluationSet, StopsOnRequest) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(collect_evaluation_set(options_, scan_corpus(options_), sample_tokenizer(), kContext, 20,
                                      stop.get_token()),
               Stopped);
}

TEST_F(EvaluationSet, ComesBackAsItWasSaved) {
  const Path path = folder_ / "evaluation.safetensors";
  const EvaluationData data = collect(1'000'000);
  save_evaluation_set(real_file_system(), path, data);
  const EvaluationData loaded = load_evaluation_set(path, kContext);
  EXPECT_EQ(loaded.context, kContext);
  EXPECT_EQ(loaded.inputs, data.inputs);
  EXPECT_EQ(loaded.targets, data.targets);
  EXPECT_EQ(loaded.target_count, data.target_count);
  EXPECT_EQ(loaded.target_bytes, data.target_bytes);
}

TEST_F(EvaluationSet, ComesBackWhenItIsEmpty) {
  options_.validation_fraction = 0;
  const Path path = folder_ / "evaluation.safetensors";
  save_evaluation_set(real_file_system(), path, collect(20));
  EXPECT_EQ(load_evaluation_set(path, kContext).sequences(), 0u);
}

TEST_F(EvaluationSet, IsADataErrorForAnotherContext) {
  const Path path = folder_ / "evaluation.safetensors";
  save_evaluation_set(real_file_system(), path, collect(4));
  expect_error(ErrorKind::kData, "context 64", [&] { load_evaluation_set(path, 64); });
}

void replace_file(const Path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

TEST_F(EvaluationSet, IsADataErrorWhenAnyByteIsFlipped) {
  const Path path = folder_ / "evaluation.safetensors";
  save_evaluation_set(real_file_system(), path, collect(2));
  const std::string content = read_file(path);
  for (size_t i = 0; i < content.size(); ++i) {
    std::string damaged = content;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    replace_file(path, damaged);
    expect_error(ErrorKind::kData, path.string(), [&] { load_evaluation_set(path, kContext); });
    ASSERT_FALSE(HasFailure()) << "byte " << i << " of " << content.substr(0, 400);
  }
}

TEST_F(EvaluationSet, IsADataErrorWhenItIsCut) {
  const Path path = folder_ / "evaluation.safetensors";
  save_evaluation_set(real_file_system(), path, collect(2));
  const std::string content = read_file(path);
  for (size_t size = 0; size < content.size(); size += 13) {
    replace_file(path, content.substr(0, size));
    expect_error(ErrorKind::kData, path.string(), [&] { load_evaluation_set(path, kContext); });
  }
}

}  // namespace
}  // namespace pretrain
