// SPDX-License-Identifier: Apache-2.0
// Malicious dumps, and folders that change while they are read. Memory is checked against a bound.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::compress;
using test::documents_of;
using test::kDumpFoot;
using test::kDumpHead;
using test::multistream;
using test::options_for;
using test::page_of;
using test::random_pages;
using test::Read;
using test::read_epoch;
using test::read_through;
using test::reasons_of;
using test::skips_of;
using test::TempFolder;
using testing::HasSubstr;

/// A dump of a good page, `hostile`, and a good page, in two forms.
void expect_good_pages_around(const std::string& hostile) {
  const std::string dump = kDumpHead + page_of("A", "first") + hostile + page_of("B", "second") + kDumpFoot;
  for (const Compression compression : {Compression::kNone, Compression::kBzip2}) {
    const TempFolder folder;
    folder.write("c/dump", compress(dump, compression));
    const Read read = read_through(options_for(folder / "c"));
    EXPECT_GE(read.statistics.documents, 2U);
    EXPECT_LE(read.statistics.documents, 3U);
    EXPECT_LT(read.grown_bytes, test::kMostMemory) << compression_name(compression);
    testing::Test::RecordProperty(std::string("grown_MiB_") + std::string(compression_name(compression)),
                                  static_cast<int>(read.grown_bytes >> 20));
  }
}

TEST(HostileDump, OfAPageOfAMillionBracesDoesNoHarm) {
  expect_good_pages_around(page_of("X", std::string(1'000'000, '{')));
  expect_good_pages_around(page_of("X", std::string(1'000'000, '[')));
}

TEST(HostileDump, OfOneVeryLongLineDoesNoHarm) {
  // A page of one line beyond what is held, and one that is not even closed.
  const std::string line(std::size_t{128} << 20, 'x');
  expect_good_pages_around(page_of("X", line));
  expect_good_pages_around("<page><title>X</title>" + line);
}

TEST(HostileDump, OfABombInsideABombIsReadOnce) {
  std::string bomb = compress(std::string(45'000'000, 'a'), Compression::kBzip2);
  for (int i = 0; i < 3; ++i) bomb = compress(bomb, Compression::kBzip2);
  const TempFolder folder;
  folder.write("c/a.bz2", bomb);
  folder.write("c/b", page_of("B", "second"));
  EXPECT_EQ(read_through(options_for(folder / "c")).statistics.documents, 1U);
}

TEST(HostileDump, WithABombAmongItsStreamsGivesItsPages) {
  const std::string bomb = compress(std::string(45'000'000, 'a'), Compression::kBzip2);
  const TempFolder folder;
  folder.write("c/dump.bz2", compress(kDumpHead + page_of("A", "first"), Compression::kBzip2) + bomb + bomb +
                                 compress(page_of("B", "second") + kDumpFoot, Compression::kBzip2));
  const Read read = read_through(options_for(folder / "c"));
  EXPECT_EQ(read.statistics.documents, 2U);
  EXPECT_LT(read.grown_bytes, test::kMostMemory);
}

TEST(HostileDump, OfNulBytesCostsThePagesThatHoldThem) {
  const std::string nuls(1000, '\0');
  expect_good_pages_around(page_of("X", "some" + nuls + "text"));
  expect_good_pages_around(nuls);
}

TEST(HostileDump, OfInvalidUtf8GivesThePageWithItsBytesReplaced) {
  const TempFolder folder;
  folder.write("c/dump", kDumpHead + page_of("A", "caf\xE9 \xF0\x9F \xC0\xAF.") + kDumpFoot);
  const auto tickets = read_epoch(options_for(folder / "c"));
  ASSERT_EQ(tickets[0].pieces.size(), 1U);
  EXPECT_GE(tickets[0].pieces[0].invalid_utf8, 3U);
  EXPECT_THAT(tickets[0].pieces[0].text, HasSubstr("caf\xEF\xBF\xBD "));
}

TEST(HostileFolder, OfRealBombsIsReadWithinTheBoundOnMemory) {
  const auto data = test::real_data_folder();
  if (!data) GTEST_SKIP() << "needs ../shared/data/nasty";
  const TempFolder folder;
  folder.write("c/dump", kDumpHead + page_of("A", "first") + kDumpFoot);
  for (const auto& file : std::filesystem::directory_iterator(*data / "nasty/bz2-lbzip2")) {
    std::filesystem::create_symlink(file.path(), folder.path() / "c" / file.path().filename());
  }
  const Read read = read_through(options_for(folder / "c"));
  EXPECT_EQ(read.statistics.pages, (std::map<int, uint64_t>{{0, 1}}));
  EXPECT_LT(read.grown_bytes, test::kMostMemory);
}

TEST(HostileFolder, OfFifosDevicesAndLoopsIsReadAround) {
  const TempFolder folder;
  folder.write("c/dump", kDumpHead + page_of("A", "first") + kDumpFoot);
  ASSERT_EQ(mkfifo((folder / "c/fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/zero", folder / "c/device");
  std::filesystem::create_symlink(folder / "c/loop", folder / "c/loop");
  std::filesystem::create_directory_symlink(folder / "c", folder / "c/again");
  const Read read = read_through(options_for(folder / "c"));
  EXPECT_EQ(read.statistics.documents, 1U);
}

/// A dump of several regions that changes while it is read: bzip2 multistream, and plain XML.
class ChangingDump : public testing::TestWithParam<Compression> {
 protected:
  ChangingDump() {
    write_dump(1);
    folder_.write("c/other", page_of("B", "second"));
    options_.on_changed = OnChanged::kSkip;
  }

  void write_dump(uint64_t seed) const {
    const auto pages = random_pages(seed, 100, 40'000);
    std::string plain = kDumpHead;
    for (const std::string& page : pages) plain += page;
    folder_.write("c/dump", GetParam() == Compression::kBzip2 ? multistream(pages, 5) : plain + kDumpFoot);
  }

  /// Reads three tickets, changes the dump, and reads the rest of the epoch.
  template <typename Change>
  std::vector<Ticket> read_around(const Change& change) {
    CorpusReader reader(options_, scan_corpus(options_), {}, Role::kTraining);
    std::vector<Ticket> tickets;
    while (tickets.size() < 3) tickets.push_back(reader.next().value());
    change();
    for (const Ticket& ticket : read_epoch(reader)) tickets.push_back(ticket);
    return tickets;
  }

  Path dump() const { return folder_ / "c/dump"; }

  TempFolder folder_;
  CorpusOptions options_ = options_for(folder_ / "c");
};

TEST_P(ChangingDump, ThatShrinksIsNamedAndPassedOver) {
  const auto tickets = read_around([&] { std::filesystem::resize_file(dump(), 300'000); });
  EXPECT_THAT(reasons_of(skips_of(tickets)), HasSubstr("1 x shard changed since the epoch began"));
  EXPECT_THAT(reasons_of(skips_of(tickets)), testing::Not(HasSubstr("truncated")));
  EXPECT_EQ(skips_of(tickets)[0].shard, "dump");
}

TEST_P(ChangingDump, ThatVanishesIsNamedAndPassedOver) {
  const auto tickets = read_around([&] { std::filesystem::remove(dump()); });
  EXPECT_EQ(reasons_of(skips_of(tickets)), "1 x shard changed since the epoch began");
}

TEST_P(ChangingDump, ThatIsReplacedIsReadToTheEndOfItsRegionAndThenNamed) {
  const auto tickets = read_around([&] {
    std::filesystem::remove(dump());
    write_dump(2);
  });
  EXPECT_EQ(reasons_of(skips_of(tickets)), "1 x shard changed since the epoch began");
}

TEST_P(ChangingDump, ThatBecomesAFifoIsNamedAndPassedOver) {
  const auto tickets = read_around([&] {
    std::filesystem::remove(dump());
    ASSERT_EQ(mkfifo(dump().c_str(), 0600), 0);
  });
  EXPECT_EQ(reasons_of(skips_of(tickets)), "1 x shard changed since the epoch began");
}

TEST_P(ChangingDump, ThatIsWrittenOverInPlaceCostsAtMostTheRegionBeingRead) {
  const auto before = documents_of(read_epoch(options_));
  const auto tickets = read_around([&] {
    const std::string bytes(std::filesystem::file_size(dump()), '<');
    std::ofstream(dump(), std::ios::in | std::ios::out) << bytes;
  });
  EXPECT_THAT(reasons_of(skips_of(tickets)), HasSubstr("1 x shard changed since the epoch began"));
  EXPECT_LT(documents_of(tickets).size(), before.size());
}

TEST_P(ChangingDump, EndsTheRunUnlessItIsToBePassedOver) {
  options_.on_changed = OnChanged::kFail;
  try {
    read_around([&] { std::filesystem::remove(dump()); });
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_THAT(error.what(), HasSubstr("shard dump changed since the epoch began: it is gone"));
    EXPECT_THAT(error.what(), HasSubstr("--on-changed skip"));
  }
}

TEST_P(ChangingDump, JoinsWithTheNextEpochOnceItsCopyIsComplete) {
  CorpusReader reader(options_, scan_corpus(options_), {}, Role::kTraining);
  const size_t first = documents_of(read_epoch(reader)).size();
  folder_.write("c/new.bz2.part", multistream(random_pages(3, 3, 1000), 1));
  EXPECT_EQ(documents_of(read_epoch(reader)).size(), first);
  std::filesystem::rename(folder_ / "c/new.bz2.part", folder_ / "c/new.bz2");
  EXPECT_EQ(documents_of(read_epoch(reader)).size(), first + 3);
}

TEST_P(ChangingDump, ThatGrowsDuringTheScanWaits) {
  const Path growing = folder_.write("c/a-growing", kDumpHead + page_of("G", "words"));
  std::atomic<bool> done{false};
  std::jthread writer([&] {
    std::ofstream file(growing, std::ios::app);
    while (!done) file << "x" << std::flush;
  });
  // The writer may not get a turn during one scan, which takes a millisecond.
  Catalog catalog = scan_corpus(options_);
  for (int i = 0; i < 10'000 && catalog.find("a-growing") != nullptr; ++i) catalog = scan_corpus(options_);
  done = true;
  EXPECT_EQ(catalog.find("a-growing"), nullptr);
  ASSERT_EQ(catalog.rejected.size(), 1U);
  EXPECT_THAT(catalog.rejected[0].reason, HasSubstr("still being written"));
}

INSTANTIATE_TEST_SUITE_P(Forms, ChangingDump, testing::Values(Compression::kNone, Compression::kBzip2),
                         [](const auto& form) { return std::string(compression_name(form.param)); });

}  // namespace
}  // namespace pretrain
