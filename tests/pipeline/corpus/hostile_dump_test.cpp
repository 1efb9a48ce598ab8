// Dumps made to do harm, and folders that change while they are read. Memory is held against a bound.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "pipeline/corpus/corpus_reader.h"
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
using test::read_epoch;
using test::reasons_of;
using test::skips_of;
using test::TempFolder;
using testing::HasSubstr;

/// Reads an epoch of a folder without keeping its text, and holds the memory of the process against the
/// bound.
struct Read {
  ReadStatistics statistics;
  uint64_t grown_bytes = 0;
};

/// The most memory that the process held since reset_peak().
uint64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    uint64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes << 10;
  }
  ADD_FAILURE() << "the system does not tell";
  return 0;
}

void reset_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

Read read_through(const CorpusOptions& options) {
  reset_peak();
  const uint64_t before = peak_bytes();
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  for (Ticket ticket; !ticket.ends_epoch && reader.next(ticket);) {
  }
  return {reader.statistics(), peak_bytes() - before};
}

/// A dump of a good page, `hostile`, and a good page, in two forms.
void expect_good_pages_around(const std::string& hostile) {
  const std::string dump = kDumpHead + page_of("A", "first") + hostile + page_of("B", "second") + kDumpFoot;
  for (const Compression compression : {Compression::kNone, Compression::kBzip2}) {
    const TempFolder folder;
    folder.write("c/dump", compress(dump, compression));
    const Read read = read_through(options_for(folder / "c"));
    EXPECT_GE(read.statistics.documents, 2U);
    EXPECT_LE(read.statistics.documents, 3U);
    EXPECT_LT(read.grown_bytes, uint64_t{256} << 20) << compression_name(compression);
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
  EXPECT_LT(read.grown_bytes, uint64_t{256} << 20);
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

class ChangingDump : public testing::Test {
 protected:
  ChangingDump() {
    folder_.write("c/dump.bz2", multistream(random_pages(1, 100, 40'000), 5));
    folder_.write("c/other", page_of("B", "second"));
    options_.on_changed = OnChanged::kSkip;
  }

  /// Reads three tickets, changes the dump, and reads the rest of the epoch.
  template <typename Change>
  std::vector<Ticket> read_around(const Change& change) {
    CorpusReader reader(options_, scan_corpus(options_), {}, Role::kTraining);
    std::vector<Ticket> tickets(3);
    for (Ticket& ticket : tickets) EXPECT_TRUE(reader.next(ticket));
    change();
    for (const Ticket& ticket : read_epoch(reader)) tickets.push_back(ticket);
    return tickets;
  }

  Path dump() const { return folder_ / "c/dump.bz2"; }

  TempFolder folder_;
  CorpusOptions options_ = options_for(folder_ / "c");
};

TEST_F(ChangingDump, ThatShrinksIsNamedAndPassedOver) {
  const auto tickets = read_around([&] { std::filesystem::resize_file(dump(), 300'000); });
  EXPECT_THAT(reasons_of(skips_of(tickets)), HasSubstr("1 x shard changed since the epoch began"));
  EXPECT_THAT(reasons_of(skips_of(tickets)), testing::Not(HasSubstr("truncated")));
  EXPECT_EQ(skips_of(tickets)[0].shard, "dump.bz2");
}

TEST_F(ChangingDump, ThatVanishesIsNamedAndPassedOver) {
  const auto tickets = read_around([&] { std::filesystem::remove(dump()); });
  EXPECT_EQ(reasons_of(skips_of(tickets)), "1 x shard changed since the epoch began");
}

TEST_F(ChangingDump, ThatIsReplacedIsReadToTheEndOfItsRegionAndThenNamed) {
  const auto tickets = read_around([&] {
    std::filesystem::remove(dump());
    folder_.write("c/dump.bz2", multistream(random_pages(2, 100, 40'000), 5));
  });
  EXPECT_EQ(reasons_of(skips_of(tickets)), "1 x shard changed since the epoch began");
}

TEST_F(ChangingDump, EndsTheRunUnlessItIsToBePassedOver) {
  options_.on_changed = OnChanged::kFail;
  try {
    read_around([&] { std::filesystem::remove(dump()); });
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_THAT(error.what(), HasSubstr("shard dump.bz2 changed since the epoch began: it is gone"));
    EXPECT_THAT(error.what(), HasSubstr("--on-changed skip"));
  }
}

TEST_F(ChangingDump, JoinsWithTheNextEpochOnceItsCopyIsComplete) {
  CorpusReader reader(options_, scan_corpus(options_), {}, Role::kTraining);
  const size_t first = documents_of(read_epoch(reader)).size();
  folder_.write("c/new.bz2.part", multistream(random_pages(3, 3, 1000), 1));
  EXPECT_EQ(documents_of(read_epoch(reader)).size(), first);
  std::filesystem::rename(folder_ / "c/new.bz2.part", folder_ / "c/new.bz2");
  EXPECT_EQ(documents_of(read_epoch(reader)).size(), first + 3);
}

TEST_F(ChangingDump, ThatGrowsDuringTheScanWaits) {
  const Path growing = folder_.write("c/a-growing", kDumpHead + page_of("G", "words"));
  std::atomic<bool> done{false};
  std::jthread writer([&] {
    std::ofstream file(growing, std::ios::app);
    while (!done) file << "x" << std::flush;
  });
  const Catalog catalog = scan_corpus(options_);
  done = true;
  EXPECT_EQ(catalog.find("a-growing"), nullptr);
  ASSERT_EQ(catalog.rejected.size(), 1U);
  EXPECT_THAT(catalog.rejected[0].reason, HasSubstr("still being written"));
}

}  // namespace
}  // namespace pretrain
