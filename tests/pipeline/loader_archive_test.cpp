// SPDX-License-Identifier: Apache-2.0
// The stream contract for archives: the same batches for any number of workers, and across resumes inside a member,
// between members and at the end of the archive.

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/pipeline/assembler_testing.h"
#include "tests/pipeline/corpus/corpus_testing.h"
#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

using namespace test;

constexpr size_t kMembers = 12;

/// One member of 20 kB or so.
std::string text_member(size_t number) {
  return random_text(number, 20'000);
}
std::string jsonl_member(size_t number) {
  return random_shard(TextFormat::kJsonl, number, 20, 1000);
}
std::string dump_member(size_t number) {
  return kDumpHead + random_shard(TextFormat::kMediaWiki, number, 20, 1000) + kDumpFoot;
}
/// Pages as Wikimedia Enterprise has them: a line of JSON each, with their text as HTML.
std::string ndjson_member(size_t number) {
  std::string lines;
  for (size_t i = 0; i < 20; ++i) {
    const std::string html = "<p>" + random_text(100 * number + i, 1000) + "</p>";
    const nlohmann::json page{{"name", fmt::format("Page {} of {}", i, number)},
                              {"namespace", {{"identifier", 0}}},
                              {"article_body", {{"html", html}}}};
    lines += page.dump() + "\n";
  }
  return lines;
}
std::string any_member(size_t number) {
  const std::function<std::string(size_t)> makers[] = {text_member, jsonl_member, dump_member, ndjson_member};
  return makers[number % std::size(makers)](number);
}
/// Compressed itself, each with another compression.
std::string packed_member(size_t number) {
  constexpr Compression kPacked[] = {Compression::kGzip, Compression::kBzip2, Compression::kXz,
                                     Compression::kZstd, Compression::kNone};
  return compress(any_member(number), kPacked[number % std::size(kPacked)]);
}

struct Archive {
  const char* name;
  Compression compression;
  std::string (*member)(size_t number);
};

class LoaderArchive : public testing::TestWithParam<Archive> {
 protected:
  LoaderArchive() {
    std::vector<std::string> files;
    for (size_t i = 0; i < kMembers; ++i)
      files.push_back(in_tar(fmt::format("part/{:02}", i), GetParam().member(i)));
    folder_.write("c/corpus", compress(tar(files), GetParam().compression));
  }
  LoaderOptions options() const { return small_loader(folder_ / "c"); }

  const TempFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Loader, LoaderArchive,
                         testing::Values(Archive{"text", Compression::kNone, text_member},
                                         Archive{"text_gzip", Compression::kGzip, text_member},
                                         Archive{"jsonl_gzip", Compression::kGzip, jsonl_member},
                                         Archive{"dumps", Compression::kNone, dump_member},
                                         Archive{"dumps_gzip", Compression::kGzip, dump_member},
                                         Archive{"ndjson_gzip", Compression::kGzip, ndjson_member},
                                         Archive{"all_bzip2", Compression::kBzip2, any_member},
                                         Archive{"packed", Compression::kNone, packed_member},
                                         Archive{"packed_gzip", Compression::kGzip, packed_member}),
                         [](const auto& tested) { return std::string(tested.param.name); });

constexpr size_t kBatches = 320;  // more than an epoch

/// The hashes of the first batches and the state after them.
std::pair<std::vector<uint64_t>, StreamState> run(const LoaderOptions& options, int workers) {
  Session session(options, workers);
  std::vector<uint64_t> hashes = hashes_of(session.take(kBatches));
  EXPECT_EQ(session.most_at_once(), static_cast<size_t>(workers));
  return {std::move(hashes), session.state()};
}

TEST_P(LoaderArchive, GivesTheSameBatchesForAnyNumberOfWorkers) {
  const auto [expected, state] = run(options(), 1);
  ASSERT_EQ(expected.size(), kBatches);
  EXPECT_GE(state.scalars.at("epoch").get<int>(), 1);
  for (const int workers : {2, 4, 8}) {
    const auto [hashes, state_of_many] = run(options(), workers);
    EXPECT_EQ(hashes, expected) << workers << " workers";
    EXPECT_TRUE(same_state(state_of_many, state)) << workers << " workers";
  }
}

TEST_P(LoaderArchive, ContinuesExactlyAfterEachOfManyResumes) {
  constexpr size_t kStride = 29;
  const std::vector<uint64_t> expected = hashes_of(Session(options(), 1).take(kBatches));
  std::vector<uint64_t> hashes;
  StreamState state = Session(options(), 1).state();
  for (int workers = 1; hashes.size() < kBatches; workers = workers == 8 ? 1 : 2 * workers) {
    Session session(options(), workers, &state);
    session.dismiss_crew();  // the test above shows that they all take part
    for (const Batch& batch : session.take(std::min(kStride, kBatches - hashes.size())))
      hashes.push_back(batch.hash);
    state = through_text(session.state());
  }
  EXPECT_EQ(hashes, expected);
}

}  // namespace
}  // namespace pretrain
