// SPDX-License-Identifier: Apache-2.0
// The stream contract for MediaWiki dumps: the same batches for any number of workers, and across resumes
// inside a bzip2 stream, at its end, and at the end of the file.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/pipeline/assembler_testing.h"
#include "tests/pipeline/corpus/corpus_testing.h"
#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

using namespace test;

/// The dump of the sample corpus as head, pages and foot.
std::vector<std::string> sample_pages(std::string& head, std::string& foot) {
  const std::string dump = read_file(source_folder() / "deploy/sample-corpus/sample-wiki.xml");
  std::vector<std::string> pages;
  size_t at = dump.find("  <page>");
  head = dump.substr(0, at);
  while (at != std::string::npos) {
    const size_t end = dump.find("</page>\n", at) + 8;
    pages.push_back(dump.substr(at, end - at));
    foot = dump.substr(end);
    at = dump.find("  <page>", end);
  }
  return pages;
}

/// Puts the dump of the sample corpus into the folder, in one of the forms that dumps come in.
void write_sample(const TempFolder& folder, const std::string& form) {
  std::string head;
  std::string foot;
  const auto pages = sample_pages(head, foot);
  std::string whole = head;
  for (const std::string& page : pages) whole += page;
  whole += foot;
  if (form == "plain") folder.write("wiki.xml", whole);
  if (form == "gzip") folder.write("wiki.xml.gz", compress(whole, Compression::kGzip));
  if (form == "bzip2") folder.write("wiki.xml.bz2", compress(whole, Compression::kBzip2));
  if (form != "multistream") return;
  std::string file = compress(head, Compression::kBzip2);
  for (size_t i = 0; i < pages.size(); i += 10) {
    std::string part;
    for (size_t k = i; k < std::min(pages.size(), i + 10); ++k) part += pages[k];
    file += compress(part, Compression::kBzip2);
  }
  folder.write("wiki-multistream.xml.bz2", file + compress(foot, Compression::kBzip2));
}

class LoaderDump : public testing::TestWithParam<const char*> {
 protected:
  LoaderDump() {
    const std::string form = GetParam();
    if (form == "regions") {  // hardly compressible, so that it is several
      folder_.write("a.bz2", multistream(random_pages(1, 40, 35'000), 3));
      std::string whole = kDumpHead;
      for (const std::string& page : random_pages(2, 40, 35'000)) whole += page;
      folder_.write("b.bz2", compress(whole + kDumpFoot, Compression::kBzip2));
    } else {
      write_sample(folder_, form);
    }
  }
  LoaderOptions options() const { return small_loader(folder_.path()); }

  const TempFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Loader, LoaderDump,
                         testing::Values("plain", "gzip", "bzip2", "multistream", "regions"),
                         [](const auto& tested) { return std::string(tested.param); });

constexpr size_t kBatches = 360;

/// The hashes of the first batches and the state after them.
std::pair<std::vector<uint64_t>, StreamState> run(const LoaderOptions& options, int workers) {
  Session session(options, workers);
  std::vector<uint64_t> hashes = hashes_of(session.take(kBatches));
  EXPECT_EQ(session.most_at_once(), static_cast<size_t>(workers));
  return {std::move(hashes), session.state()};
}

TEST_P(LoaderDump, GivesTheSameBatchesForAnyNumberOfWorkers) {
  const auto [expected, state] = run(options(), 1);
  ASSERT_EQ(expected.size(), kBatches);
  for (const int workers : {2, 4, 8}) {
    const auto [hashes, state_of_many] = run(options(), workers);
    EXPECT_EQ(hashes, expected) << workers << " workers";
    EXPECT_TRUE(same_state(state_of_many, state)) << workers << " workers";
  }
}

TEST_P(LoaderDump, GoesOnExactlyAfterEachOfManyResumes) {
  const auto expected = hashes_of(Session(options(), 1).take(kBatches));
  StreamState state = Session(options(), 1).state();
  const std::vector<int> crews{4, 1, 8, 2};
  size_t at = 0;
  for (size_t i = 0; at < kBatches; ++i) {
    Session session(options(), crews[i % crews.size()], &state);
    session.dismiss_crew();  // the first test shows that they all take part
    const size_t count = std::min<size_t>(kBatches - at, 7 + 6 * i);
    const auto batches = session.take(count);
    ASSERT_EQ(hashes_of(batches), std::vector(expected.begin() + static_cast<int64_t>(at),
                                              expected.begin() + static_cast<int64_t>(at + count)))
        << "from batch " << at;
    at += count;
    state = through_text(session.state());
  }
}

/// Without the corpus of several regions, whose epochs are long.
class LoaderDumpEnd : public LoaderDump {};

INSTANTIATE_TEST_SUITE_P(Loader, LoaderDumpEnd, testing::Values("plain", "gzip", "bzip2", "multistream"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(LoaderDumpEnd, EndsABoundedStreamWithTheSameBatches) {
  LoaderOptions bounded = options();
  bounded.assembler.epochs = 1;
  const auto expected = hashes_of(Session(bounded, 1).take(10'000));
  for (const size_t left : {0U, 1U, 6U, 20U, 40U}) {
    Session first(bounded, 4);
    first.dismiss_crew();
    first.take(expected.size() - left);
    const StreamState state = through_text(first.state());
    Session second(bounded, 2, &state);
    second.dismiss_crew();
    EXPECT_EQ(hashes_of(second.take(10'000)),
              std::vector(expected.end() - static_cast<int64_t>(left), expected.end()))
        << left;
  }
}

TEST(LoaderDumps, OfTheSameArticlesAreTheSameStreamPlainAndWithoutRegions) {
  std::vector<std::vector<uint64_t>> streams;
  for (const char* form : {"plain", "gzip", "bzip2", "multistream"}) {
    const TempFolder folder;
    write_sample(folder, form);
    streams.push_back(hashes_of(Session(small_loader(folder.path()), 2).take(100)));
  }
  for (const auto& stream : streams) EXPECT_EQ(stream, streams[0]);
}

}  // namespace
}  // namespace pretrain
