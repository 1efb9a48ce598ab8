// SPDX-License-Identifier: Apache-2.0
// A reader made from the cursor of any ticket delivers what the first reader delivers after that ticket.

#include <algorithm>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "pipeline/corpus/blocks.h"
#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::compress;
using test::fingerprint;
using test::options_for;
using test::random_shard;
using test::TempFolder;

std::vector<Ticket> read_tickets(CorpusReader& reader, size_t count) {
  std::vector<Ticket> tickets;
  while (tickets.size() < count) {
    std::optional<Ticket> ticket = reader.next();
    if (!ticket) break;
    tickets.push_back(std::move(*ticket));
  }
  return tickets;
}

/// Through JSON, as a checkpoint holds it.
CorpusReader resume(const CorpusOptions& options, const Ticket& ticket, Role role) {
  const auto catalog = nlohmann::json::parse(nlohmann::json(*ticket.catalog).dump()).get<Catalog>();
  const auto cursor = nlohmann::json::parse(nlohmann::json(ticket.after).dump()).get<Cursor>();
  return {options, catalog, cursor, role};
}

/// Resumes after each ticket of two epochs and a half, and compares `ahead` tickets.
void expect_exact_resume(const CorpusOptions& options, Role role, size_t ahead) {
  CorpusReader reader(options, scan_corpus(options), {}, role);
  std::vector<Ticket> tickets;
  while (auto ticket = reader.next()) {
    if (ticket->epoch >= 2 && tickets.size() % 10 == 0) break;
    tickets.push_back(std::move(*ticket));
  }
  ASSERT_GT(tickets.size(), 3U);
  for (size_t i = 0; i + 1 < tickets.size(); ++i) {
    CorpusReader resumed = resume(options, tickets[i], role);
    const size_t count = std::min(ahead, tickets.size() - i - 1);
    const auto next = read_tickets(resumed, count);
    ASSERT_EQ(next.size(), count);
    for (size_t k = 0; k < count; ++k) {
      ASSERT_EQ(fingerprint(next[k]), fingerprint(tickets[i + 1 + k])) << "resumed after ticket " << i;
    }
  }
}

struct Case {
  TextFormat format;
  Compression compression;
};

class Resume : public testing::TestWithParam<Case> {
 protected:
  /// Shards with faults, long documents, and one that is cut short.
  CorpusOptions make_corpus() {
    const auto [format, compression] = GetParam();
    for (uint64_t i = 0; i < 3; ++i) {
      std::string bytes = random_shard(format, 10 + i, 12, i == 1 ? 60'000 : 6'000);
      if (format == TextFormat::kJsonl) bytes += "{\"text\":7}\n{\"cut";
      if (format == TextFormat::kMediaWiki) {
        bytes =
            test::kDumpHead + bytes + "<page>stray</page>" + test::page_of("Talk:T", "talk", 1) + "<page>cut";
      }
      if (format == TextFormat::kDoc) bytes += "stray\n<doc title=\"open\">\n";
      std::string packed = compress(bytes, compression);
      if (i == 2 && compression != Compression::kNone) packed.erase(packed.size() - packed.size() / 8);
      folder_.write("c/shard" + std::to_string(i), packed);
    }
    CorpusOptions options = options_for(folder_ / "c", 0.2);
    if (format == TextFormat::kParagraphs) options.documents = DocumentMode::kParagraphs;
    return options;
  }

  TempFolder folder_;
};

TEST_P(Resume, ContinuesExactlyAfterEachTicketOfTraining) {
  expect_exact_resume(make_corpus(), Role::kTraining, 3);
}

TEST_P(Resume, ContinuesExactlyAfterEachTicketOfTheHeldOutRole) {
  expect_exact_resume(make_corpus(), Role::kHeldOut, 3);
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const TextFormat format : {TextFormat::kDoc, TextFormat::kJsonl, TextFormat::kText,
                                  TextFormat::kParagraphs, TextFormat::kMediaWiki}) {
    for (const Compression compression : test::kAllCompressions) cases.push_back({format, compression});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, Resume, testing::ValuesIn(all_cases()), [](const auto& tested) {
  std::string name = std::string(format_name(tested.param.format)) + "_";
  name += compression_name(tested.param.compression);
  std::ranges::replace(name, ' ', '_');
  return name;
});

TEST(ResumeChain, OfOneTicketEachGivesTheUninterruptedSequence) {
  const TempFolder folder;
  folder.write("c/a", random_shard(TextFormat::kDoc, 1, 200, 12'000));
  folder.write("c/b.gz", compress(random_shard(TextFormat::kJsonl, 2, 30, 20'000), Compression::kGzip));
  folder.write("c/text", test::random_text(3, 200'000));
  const CorpusOptions options = options_for(folder / "c", 0.1);
  CorpusReader uninterrupted(options, scan_corpus(options), {}, Role::kTraining);
  const auto expected = read_tickets(uninterrupted, 250);
  ASSERT_GE(expected.back().epoch, 1U);
  Ticket last = expected[0];
  for (size_t i = 1; i < expected.size(); ++i) {
    CorpusReader resumed = resume(options, last, Role::kTraining);
    last = resumed.next().value();
    ASSERT_EQ(fingerprint(last), fingerprint(expected[i]));
  }
}

TEST(ResumeAtEpochEnd, NotesTheSameVanishedShardsAndReadsTheNewOnes) {
  const TempFolder folder;
  for (const char* name : {"a", "b"})
    folder.write(std::string("c/") + name, random_shard(TextFormat::kDoc, 7, 5, 50));
  const CorpusOptions options = options_for(folder / "c");
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  const Ticket end = test::read_epoch(reader).back();
  std::filesystem::remove(folder / "c/a");
  folder.write("c/z", random_shard(TextFormat::kDoc, 8, 5, 50));
  CorpusReader resumed = resume(options, end, Role::kTraining);
  const Ticket expected = reader.next().value();
  const Ticket got = resumed.next().value();
  EXPECT_EQ(fingerprint(got), fingerprint(expected));
  EXPECT_EQ(test::reasons_of(got.skips), "1 x vanished since the epoch before");
}

TEST(ResumeInAnUncompressedFile, ReadsOnlyWhatIsNeeded) {
  // Everything before the cursor but the identity's samples is wiped out: a reader that looked at it would
  // differ.
  const TempFolder folder;
  const size_t size = 3'000'000;
  folder.write("c/text", test::random_text(4, size));
  const CorpusOptions options = options_for(folder / "c");
  const Catalog catalog = scan_corpus(options);
  CorpusReader reader(options, catalog, {}, Role::kTraining);
  const auto tickets = read_tickets(reader, 60);
  std::string bytes = test::random_text(4, size);
  const size_t identity_samples = bytes.size() / 9;
  for (size_t at = 70'000; at < 1'500'000; ++at) {
    if (at % identity_samples >= 4096) bytes[at] = '#';
  }
  folder.write("c/text", bytes);
  CorpusReader resumed(options, catalog, tickets[57].after, Role::kTraining);
  ASSERT_GT(tickets[57].after.position.inside, 1'500'000U);
  const Ticket next = resumed.next().value();
  EXPECT_EQ(fingerprint(next), fingerprint(tickets[58]));
}

TEST(ResumeInACompressedFile, ReportsItsProgress) {
  const TempFolder folder;
  std::string bytes;
  while (bytes.size() < 12'000'000) bytes += test::random_text(5, 100'000);
  folder.write("c/text.zst", compress(bytes, Compression::kZstd));
  const CorpusOptions options = options_for(folder / "c");
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  const auto tickets = read_tickets(reader, 330);
  size_t calls = 0;
  CorpusReader resumed(options, reader.catalog(), tickets[328].after, Role::kTraining,
                       {{}, [&](uint64_t, uint64_t) { ++calls; }});
  EXPECT_EQ(fingerprint(resumed.next().value()), fingerprint(tickets[329]));
  EXPECT_GE(calls, 1U);
}

TEST(Cursor, RefusesDamagedJson) {
  EXPECT_THROW((void)nlohmann::json::parse("{\"epoch\":1}").get<Cursor>(), Error);
  EXPECT_THROW((void)nlohmann::json::parse("[]").get<Cursor>(), Error);
}

}  // namespace
}  // namespace pretrain
