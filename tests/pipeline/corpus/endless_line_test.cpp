// SPDX-License-Identifier: Apache-2.0
// A line of a gibibyte in each format: only with PRETRAIN_LONG_TESTS=1, since each is written to the disk
// first.

#include <cstdlib>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::kDumpFoot;
using test::kDumpHead;
using test::options_for;
using test::page_of;
using test::Read;
using test::read_through;
using test::TempFolder;
using testing::Contains;
using testing::Pair;

constexpr uint64_t kLineBytes = uint64_t{1} << 30;

/// The text before and after the line, and the documents read from all three.
struct EndlessLine {
  const char* name;
  std::string before;
  std::string after;
  uint64_t documents;
  std::optional<SkipReason> reason;  ///< why the line is skipped; nothing when it is text like any other
  DocumentMode mode = DocumentMode::kFiles;
};

class Endless : public testing::TestWithParam<EndlessLine> {};

TEST_P(Endless, LineCostsItselfAloneAndLittleMemory) {
  if (std::getenv("PRETRAIN_LONG_TESTS") == nullptr) GTEST_SKIP() << "set PRETRAIN_LONG_TESTS=1";
  const TempFolder folder;
  {
    std::ofstream file(folder.write("c/file", ""));
    const std::string piece(1 << 20, 'x');
    file << GetParam().before;
    for (uint64_t done = 0; done < kLineBytes; done += piece.size()) file << piece;
    file << GetParam().after;
  }
  CorpusOptions options = options_for(folder / "c");
  options.documents = GetParam().mode;
  const Read read = read_through(options);
  EXPECT_EQ(read.statistics.documents, GetParam().documents);
  EXPECT_LE(read.grown_bytes, test::kMostMemory);
  if (GetParam().reason) {
    EXPECT_THAT(read.statistics.skips, Contains(Pair(*GetParam().reason, 1)));
  } else {
    EXPECT_EQ(read.statistics.text_bytes, GetParam().before.size() + kLineBytes + GetParam().after.size());
  }
  RecordProperty("grown_MiB", static_cast<int>(read.grown_bytes >> 20));
}

const std::string kDoc = "<doc id=\"1\" title=\"A\">\nA\n\nwords\n</doc>\n";
const std::string kLine = "{\"text\":\"words\"}\n";
const std::string kPageStart = "<page><title>X</title><ns>0</ns><revision><text>";

INSTANTIATE_TEST_SUITE_P(
    Formats, Endless,
    testing::Values(
        EndlessLine{"text", "first\n", "\nlast\n", 1, std::nullopt},
        EndlessLine{"paragraphs", "first\n\n", "\n\nlast\n", 2, SkipReason::kTooLong,
                    DocumentMode::kParagraphs},
        EndlessLine{"jsonl", kLine + "{\"text\":\"", "\"}\n" + kLine, 2, SkipReason::kTooLong},
        EndlessLine{"doc", kDoc + "<doc title=\"B\">\n", "\n</doc>\n" + kDoc, 2, SkipReason::kTooLong},
        EndlessLine{"dump", kDumpHead + page_of("A", "first") + kPageStart,
                    "</text></revision></page>" + page_of("B", "last") + kDumpFoot, 2, SkipReason::kTooLong},
        EndlessLine{"tag", kDumpHead + page_of("A", "first") + "<page><title ",
                    ">X</title></page>" + page_of("B", "last") + kDumpFoot, 2, SkipReason::kInvalidXml}),
    [](const auto& line) { return std::string(line.param.name); });

}  // namespace
}  // namespace pretrain
