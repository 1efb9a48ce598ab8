// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/dump_index.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::compress;
using test::documents_of;
using test::multistream;
using test::options_for;
using test::random_pages;
using test::read_epoch;
using test::TempFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kDumpName = "c/wiki-multistream.xml.bz2";
constexpr const char* kIndexName = "c/wiki-multistream-index.txt.bz2";

/// The lines that a published index has for these streams, several pages each.
std::string index_of(std::string_view dump, size_t lines_per_stream = 3) {
  constexpr std::string_view kStart = "BZh91AY&SY";
  std::string index;
  for (size_t at = dump.find(kStart); at != std::string_view::npos; at = dump.find(kStart, at + 1)) {
    for (size_t i = 0; i < lines_per_stream; ++i) index += fmt::format("{}:{}:A: title\n", at, i + 10);
  }
  return index;
}

/// A dump of twelve streams of pages, written with an index as given.
class IndexedDump : public testing::Test {
 protected:
  std::vector<std::string> warnings_with(const std::string& dump, const std::string& packed_index) {
    folder_.write(kDumpName, dump);
    folder_.write(kIndexName, packed_index);
    return scan_corpus(options_for(folder_ / "c")).warnings;
  }
  std::vector<std::string> warnings_for(const std::string& dump, const std::string& index) {
    return warnings_with(dump, compress(index, Compression::kBzip2));
  }

  TempFolder folder_;
  std::string dump_ = multistream(random_pages(1, 60, 20'000), 5);
};

TEST(DumpIndex, IsRecognizedAndNotRead) {
  const TempFolder folder;
  const std::string index = "616:10:AccessibleComputing\n616:12:Anarchism\n7000:13:A: b\n";
  folder.write("c/dump-multistream-index.txt.bz2", compress(index, Compression::kBzip2));
  folder.write("c/index.txt", index);
  folder.write("c/text", "10:20 begins a line of text\nand 616:10 too");
  const Catalog catalog = scan_corpus(options_for(folder / "c"));
  EXPECT_EQ(catalog.shards.size(), 1U);
  ASSERT_EQ(catalog.rejected.size(), 2U);
  EXPECT_THAT(catalog.rejected[0].reason, HasSubstr("index of a multistream dump"));
  EXPECT_TRUE(catalog.rejected[0].is_dump_index);
}

TEST(DumpIndex, NamesItsDump) {
  EXPECT_EQ(dump_of_index("a-pages-articles-multistream-index.txt.bz2"),
            "a-pages-articles-multistream.xml.bz2");
  EXPECT_EQ(dump_of_index("en/a-multistream-index1.txt-p1p41242.bz2"), "en/a-multistream1.xml-p1p41242.bz2");
  EXPECT_EQ(dump_of_index("a-multistream-index.txt"), "a-multistream.xml.bz2");
  EXPECT_EQ(dump_of_index("index.txt"), "");
  EXPECT_EQ(dump_of_index("a-index.md"), "");
}

TEST_F(IndexedDump, RaisesNoDoubtWhenItIsWhole) {
  EXPECT_THAT(warnings_for(dump_, index_of(dump_)), IsEmpty());
  EXPECT_THAT(warnings_with(dump_, index_of(dump_)), IsEmpty()) << "an index that was unpacked";
}

TEST_F(IndexedDump, ThatEndsBeforeItsIndexDoesIsNamedAndRead) {
  const auto cut = dump_.substr(0, dump_.size() / 2);
  EXPECT_THAT(
      warnings_for(cut, index_of(dump_)),
      ElementsAre(AllOf(HasSubstr("wiki-multistream.xml.bz2 ends at byte "), HasSubstr("cut short"))));
  EXPECT_GE(documents_of(read_epoch(options_for(folder_ / "c"))).size(), 20U);
}

TEST_F(IndexedDump, ThatEndsBeforeAllOfItsPagesIsNamedAsCutShort) {
  const std::string head = dump_.substr(0, dump_.find("BZh91AY&SY", 1));
  const std::string published =
      index_of(dump_).substr(index_of(head).size());  // it names streams of pages only
  EXPECT_THAT(warnings_for(head, published), ElementsAre(HasSubstr("cut short")));
}

TEST_F(IndexedDump, ThatBelongsToAnotherIndexIsNamedAndRead) {
  const std::string other = multistream(random_pages(2, 60, 30'000), 5);
  EXPECT_THAT(warnings_for(dump_, index_of(other)),
              ElementsAre(AllOf(HasSubstr("wiki-multistream-index.txt.bz2 is not the index of "),
                                HasSubstr("wiki-multistream.xml.bz2"))));
  EXPECT_EQ(documents_of(read_epoch(options_for(folder_ / "c"))).size(), 60U);
}

TEST_F(IndexedDump, WithADamagedStreamIsStillTheOneOfItsIndex) {
  std::string damaged = dump_;
  damaged[damaged.find("BZh91AY&SY", damaged.size() / 2)] ^= 1;
  EXPECT_THAT(warnings_for(damaged, index_of(dump_)), IsEmpty());
}

TEST_F(IndexedDump, IsHeldAgainstTheEndOfALongIndex) {
  // Some MiB of lines in several blocks; only the very last one lies beyond the dump.
  const std::string index = index_of(dump_, 20'000);
  const std::string beyond = fmt::format("{}:7:Z\n", dump_.size() + 1);
  EXPECT_THAT(warnings_for(dump_, index), IsEmpty());
  EXPECT_THAT(warnings_for(dump_, index + beyond), ElementsAre(HasSubstr("cut short")));
  EXPECT_THAT(warnings_with(dump_, index + beyond), ElementsAre(HasSubstr("cut short")));
}

TEST_F(IndexedDump, WithADamagedIndexIsReadWithoutAWord) {
  std::string packed = compress(index_of(dump_, 20'000), Compression::kBzip2);
  EXPECT_THAT(warnings_with(dump_, packed.substr(0, packed.size() / 2)), IsEmpty());
  packed[packed.size() / 2] ^= 1;
  EXPECT_THAT(warnings_with(dump_, packed), IsEmpty());
}

TEST_F(IndexedDump, IsNotHeldAgainstItsIndexAgainInLaterEpochs) {
  warnings_for(dump_.substr(0, dump_.size() / 2), index_of(dump_));
  const Catalog first = scan_corpus(options_for(folder_ / "c"));
  EXPECT_THAT(first.warnings, testing::SizeIs(1));
  EXPECT_THAT(scan_corpus(options_for(folder_ / "c"), &first).warnings, IsEmpty());
}

}  // namespace
}  // namespace pretrain
