// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/corpus_reader.h"

#include <algorithm>
#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::compress;
using test::documents_of;
using test::options_for;
using test::random_shard;
using test::read_epoch;
using test::reasons_of;
using test::skips_of;
using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::string doc(const std::string& title, const std::string& text) {
  return "<doc id=\"1\" url=\"u\" title=\"" + title + "\">\n" + text + "\n</doc>\n";
}

std::vector<std::string> sorted(std::vector<std::string> values) {
  std::ranges::sort(values);
  return values;
}

std::string data_error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
  return "no error";
}

TEST(CorpusReader, DeliversEachDocumentOncePerEpoch) {
  const TempFolder folder;
  std::vector<std::string> expected;
  for (int shard = 0; shard < 7; ++shard) {
    std::string bytes;
    for (int i = 0; i < 30; ++i) {
      expected.push_back("document " + std::to_string(shard * 100 + i));
      bytes += doc("T", expected.back());
    }
    folder.write("c/shard" + std::to_string(shard), compress(bytes, test::kAllCompressions[shard % 5]));
  }
  const CorpusOptions options = options_for(folder / "c");
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  for (uint32_t epoch = 0; epoch < 3; ++epoch) {
    const auto tickets = read_epoch(reader);
    EXPECT_EQ(tickets.back().epoch, epoch);
    EXPECT_EQ(sorted(documents_of(tickets)), sorted(expected));
  }
  EXPECT_EQ(reader.statistics().documents, 3 * expected.size());
}

TEST(CorpusReader, OrdersRegionsByEpochAndSeed) {
  const TempFolder folder;
  for (int i = 0; i < 40; ++i) folder.write("c/" + std::to_string(i), doc("T", "text " + std::to_string(i)));
  CorpusOptions options = options_for(folder / "c");
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  const auto first = documents_of(read_epoch(reader));
  const auto second = documents_of(read_epoch(reader));
  options.seed = 2;
  const auto other_seed = documents_of(read_epoch(options));
  EXPECT_NE(first, second);
  EXPECT_NE(first, other_seed);
  EXPECT_EQ(sorted(first), sorted(second));
  EXPECT_EQ(sorted(first), sorted(other_seed));
}

TEST(CorpusReader, MixesTheRegionsOfOneLargeFile) {
  const TempFolder folder;
  std::string bytes;
  std::vector<std::string> expected;
  for (int i = 0; bytes.size() < 5 * kRegionBytes; ++i) {
    expected.push_back(std::to_string(i) + " " + test::random_text(static_cast<uint64_t>(i), 30'000));
    bytes += doc("T", expected.back());
  }
  folder.write("c/large", bytes);
  const auto read = documents_of(read_epoch(options_for(folder / "c")));
  EXPECT_NE(read, expected);
  EXPECT_EQ(sorted(read), sorted(expected));
}

TEST(CorpusReader, KeepsTicketsAndPiecesSmall) {
  const TempFolder folder;
  folder.write("c/long", test::random_text(1, 500'000));
  folder.write("c/docs", random_shard(TextFormat::kDoc, 2, 300, 5'000));
  folder.write("c/line", std::string(300'000, 'x'));
  size_t tickets = 0;
  for (const Ticket& ticket : read_epoch(options_for(folder / "c"))) {
    size_t bytes = 0;
    for (const TextPiece& piece : ticket.pieces) {
      EXPECT_LE(piece.text.size(), 9U << 10);
      EXPECT_GT(piece.text.size(), 0U);
      bytes += piece.text.size();
    }
    EXPECT_LE(bytes, 37U << 10);
    EXPECT_EQ(ticket.number, tickets++);
  }
  EXPECT_GT(tickets, 2'000'000U / (37U << 10));
}

TEST(CorpusReader, JoinsThePiecesOfADocumentToItsText) {
  const TempFolder folder;
  const std::string text = "\xEF\xBB\xBF" + test::random_text(3, 300'000) + "\r\nend\r\n";
  folder.write("c/text", text);
  std::string expected = text.substr(3, text.size() - 10) + "\nend\n";
  EXPECT_THAT(documents_of(read_epoch(options_for(folder / "c"))), ElementsAre(expected));
  const std::string article = test::random_text(4, 150'000);
  folder.write("c/text", doc("T", article));
  EXPECT_THAT(documents_of(read_epoch(options_for(folder / "c"))), ElementsAre(article));
}

TEST(CorpusReader, RecordsWhatItPassesOverWithItsPlace) {
  const TempFolder folder;
  folder.write("c/a", doc("Full", "text") + doc("Hollow", "Hollow") + "<doc title=\"Open\">\ncut");
  const std::string packed = compress(test::random_text(1, 90'000), Compression::kGzip);
  folder.write("c/b.gz", packed.substr(0, packed.size() / 2));
  const auto skips = skips_of(read_epoch(options_for(folder / "c")));
  EXPECT_EQ(reasons_of(skips), "1 x empty, 1 x truncated gzip stream, 1 x unclosed document");
  for (const Skip& skip : skips) {
    if (skip.cause.reason == SkipReason::kEmpty) {
      EXPECT_EQ(skip.shard, "a");
      EXPECT_EQ(skip.title, "Hollow");
      EXPECT_EQ(skip.offset, doc("Full", "text").size());
    }
    if (skip.cause == SkipCause(SkipReason::kTruncatedStream, "truncated gzip stream")) {
      EXPECT_EQ(skip.shard, "b.gz");
      EXPECT_GT(skip.offset, 20'000U);
    }
  }
}

TEST(CorpusReader, DeliversEverythingBeforeDamage) {
  for (const Compression compression : test::kAllCompressions) {
    if (compression == Compression::kNone) continue;
    const TempFolder folder;
    const std::string bytes = random_shard(TextFormat::kDoc, 5, 400, 10'000);
    std::string packed = compress(bytes, compression);
    packed[packed.size() * 3 / 4] ^= 0x10;
    folder.write("c/shard", packed);
    const auto tickets = read_epoch(options_for(folder / "c"));
    EXPECT_GT(documents_of(tickets).size(), 100U) << compression_name(compression);
    EXPECT_THAT(reasons_of(skips_of(tickets)),
                HasSubstr("damaged " + std::string(compression_name(compression))));
  }
}

TEST(CorpusReader, ReportsGarbageAfterACompressedStream) {
  const TempFolder folder;
  folder.write("c/a", compress(doc("T", "text"), Compression::kBzip2) + "garbage");
  const auto tickets = read_epoch(options_for(folder / "c"));
  EXPECT_THAT(documents_of(tickets), ElementsAre("text"));
  EXPECT_EQ(reasons_of(skips_of(tickets)), "1 x garbage after the bzip2 stream");
}

TEST(CorpusReader, NewShardsJoinAtTheNextEpochAndVanishedOnesLeaveWithANote) {
  const TempFolder folder;
  folder.write("c/a", doc("T", "first"));
  folder.write("c/b", doc("T", "second"));
  const CorpusOptions options = options_for(folder / "c");
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  (void)read_epoch(reader);
  folder.write("c/n", doc("T", "new"));
  std::filesystem::remove(folder / "c/a");
  const auto tickets = read_epoch(reader);
  EXPECT_THAT(documents_of(tickets), UnorderedElementsAre("second", "new"));
  EXPECT_EQ(reasons_of(tickets.front().skips), "1 x vanished since the epoch before");
  EXPECT_EQ(reader.catalog().shards.size(), 2U);
  EXPECT_EQ(tickets.back().catalog->shards.back().name, "n");
}

TEST(CorpusReader, FailsWhenTheInputsVanishBetweenEpochs) {
  const TempFolder folder;
  folder.write("c/a", doc("T", "text"));
  const CorpusOptions options = options_for(folder / "c");
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  (void)read_epoch(reader);
  std::filesystem::remove_all(folder / "c");
  EXPECT_THAT(data_error_of([&] { (void)read_epoch(reader); }), HasSubstr("does not exist"));
}

TEST(CorpusReader, NamesAShardThatChangedOrVanishedSinceTheEpochBegan) {
  const TempFolder folder;
  folder.write("c/a", doc("T", "text"));
  const CorpusOptions options = options_for(folder / "c");
  const Catalog catalog = scan_corpus(options);
  const auto read = [&] {
    CorpusReader reader(options, catalog, {}, Role::kTraining);
    (void)read_epoch(reader);
  };
  folder.write("c/a", doc("T", "next"));
  EXPECT_EQ(data_error_of(read),
            "shard a changed since the epoch began: its content is different; restore it or pass "
            "--on-changed skip");
  folder.write("c/a", doc("T", "longer"));
  EXPECT_THAT(data_error_of(read), HasSubstr("it has 45 bytes and had 43"));
  std::filesystem::remove(folder / "c/a");
  EXPECT_THAT(data_error_of(read), HasSubstr("it is gone"));
}

TEST(CorpusReader, PassesOverAChangedShardOnceWhenAskedTo) {
  const TempFolder folder;
  folder.write("c/a", random_shard(TextFormat::kDoc, 1, 300, 10'000));
  folder.write("c/b", doc("T", "kept"));
  CorpusOptions options = options_for(folder / "c");
  options.on_changed = OnChanged::kSkip;
  const Catalog catalog = scan_corpus(options);
  ASSERT_GT(make_regions(catalog).size(), 3U);
  folder.write("c/a", "changed");
  CorpusReader reader(options, catalog, {}, Role::kTraining);
  const auto tickets = read_epoch(reader);
  EXPECT_THAT(documents_of(tickets), ElementsAre("kept"));
  EXPECT_EQ(reasons_of(skips_of(tickets)), "1 x shard changed since the epoch began");
}

TEST(CorpusReader, FailsOnAnEpochWithoutTrainingText) {
  const TempFolder folder;
  folder.write("c/a", doc("Hollow", "Hollow") + doc("Void", ""));
  EXPECT_THAT(data_error_of([&] { (void)read_epoch(options_for(folder / "c")); }),
              HasSubstr("had no text to train on; 2 x empty"));
  folder.write("c/a", doc("T", "text"));
  EXPECT_THAT(data_error_of([&] { (void)read_epoch(options_for(folder / "c", 1.0)); }),
              HasSubstr("--validation-fraction"));
}

TEST(CorpusReader, GivesEachDocumentToExactlyOneRole) {
  const TempFolder folder;
  folder.write("c/docs", random_shard(TextFormat::kDoc, 1, 500, 2'000));
  folder.write("c/lines.gz", compress(random_shard(TextFormat::kJsonl, 2, 500, 2'000), Compression::kGzip));
  auto all = documents_of(read_epoch(options_for(folder / "c", 0)));
  const auto training = documents_of(read_epoch(options_for(folder / "c", 0.2)));
  const auto held_out = documents_of(read_epoch(options_for(folder / "c", 0.2), Role::kHeldOut));
  EXPECT_NEAR(static_cast<double>(held_out.size()), 200, 60);
  std::vector<std::string> both = training;
  both.insert(both.end(), held_out.begin(), held_out.end());
  EXPECT_EQ(sorted(both), sorted(all));
}

TEST(CorpusReader, HoldsOutBlocksOfALongDocument) {
  const TempFolder folder;
  const std::string text = test::random_text(9, 400'000);
  folder.write("c/text", text);
  const auto training_tickets = read_epoch(options_for(folder / "c", 0.3));
  const auto training = documents_of(training_tickets);
  const auto held_out = documents_of(read_epoch(options_for(folder / "c", 0.3), Role::kHeldOut));
  ASSERT_EQ(training.size(), 1U);
  EXPECT_NEAR(static_cast<double>(held_out.size()), 30, 15);
  std::string rebuilt;
  size_t next_held_out = 0;
  for (const Ticket& ticket : training_tickets) {
    for (const TextPiece& piece : ticket.pieces) {
      while (text.substr(rebuilt.size(), piece.text.size()) != piece.text) {
        ASSERT_LT(next_held_out, held_out.size());
        rebuilt += held_out[next_held_out++];
      }
      rebuilt += piece.text;
    }
  }
  while (next_held_out < held_out.size()) rebuilt += held_out[next_held_out++];
  EXPECT_EQ(rebuilt, text);
}

TEST(CorpusReader, HoldsOutTheSameTextWhateverTheFormat) {
  const TempFolder folder;
  const std::string text = test::random_text(10, 200'000);
  folder.write("plain/text", text);
  folder.write("doc/text", doc("T", text));
  folder.write("packed/text", compress(text, Compression::kXz));
  const auto held_out = documents_of(read_epoch(options_for(folder / "plain", 0.3), Role::kHeldOut));
  EXPECT_GT(held_out.size(), 4U);
  for (const char* other : {"doc", "packed"}) {
    EXPECT_EQ(documents_of(read_epoch(options_for(folder / other, 0.3), Role::kHeldOut)), held_out);
  }
}

TEST(CorpusReader, EndsAfterOneEpochForTheHeldOutRole) {
  const TempFolder folder;
  folder.write("c/a", random_shard(TextFormat::kDoc, 1, 50, 100));
  const CorpusOptions options = options_for(folder / "c", 0.5);
  CorpusReader reader(options, scan_corpus(options), {}, Role::kHeldOut);
  EXPECT_TRUE(read_epoch(reader).back().ends_epoch);
  EXPECT_FALSE(reader.next());
}

TEST(CorpusReader, BoundsTheWorkOfATicketThatDeliversNothing) {
  const TempFolder folder;
  std::string lines;
  for (int i = 0; i < 20'000; ++i) lines += "{\"text\":7}\n";
  folder.write("c/a", "{\"text\":\"good\"}\n" + lines);
  const auto tickets = read_epoch(options_for(folder / "c"));
  EXPECT_GE(tickets.size(), 5U);
  EXPECT_EQ(skips_of(tickets).size(), 20'000U);
}

TEST(CorpusReader, StopsOnRequest) {
  const TempFolder folder;
  folder.write("c/a", doc("T", "text"));
  const CorpusOptions options = options_for(folder / "c");
  std::stop_source stop;
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining, {stop.get_token(), {}});
  stop.request_stop();
  EXPECT_THROW((void)reader.next(), Stopped);
}

TEST(CorpusReader, RefusesACursorOfAnotherCatalog) {
  const TempFolder folder;
  folder.write("c/a", doc("T", "text"));
  const CorpusOptions options = options_for(folder / "c");
  EXPECT_THAT(data_error_of([&] {
                CorpusReader reader(options, scan_corpus(options), {.region = 5, .position = {}},
                                    Role::kTraining);
              }),
              HasSubstr("region 5 of 1"));
}

}  // namespace
}  // namespace pretrain
