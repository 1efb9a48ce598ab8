// SPDX-License-Identifier: Apache-2.0
// Real Wikipedia text and real trouble, in the folder that tests/support/temp_folder.h names.

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/hash.h"
#include "pipeline/corpus/blocks.h"
#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/corpus/dump_index.h"
#include "pipeline/corpus/sample.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/corpus/utf8.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::documents_of;
using test::options_for;
using test::read_epoch;
using test::reasons_of;
using test::skips_of;
using testing::ElementsAre;

/// What one epoch of a corpus gives.
struct Epoch {
  std::vector<Ticket> tickets;
  std::vector<std::string> documents;
  std::string reasons;
};

class RealData : public testing::Test {
 protected:
  void SetUp() override {
    const auto folder = test::real_data_folder();
    if (!folder) GTEST_SKIP() << "no folder with real data; set PRETRAIN_TEST_DATA";
    folder_ = *folder;
  }

  Epoch read(const std::string& name, DocumentMode mode = DocumentMode::kFiles) const {
    CorpusOptions options = options_for(folder_ / name);
    options.documents = mode;
    Epoch epoch;
    epoch.tickets = read_epoch(options);
    epoch.documents = documents_of(epoch.tickets);
    epoch.reasons = reasons_of(skips_of(epoch.tickets));
    return epoch;
  }

  std::string bytes_of(const std::string& name) const { return read_file(folder_ / name); }

  Path folder_;
};

TEST_F(RealData, EnglishWikipediaHas6096ArticlesWithText) {
  const Epoch epoch = read("enwiki-2018");
  EXPECT_EQ(epoch.documents.size(), 6213U - 117U);
  EXPECT_EQ(epoch.reasons, "117 x empty");
  size_t bytes = 0;
  for (const std::string& document : epoch.documents) bytes += document.size();
  EXPECT_NEAR(static_cast<double>(bytes), 102.35e6, 0.2e6);
}

TEST_F(RealData, EachEnglishArticleAndBlockIsInExactlyOneRole) {
  constexpr double kFraction = 0.05;
  const CorpusOptions options = options_for(folder_ / "enwiki-2018", kFraction);
  const auto whole = read("enwiki-2018").documents;
  const auto training = documents_of(read_epoch(options));
  const auto held_out = documents_of(read_epoch(options, Role::kHeldOut));
  std::multiset<std::string> expected_training;
  std::multiset<std::string> expected_held_out;
  for (const std::string& document : whole) {
    if (document.size() <= kLongDocumentBytes) {
      (is_held_out(document, kFraction) ? expected_held_out : expected_training).insert(document);
      continue;
    }
    std::string kept;
    for (size_t at = 0; at < document.size();) {
      const size_t length = block_length(std::string_view(document).substr(at), at, kBlockBytes);
      const std::string block = document.substr(at, length);
      if (is_held_out(block, kFraction)) {
        expected_held_out.insert(block);
      } else {
        kept += block;
      }
      at += length;
    }
    expected_training.insert(kept);
  }
  EXPECT_EQ(std::multiset(training.begin(), training.end()), expected_training);
  EXPECT_EQ(std::multiset(held_out.begin(), held_out.end()), expected_held_out);
  EXPECT_GT(held_out.size(), 200U);
}

TEST_F(RealData, SimpleWikipediaHasManyEmptyArticles) {
  const Epoch epoch = read("simplewiki-2018");
  EXPECT_EQ(epoch.documents.size(), 144'066U - 28'316U);
  EXPECT_EQ(epoch.reasons, "28316 x empty");
}

TEST_F(RealData, OtherLanguagesHaveTheirArticles) {
  const Epoch chinese = read("other-languages/zhwiki-2024");
  EXPECT_EQ(chinese.documents.size(), 5515U - 1938U);
  EXPECT_EQ(chinese.reasons, "1938 x empty");
  EXPECT_EQ(read("other-languages/jawiki-2019").documents.size(), 490U - 1U);
  EXPECT_EQ(read("other-languages/dewiki-2022").documents.size(), 1208U - 5U);
}

TEST_F(RealData, JsonLinesHave626ArticlesAndTheSingleObjectIsRejected) {
  const Epoch epoch = read("enwiki-2017-jsonl");
  EXPECT_EQ(epoch.documents.size(), 626U);
  EXPECT_EQ(epoch.reasons, "");
  const Catalog& catalog = *epoch.tickets[0].catalog;
  ASSERT_EQ(catalog.rejected.size(), 1U);
  EXPECT_EQ(catalog.rejected[0].name, "wiki_06.json.gz");
  EXPECT_THAT(catalog.rejected[0].reason, testing::HasSubstr("not JSON lines"));
}

TEST_F(RealData, PlainTextIsOneDocumentByteForByte) {
  for (const char* name : {"wikitext-2/valid.txt", "tinyshakespeare/input.txt", "nasty/blns.txt",
                           "nasty/latin1-de.txt", "nasty/cut-mid-character-zh.txt", "nasty/UTF-8-test.txt"}) {
    EXPECT_THAT(read(name).documents, ElementsAre(bytes_of(name))) << name;
  }
  const auto line = read("nasty/single-line-4MB.txt.gz").documents;
  ASSERT_EQ(line.size(), 1U);
  EXPECT_EQ(line[0].size(), 4'000'000U);
}

TEST_F(RealData, ParagraphsOfWikitextAreWhatStandsBetweenItsBlankLines) {
  std::string bytes = bytes_of("wikitext-2/valid.txt");
  bytes.insert(0, 1, '\n');
  std::vector<std::string> expected;
  // Its blank lines are " "; `at` is the newline before a line.
  for (size_t at = 0, blank = 0; (blank = bytes.find("\n \n", at)) != std::string::npos; at = blank + 2) {
    if (blank > at) expected.push_back(bytes.substr(at + 1, blank - at - 1));
  }
  EXPECT_GT(expected.size(), 1000U);
  auto documents = read("wikitext-2/valid.txt", DocumentMode::kParagraphs).documents;
  EXPECT_EQ(documents.size(), expected.size());
  EXPECT_TRUE(std::ranges::is_permutation(documents, expected));
}

TEST_F(RealData, WindowsLineEndsBecomeNewlines) {
  std::string expected = bytes_of("nasty/crlf-en.txt");
  unify_line_ends(expected);
  EXPECT_LT(expected.size(), bytes_of("nasty/crlf-en.txt").size());
  EXPECT_THAT(read("nasty/crlf-en.txt").documents, ElementsAre(expected));
}

TEST_F(RealData, RepairOfPiecesEqualsRepairOfTheWhole) {
  for (const char* name : {"nasty/latin1-de.txt", "nasty/cut-mid-character-zh.txt", "nasty/UTF-8-test.txt"}) {
    std::string whole = bytes_of(name);
    EXPECT_GT(repair_utf8(whole), 0U);
    std::string joined;
    for (const Ticket& ticket : read(name).tickets) {
      for (TextPiece piece : ticket.pieces) {
        repair_utf8(piece.text);
        joined += piece.text;
      }
    }
    EXPECT_EQ(joined, whole) << name;
  }
}

/// The reason that each kind of line in bad-lines.expected.tsv leads to; "" for a document, "-" for nothing
/// at all.
std::string expected_reason(const std::string& what) {
  static const std::map<std::string, std::string> kReasons{
      {"empty line", "-"},
      {"blanks only", "-"},
      {"no \"text\" key", "no text"},
      {"\"text\" is null", "text is not a string"},
      {"\"text\" is a number", "text is not a string"},
      {"\"text\" is a list", "text is not a string"},
      {"\"text\" is empty", "empty"},
      {"JSON array instead of object", "not an object"},
      {"JSON string", "not an object"},
      {"invalid UTF-8 byte in text", ""},
      {"escaped NUL", ""},
      {"duplicate \"text\" key", ""},
      {"UTF-8 BOM at line start", ""},
  };
  if (what.starts_with("good")) return "";
  const auto found = kReasons.find(what);
  return found == kReasons.end() ? "invalid JSON" : found->second;
}

TEST_F(RealData, EachBadLineIsJudgedAsExpected) {
  const std::string bytes = bytes_of("nasty/bad-lines.jsonl");
  std::map<uint64_t, std::string> got;
  for (const Record& record : test::read_records(bytes, TextFormat::kJsonl))
    got[record.offset] = record.fault ? record.fault->text : "";
  std::istringstream table(bytes_of("nasty/bad-lines.expected.tsv"));
  uint64_t offset = 0;
  size_t lines = 0;
  for (std::string row; std::getline(table, row); ++lines) {
    const std::string what = row.substr(row.find('\t') + 1);
    const auto found = got.find(offset);
    EXPECT_EQ(found == got.end() ? "-" : found->second, expected_reason(what)) << row;
    offset = bytes.find('\n', offset) + 1;
  }
  EXPECT_EQ(lines, 127U);
}

TEST_F(RealData, ATruncatedShardGivesItsWholeArticles) {
  const Epoch epoch = read("nasty/truncated-wiki_01.gz");
  EXPECT_EQ(epoch.documents.size(), 26U);  // a 27th is open where the file ends
  EXPECT_EQ(epoch.reasons, "1 x truncated gzip stream, 1 x unclosed document");
  for (const Skip& skip : skips_of(epoch.tickets)) {
    EXPECT_EQ(skip.shard, "truncated-wiki_01.gz");
    if (skip.cause.reason == SkipReason::kTruncatedStream) {
      EXPECT_EQ(skip.offset, 636'122U);
    }
  }
}

TEST_F(RealData, Bzip2FilesGiveWhatBzip2Gives) {
  std::istringstream table(bytes_of("nasty/bz2-lbzip2/expected.tsv"));
  size_t files = 0;
  for (std::string row; std::getline(table, row); ++files) {
    std::istringstream fields(row);
    std::string name;
    int exit_code = 0;
    uint64_t bytes = 0;
    fields >> name >> exit_code >> bytes;
    const auto source = open_source(ReadableFile(folder_ / "nasty/bz2-lbzip2" / name), Compression::kBzip2);
    uint64_t got = 0;
    std::vector<char> part(1 << 16);
    while (const size_t n = source->read(part)) got += n;
    if (exit_code == 0) {
      EXPECT_EQ(got, bytes) << name;
    }
    EXPECT_EQ(source->status() == StreamStatus::kOk, exit_code == 0) << name;
    EXPECT_EQ(source->trailing_garbage(), row.find("trailing garbage") != std::string::npos) << name;
  }
  EXPECT_EQ(files, 21U);
}

TEST_F(RealData, EveryNastyFileIsReadOrRejectedAndNothingCrashes) {
  size_t corpora = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "nasty")) {
    if (!entry.is_regular_file() || entry.path().extension() == ".bz2") continue;
    ++corpora;
    try {
      EXPECT_GT(documents_of(read_epoch(options_for(entry.path()))).size(), 0U) << entry.path();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData) << entry.path() << ": " << error.what();
    }
  }
  EXPECT_GE(corpora, 330U);
}

TEST_F(RealData, IndexesAndForeignEncodingsAreRejectedWithAReason) {
  CorpusOptions options = options_for(folder_ / "dumps");
  options.inputs.push_back(folder_ / "nasty/utf16le-bgwiki-latest-pages-articles-shortened.xml.bz2");
  options.inputs.push_back(folder_ / "other-languages");
  std::map<std::string, size_t> reasons;
  const Catalog catalog = scan_corpus(options);
  for (const RejectedFile& file : catalog.rejected) ++reasons[file.reason];
  EXPECT_EQ(reasons["index of a multistream dump; it is not needed"], 1U);
  EXPECT_EQ(reasons["UTF-16 text; convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8 FILE > NEW)"], 1U);
  const auto is_archive = [](const Shard& shard) { return shard.compression == Compression::kArchive; };
  EXPECT_EQ(std::ranges::count_if(catalog.shards, is_archive), 1);
  EXPECT_EQ(reasons["JSON, but not JSON lines: each line must be an object with the key \"text\""], 1U);
}

TEST_F(RealData, ASampleOfEnglishIsQuickAndSpread) {
  const CorpusOptions options = options_for(folder_ / "enwiki-2018", 0.005);
  const auto sample = sample_text(options, scan_corpus(options), 1'000'000, 3, {}).documents;
  size_t bytes = 0;
  for (const std::string& text : sample) bytes += text.size();
  EXPECT_NEAR(static_cast<double>(bytes), 1.0e6, 0.3e6);
  EXPECT_GE(sample.size(), 32U);
}

}  // namespace
}  // namespace pretrain
