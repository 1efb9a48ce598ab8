// SPDX-License-Identifier: Apache-2.0
#include "pipeline/loader_memory.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "pipeline/corpus/scan.h"
#include "pipeline/evaluation_set.h"
#include "tests/pipeline/loader_testing.h"
#include "tests/support/allocations/live_bytes.h"

namespace pretrain {
namespace {

using namespace test;

struct MemoryCase {
  const char* name;
  uint32_t context;
  uint64_t sequences;
  size_t queue;
  int64_t rows;
};

class LoaderMemoryTest : public testing::TestWithParam<MemoryCase> {
 protected:
  void SetUp() override {
    if (!kLiveBytesAreCounted) GTEST_SKIP() << "sanitizers replace what counts";
    (void)sample_tokenizer();
  }

  /// Buffer and queue get full within an epoch of documents that give one sequence each.
  LoaderOptions options() const {
    const MemoryCase& c = GetParam();
    const uint64_t documents = 3 * c.sequences + c.queue * static_cast<uint64_t>(c.rows);
    std::string lines;
    for (uint64_t i = 0; i < documents; ++i) lines += "{\"text\":\"abc\"}\n";
    folder_.write("corpus.jsonl", lines);
    LoaderOptions options = small_loader(folder_ / "corpus.jsonl", Packing::kChunk);
    options.assembler.rows = c.rows;
    options.assembler.buffer.capacity = c.sequences;
    options.assembler.buffer.context = c.context;
    options.queue_batches = c.queue;
    options.workers = 1;
    return options;
  }

  static void expect_within_a_tenth(int64_t bytes, const LoaderMemory& plan) {
    const auto planned = static_cast<double>(plan.total());
    EXPECT_LE(static_cast<double>(bytes), planned);
    EXPECT_GE(static_cast<double>(bytes), 0.9 * planned);
  }

  const TempFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Sizes, LoaderMemoryTest,
                         testing::Values(MemoryCase{"LargeQueue", 256, 40'000, 5'000, 16},
                                         MemoryCase{"ShortSequences", 32, 200'000, 200, 8}),
                         [](const auto& sizes) { return std::string(sizes.param.name); });

TEST_P(LoaderMemoryTest, IsWhatWasPlannedWhileItSavesAndWhenItResumes) {
  const LoaderOptions loader_options = options();
  const LoaderMemory plan = plan_loader_memory(loader_options);
  const int64_t before = live_bytes();
  begin_peak();
  StreamState state;
  {
    const auto loader = open_loader(loader_options);
    // The buffer takes in two sequences for each that leaves until it is full.
    for (Batch batch; loader->status().buffered_sequences + 1 < GetParam().sequences;)
      batch = next_of(*loader, {});
    for (int save = 0; save < 3; ++save) {
      state = {};
      state = loader->state({});
      Batch batch;
      for (int i = 0; i < 20; ++i) batch = next_of(*loader, {});
    }
    state = {};
    state = loader->state({});
    ASSERT_GE(loader->status().buffered_sequences + 1, GetParam().sequences);
    ASSERT_EQ(loader->status().queued_batches, GetParam().queue);
  }
  expect_within_a_tenth(peak_bytes() - before, plan);

  begin_peak();
  {
    Loader resumed(loader_options, sample_tokenizer(), {}, &state);
    ASSERT_EQ(resumed.status().queued_batches, GetParam().queue);
  }
  expect_within_a_tenth(peak_bytes() - before, plan);
}

class EvaluationMemory : public testing::Test {
 protected:
  void SetUp() override {
    if (!kLiveBytesAreCounted) GTEST_SKIP() << "sanitizers replace what counts";
    (void)sample_tokenizer();
  }

  /// The most that is held while text of so many bytes is collected, checked and read.
  int64_t peak_of(size_t bytes) const {
    folder_.write("text", std::string(bytes, 'a'));
    CorpusOptions corpus = small_loader(folder_ / "text").corpus;
    corpus.validation_fraction = 1;
    const Catalog catalog = scan_corpus(corpus);
    const Path path = folder_ / "evaluation.safetensors";
    const int64_t before = live_bytes();
    begin_peak();
    HeldOutText text(corpus, catalog, sample_tokenizer(), 64, {}, {});
    collect_evaluation_set(real_file_system(), path, text);
    const EvaluationSet set = open_evaluation_set(path, 64, sample_tokenizer(), {});
    EXPECT_GE(set.target_count, bytes);
    const SequenceReader read = set.open();
    std::vector<uint32_t> inputs(32 * 64);
    std::vector<int32_t> targets(32 * 64);
    while (read(inputs, targets) > 0) {
    }
    return peak_bytes() - before;
  }

  const TempFolder folder_;
};

TEST_F(EvaluationMemory, DoesNotGrowWithTheText) {
  const int64_t few = peak_of(1'000'000);
  EXPECT_LT(few, 12'000'000);
  EXPECT_LT(peak_of(3'000'000), few + 500'000);
}

}  // namespace
}  // namespace pretrain
