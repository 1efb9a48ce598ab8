// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/record_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::read_records;
using testing::ElementsAre;

/// "text" for a document, "!reason" for a fault.
std::vector<std::string> summary(const std::vector<Record>& records) {
  std::vector<std::string> lines;
  for (const Record& record : records) lines.push_back(record.fault ? "!" + record.fault->text : record.text);
  return lines;
}

std::vector<std::string> read(const std::string& bytes, TextFormat format) {
  return summary(read_records(bytes, format));
}

TEST(DocReader, GivesTextTitleAndPlace) {
  const auto records = read_records(
      "<doc id=\"1\" url=\"u\" title=\"One \"quoted\"\">\nOne\n\nText.\nMore.\n\n</doc>\n"
      "<doc id=\"2\" url=\"u\" title=\"Two\">\nTwo\n\n&amp; text\n</doc>",
      TextFormat::kDoc);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].text, "One\n\nText.\nMore.");
  EXPECT_EQ(records[0].title, "One \"quoted\"");
  EXPECT_EQ(records[0].offset, 0U);
  EXPECT_EQ(records[1].text, "Two\n\n&amp; text");
  EXPECT_EQ(records[1].offset, records[0].end);
}

TEST(DocReader, PassesOverEmptyDocuments) {
  EXPECT_THAT(read("<doc id=\"1\" title=\"A\">\nA\n\n \n</doc>\n<doc id=\"2\" title=\"B\">\n</doc>\n"
                   "<doc id=\"3\" title=\"C\">\nOnly line.\n</doc>\n",
                   TextFormat::kDoc),
              ElementsAre("!empty", "!empty", "Only line."));
}

TEST(DocReader, ReadsWindowsLineEndsAndAByteOrderMark) {
  EXPECT_THAT(read("\xEF\xBB\xBF<doc title=\"A\">\r\nA\r\n\r\nb\r\nc\rd\r\n</doc>\r\n", TextFormat::kDoc),
              ElementsAre("A\n\nb\nc\rd"));
}

TEST(DocReader, LosesOnlyTheDocumentThatIsNotClosed) {
  const auto records = read_records(
      "<doc title=\"A\">\nA\n\nlost\n<doc title=\"B\">\nB\n\nkept\n</doc>\n<doc title=\"C\">\ncut",
      TextFormat::kDoc);
  EXPECT_THAT(summary(records), ElementsAre("!unclosed document", "B\n\nkept", "!unclosed document"));
  EXPECT_EQ(records[2].title, "C");
  EXPECT_EQ(records[2].text, "");
}

TEST(DocReader, ReportsTextOutsideDocumentsOncePerPlace) {
  const auto records = read_records(
      "stray\nmore\n\n<doc title=\"A\">\na b\n</doc>\n\nstray\n<doc title=\"B\">\nb c\n</doc>\nend\n",
      TextFormat::kDoc);
  EXPECT_THAT(summary(records),
              ElementsAre("!text outside <doc>", "a b", "!text outside <doc>", "b c", "!text outside <doc>"));
  EXPECT_EQ(records[2].offset, 40U);
}

TEST(DocReader, AcceptsAClosingTagBehindText) {
  EXPECT_THAT(read("<doc title=\"A\">\nsome text</doc>\n", TextFormat::kDoc), ElementsAre("some text"));
}

TEST(JsonlReader, NamesTheFaultOfEachLine) {
  EXPECT_THAT(
      read("{\"text\":\"good\"}\n"
           "\n  \t\n"
           "{\"text\":\"cut\n"
           "{\"title\":\"T\"}\n"
           "{\"text\":7}\n"
           "{\"text\":null}\n"
           "{\"text\":\"\"}\n"
           "{\"text\":\" \\n\"}\n"
           "[\"text\"]\n"
           "\"text\"\n"
           "{\"text\":\"a\"}{\"text\":\"b\"}\n"
           "{\"text\":\"a\"} junk\n"
           "{\"text\":\"a\",}\n"
           "{\"text\":\"a\",\"b\":NaN}\n"
           "{\"text\":\"\\ud800\"}\n"
           "{\"text\":\"\\udc00 low\"}\n"
           "{\"text\":\"raw \x01\"}\n",
           TextFormat::kJsonl),
      ElementsAre("good", "!invalid JSON", "!no text", "!text is not a string", "!text is not a string",
                  "!empty", "!empty", "!not an object", "!not an object", "!invalid JSON", "!invalid JSON",
                  "!invalid JSON", "!invalid JSON", "!invalid JSON", "!invalid JSON", "!invalid JSON"));
}

TEST(JsonlReader, ToleratesMarksReturnsAndAMissingLastNewline) {
  EXPECT_THAT(read("\xEF\xBB\xBF{\"text\":\"a\\r\\nb\"}\r\n\xEF\xBB\xBF{\"text\":\"c\"}\r\n{\"text\":\"d\"}",
                   TextFormat::kJsonl),
              ElementsAre("a\r\nb", "c", "d"));
}

TEST(JsonlReader, RepairsBytesThatAreNotUtf8) {
  EXPECT_THAT(read("{\"text\":\"caf\xE9 ok\"}\n", TextFormat::kJsonl), ElementsAre("caf\xEF\xBF\xBD ok"));
}

TEST(JsonlReader, KeepsTitleAndPlaceOfAFault) {
  const auto records = read_records("{\"text\":\"a\"}\n{\"title\":\"T\",\"text\":[1]}\n", TextFormat::kJsonl);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[1].title, "T");
  EXPECT_EQ(records[1].offset, 13U);
}

TEST(TextReader, GivesTheWholeFileAndReportsBlankOnes) {
  EXPECT_THAT(read("\xEF\xBB\xBFone\r\n\r\ntwo\n", TextFormat::kText), ElementsAre("one\n\ntwo\n"));
  EXPECT_THAT(read(" \n\n", TextFormat::kText), ElementsAre("!empty"));
}

TEST(ParagraphReader, SplitsAtBlankLines) {
  EXPECT_THAT(read("\n\na\r\nb\r\n \t\r\n\r\nc\n\n\nd", TextFormat::kParagraphs),
              ElementsAre("a\nb", "c", "d"));
}

class Regions : public testing::TestWithParam<TextFormat> {};

TEST_P(Regions, OfAnySizeGiveTheSameDocuments) {
  std::string bytes = test::random_shard(GetParam(), 3, 60, 90);
  if (GetParam() == TextFormat::kParagraphs)
    bytes.append("\n").append(300, ' ').append("\nx\n").append(256, ' ');
  const auto whole = read_records(bytes, GetParam());
  EXPECT_GE(whole.size(), 60U);
  for (uint64_t size = 1; size < 1500; size = size * 4 / 3 + 1) {
    EXPECT_EQ(summary(read_records(bytes, GetParam(), size)), summary(whole)) << "regions of " << size;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Regions,
                         testing::Values(TextFormat::kDoc, TextFormat::kJsonl, TextFormat::kParagraphs),
                         [](const auto& tested) {
                           return tested.param == TextFormat::kDoc     ? "doc"
                                  : tested.param == TextFormat::kJsonl ? "jsonl"
                                                                       : "paragraphs";
                         });

TEST(Paragraphs, GiveTheSameAtAnyBeginningForBlankLinesOfAnyLength) {
  for (const size_t blanks : {0U, 1U, 255U, 256U, 257U, 258U, 600U}) {
    for (const char* line_end : {"\n", "\r\n"}) {
      const std::string bytes =
          "ab" + std::string(line_end) + std::string(blanks, ' ') + line_end + "cd" + line_end;
      const auto whole = summary(read_records(bytes, TextFormat::kParagraphs));
      EXPECT_EQ(whole.size(), blanks <= 256 ? 2U : 1U);
      for (uint64_t size = 1; size <= bytes.size(); size += 1 + size / 3) {
        EXPECT_EQ(summary(read_records(bytes, TextFormat::kParagraphs, size)), whole)
            << blanks << " in " << size;
      }
    }
  }
}

TEST(RecordReader, PassesOverARecordThatIsTooLong) {
  const std::string giant(kMaxRecordBytes + 100, 'x');
  EXPECT_THAT(read("{\"text\":\"a\"}\n{\"text\":\"" + giant + "\"}\n{\"text\":\"b\"}\n", TextFormat::kJsonl),
              ElementsAre("a", "!too long", "b"));
  EXPECT_THAT(
      read("<doc title=\"A\">\n" + giant + "\n</doc>\n<doc title=\"B\">\nb c\n</doc>\n", TextFormat::kDoc),
      ElementsAre("!too long", "b c"));
  EXPECT_THAT(read(giant + "\n\nnext", TextFormat::kParagraphs), ElementsAre("!too long", "next"));
}

/// Counts the bytes that are read from another source.
class CountedSource : public ByteSource {
 public:
  CountedSource(std::unique_ptr<ByteSource> source, uint64_t& read)
      : source_(std::move(source)), read_(read) {}
  void skip_to(uint64_t offset, const ReadHooks& hooks) override {
    source_->skip_to(offset, hooks);
    position_ = source_->position();
  }

 protected:
  size_t produce(std::span<char> out) override {
    const size_t got = source_->read(out);
    read_ += got;
    return got;
  }

 private:
  std::unique_ptr<ByteSource> source_;
  uint64_t& read_;
};

TEST(RecordReader, ReadsALineThatGoesThroughManyRegionsOnce) {
  constexpr uint64_t kRegion = 1 << 20;
  constexpr uint64_t kFile = 16 * kRegion;
  const test::TempFolder folder;
  const Path file = folder.write("line", std::string(kFile, 'x'));
  for (const TextFormat format : {TextFormat::kDoc, TextFormat::kJsonl, TextFormat::kParagraphs}) {
    uint64_t read = 0;
    for (uint64_t begin = 0; begin < kFile; begin += kRegion) {
      CountedSource source(open_source(ReadableFile(file), Compression::kNone), read);
      const ReadHooks hooks;
      StreamBuffer stream(source, hooks);
      const auto reader = make_record_reader(format, stream, {begin, begin + kRegion, begin});
      for (Record record; reader->next(record);) {
      }
    }
    EXPECT_LT(read, 3 * kFile) << format_name(format);
  }
}

}  // namespace
}  // namespace pretrain
