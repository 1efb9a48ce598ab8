// SPDX-License-Identifier: Apache-2.0
// What a look at the corpus reads, and when. Opens are counted by the kernel.

#include <array>
#include <chrono>
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/inotify.h>
#include <unistd.h>

#include "libs/base/process.h"
#include "pipeline/corpus/catalog_ahead.h"
#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::options_for;
using test::TempFolder;
using testing::ElementsAre;
using testing::IsEmpty;

/// The files of a folder that are opened while this lives.
class OpenedFiles {
 public:
  explicit OpenedFiles(const Path& folder) : descriptor_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    EXPECT_GE(inotify_add_watch(descriptor_, folder.c_str(), IN_OPEN), 0);
  }
  ~OpenedFiles() { close(descriptor_); }
  OpenedFiles(const OpenedFiles&) = delete;
  OpenedFiles& operator=(const OpenedFiles&) = delete;

  /// Names of the files opened since the last call.
  std::set<std::string> take() {
    std::set<std::string> names;
    alignas(inotify_event) std::array<char, 65536> events;
    for (ssize_t got = 0; (got = read(descriptor_, events.data(), events.size())) > 0;) {
      for (ssize_t at = 0; at < got;) {
        const auto* event = reinterpret_cast<const inotify_event*>(events.data() + at);
        if ((event->mask & IN_ISDIR) == 0 && event->len > 0) names.insert(event->name);
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    }
    return names;
  }

 private:
  int descriptor_;
};

std::string text(const std::string& words) {
  return "A text about " + words + ".\n";
}

/// Files that were written long ago.
class OldFiles {
 public:
  explicit OldFiles(int count) {
    for (int i = 0; i < count; ++i) write("text-" + std::to_string(i), text("number " + std::to_string(i)));
  }
  void write(const std::string& name, const std::string& content) const {
    make_old(folder_.write("c/" + name, content));
  }
  static void make_old(const Path& path) {
    std::filesystem::last_write_time(path,
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  }
  Path path() const { return folder_ / "c"; }
  Path operator/(const std::string& name) const { return path() / name; }
  CorpusOptions options() const { return options_for(path()); }

 private:
  TempFolder folder_;
};

std::string json_of(const Catalog& catalog) {
  return nlohmann::json(catalog).dump();
}

TEST(ScanCache, ReadsNoFileOfAnUnchangedCorpusAgain) {
  const OldFiles files(50);
  files.write("image", std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16));
  const Catalog first = scan_corpus(files.options());
  ASSERT_EQ(first.shards.size(), 50U);
  OpenedFiles opened(files.path());
  const Catalog again = scan_corpus(files.options(), &first);
  EXPECT_THAT(opened.take(), IsEmpty());
  EXPECT_EQ(json_of(again), json_of(first));
  EXPECT_THAT(again.rejected, testing::SizeIs(1));
  (void)scan_corpus(files.options(), &again);
  EXPECT_THAT(opened.take(), IsEmpty());
}

TEST(ScanCache, ReadsAFileAgainThatWasTouched) {
  const OldFiles files(3);
  const Catalog first = scan_corpus(files.options());
  const auto times = std::filesystem::last_write_time(files / "text-1");
  files.write("text-1", text("number X"));  // of the same size, and by its time too
  std::filesystem::last_write_time(files / "text-1", times);
  OpenedFiles opened(files.path());
  const Catalog again = scan_corpus(files.options(), &first);
  EXPECT_THAT(opened.take(), ElementsAre("text-1"));
  EXPECT_NE(again.find("text-1")->hash, first.find("text-1")->hash);
  EXPECT_EQ(json_of(again), json_of(scan_corpus(files.options())));
}

TEST(ScanCache, ReadsAFileThatTookTheNameOfAnother) {
  const OldFiles files(3);
  const Catalog first = scan_corpus(files.options());
  std::filesystem::rename(files / "text-2", files / "text-1");
  const Catalog again = scan_corpus(files.options(), &first);
  EXPECT_EQ(json_of(again), json_of(scan_corpus(files.options())));
}

/// It may have been written to since, in the same tick of the file system's clock.
TEST(ScanCache, DoesNotTrustTheTimeOfAFileThatWasWrittenJustNow) {
  const TempFolder folder;
  folder.write("c/new", text("the new"));
  const CorpusOptions options = options_for(folder / "c");
  const Catalog first = scan_corpus(options);
  OpenedFiles opened(folder / "c");
  (void)scan_corpus(options, &first);
  EXPECT_THAT(opened.take(), ElementsAre("new"));
}

TEST(ScanCache, OpensOnlyWhatIsNew) {
  const OldFiles files(20);
  const Catalog first = scan_corpus(files.options());
  files.write("text-new", text("the new"));
  std::filesystem::remove(files / "text-7");
  OpenedFiles opened(files.path());
  const Catalog again = scan_corpus(files.options(), &first);
  EXPECT_THAT(opened.take(), ElementsAre("text-new"));
  EXPECT_EQ(json_of(again), json_of(scan_corpus(files.options())));
}

TEST(Scan, TellsOfEachFileAndStopsBetweenTwo) {
  const OldFiles files(40);
  size_t told = 0;
  (void)scan_corpus(files.options(), nullptr, {.on_file = [&] { ++told; }});
  EXPECT_GE(told, 40U);
  std::stop_source stop;
  size_t left = 50;  // the listing comes first
  OpenedFiles opened(files.path());
  const auto stop_soon = [&] {
    if (--left == 0) stop.request_stop();
  };
  EXPECT_THROW((void)scan_corpus(files.options(), nullptr, {.stop = stop.get_token(), .on_file = stop_soon}),
               Stopped);
  EXPECT_LT(opened.take().size(), 40U);
}

TEST(CatalogAhead, FindsWhatIsNewAndTellsItsProgress) {
  const OldFiles files(20);
  const Catalog first = scan_corpus(files.options());
  files.write("text-new", text("the new"));
  CatalogAhead ahead(files.options(), first);
  const auto found = ahead.take({}, {});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(json_of(*found), json_of(scan_corpus(files.options())));
}

TEST(CatalogAhead, IsNothingWhenTheCorpusIsGoneAndEndsWithItsOwner) {
  const OldFiles files(5);
  const Catalog first = scan_corpus(files.options());
  { const CatalogAhead abandoned(files.options(), first); }
  std::filesystem::remove_all(files.path());
  CatalogAhead ahead(files.options(), first);
  EXPECT_FALSE(ahead.take({}, {}).has_value());
}

TEST(EpochEnd, ReadsEachFileForItsTextAlone) {
  constexpr uint64_t kFiles = 8;
  const OldFiles files(0);
  for (uint64_t i = 0; i < kFiles; ++i)
    files.write("text-" + std::to_string(i), test::random_text(i, 400'000));
  CorpusReader reader(files.options(), scan_corpus(files.options()), {}, Role::kTraining);
  (void)test::read_epoch(reader);
  for (int epoch = 1; epoch < 3; ++epoch) {
    const uint64_t before = process_effort().bytes_moved;
    (void)test::read_epoch(reader);
    const uint64_t moved = process_effort().bytes_moved - before;
    // To look at a file's content for its identity would be 160 KiB more for each.
    EXPECT_LT(moved, kFiles * 500'000) << epoch;
  }
}

TEST(EpochEnd, ATicketSequenceIsTheSameForALookAheadThatSawAnotherCorpus) {
  const OldFiles files(16);
  const CorpusOptions options = files.options();
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  std::optional<Ticket> ticket;
  do {
    ticket = reader.next();
    ASSERT_TRUE(ticket);
  } while (!ticket->ends_epoch);  // the scan for the next epoch has started in between
  files.write("text-last-minute", text("the last minute"));
  files.write("text-3", text("another number 3"));
  std::filesystem::remove(files / "text-5");
  const Catalog now = scan_corpus(options);
  (void)test::read_epoch(reader);
  EXPECT_EQ(json_of(reader.catalog()), json_of(now));
  EXPECT_NE(reader.catalog().find("text-last-minute"), nullptr);
  EXPECT_EQ(reader.catalog().find("text-5"), nullptr);
}

TEST(EpochEnd, TellsThatItsLookAdvances) {
  const OldFiles files(30);
  size_t told = 0;
  CorpusReader reader(files.options(), scan_corpus(files.options()), {}, Role::kTraining, {},
                      [&] { ++told; });
  (void)test::read_epoch(reader);
  EXPECT_EQ(told, 0U);
  ASSERT_TRUE(reader.next());
  EXPECT_GE(told, 30U);
}

TEST(EpochEnd, StopsWhileItLooks) {
  const OldFiles files(30);
  std::stop_source stop;
  CorpusReader reader(files.options(), scan_corpus(files.options()), {}, Role::kTraining,
                      {.stop = stop.get_token()}, [&] { stop.request_stop(); });
  (void)test::read_epoch(reader);
  EXPECT_THROW((void)reader.next(), Stopped);
}

}  // namespace
}  // namespace pretrain
