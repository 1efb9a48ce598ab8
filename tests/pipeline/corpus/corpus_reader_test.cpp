// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/corpus_reader.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
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

/// A file of many tickets, of which some are read before it is changed in place.
class ShardBeingRead : public testing::TestWithParam<Compression> {
 protected:
  ShardBeingRead() {
    folder_.write("c/a", bytes_of(1));
    folder_.write("c/b", doc("T", "kept"));
    options_ = options_for(folder_ / "c");
  }

  static std::string bytes_of(uint64_t seed) {
    return compress(random_shard(TextFormat::kDoc, seed, 60, 12'000), GetParam());
  }

  void begin() {
    reader_ = std::make_unique<CorpusReader>(options_, scan_corpus(options_), Cursor{}, Role::kTraining);
    while (texts_of(tickets_).size() < 10) tickets_.push_back(*reader_->next());
  }
  void go_on() {
    for (Ticket& ticket : read_epoch(*reader_)) tickets_.push_back(std::move(ticket));
  }

  void write(const std::string& bytes, size_t at) const {
    std::fstream file(folder_ / "c/a", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at))
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  void append(const std::string& bytes) const { write(bytes, std::filesystem::file_size(folder_ / "c/a")); }

  /// The documents, of which the last may be unfinished.
  static std::vector<std::string> texts_of(const std::vector<Ticket>& tickets) {
    std::vector<std::string> texts;
    for (const Ticket& ticket : tickets) {
      for (const TextPiece& piece : ticket.pieces) {
        if (piece.begins_document) texts.emplace_back();
        texts.back() += piece.text;
      }
    }
    return texts;
  }

  /// All text that was delivered is text of the file as it was.
  void expect_only_old_text() const {
    const auto old = texts_of(before_);
    for (const std::string& text : texts_of(tickets_)) {
      const auto begins_with_it = [&](const std::string& whole) { return whole.starts_with(text); };
      EXPECT_TRUE(std::ranges::any_of(old, begins_with_it)) << text.substr(0, 60);
    }
  }

  TempFolder folder_;
  CorpusOptions options_;
  std::vector<Ticket> before_;
  std::vector<Ticket> tickets_;
  std::unique_ptr<CorpusReader> reader_;
};

TEST_P(ShardBeingRead, GivesNoTextOfTwoContents) {
  before_ = read_epoch(options_);
  begin();
  const Cursor cursor = tickets_.back().after;
  const std::string old = read_file(folder_ / "c/a");
  const std::string other = bytes_of(2);
  write(other.substr(other.size() / 2), other.size() / 2);
  EXPECT_THAT(data_error_of([&] { go_on(); }), HasSubstr("shard a changed since the epoch began: it"));
  expect_only_old_text();
  // What was delivered is the beginning of the epoch, to which the file's return belongs.
  folder_.write("c/a", old);
  CorpusReader again(options_, scan_corpus(options_), cursor, Role::kTraining);
  std::vector<Ticket> all = std::move(tickets_);
  for (Ticket& ticket : read_epoch(again)) all.push_back(std::move(ticket));
  EXPECT_EQ(documents_of(all), documents_of(before_));
}

TEST_P(ShardBeingRead, GivesNothingThatWasAppended) {
  before_ = read_epoch(options_);
  begin();
  append(bytes_of(2));
  EXPECT_THAT(data_error_of([&] { go_on(); }), HasSubstr(" bytes and had "));
  expect_only_old_text();
}

TEST_P(ShardBeingRead, IsLeftWithOneNoteAndNoDamageWhenChangesAreSkipped) {
  before_ = read_epoch(options_);
  options_.on_changed = OnChanged::kSkip;
  begin();
  const size_t size = std::filesystem::file_size(folder_ / "c/a");
  write(std::string(size / 4, 'x'), size / 2);
  go_on();
  EXPECT_EQ(reasons_of(skips_of(tickets_)), "1 x shard changed since the epoch began");
  expect_only_old_text();
  bool open = false;
  for (const Ticket& ticket : tickets_) {
    for (const TextPiece& piece : ticket.pieces) {
      EXPECT_NE(piece.begins_document, open) << "a document has one beginning and one end";
      open = !piece.ends_document;
    }
  }
  EXPECT_FALSE(open);
}

TEST_P(ShardBeingRead, IsReadToItsEndWhenItIsTouchedReplacedOrRemoved) {
  before_ = read_epoch(options_);
  const auto replace = [&] {
    folder_.write("new", bytes_of(2));
    std::filesystem::rename(folder_ / "new", folder_ / "c/a");
  };
  const auto touch = [&] {
    std::filesystem::last_write_time(folder_ / "c/a", std::filesystem::file_time_type{});
  };
  const auto remove = [&] { std::filesystem::remove(folder_ / "c/a"); };
  for (const auto& change : std::vector<std::function<void()>>{touch, replace, remove}) {
    folder_.write("c/a", bytes_of(1));
    tickets_.clear();
    begin();
    ASSERT_EQ(make_regions(reader_->catalog()).size(), 2U) << "the file must be one region";
    change();
    go_on();
    EXPECT_EQ(documents_of(tickets_), documents_of(before_));
  }
}

INSTANTIATE_TEST_SUITE_P(Compressions, ShardBeingRead, testing::ValuesIn(test::kAllCompressions),
                         [](const auto& form) { return std::string(compression_name(form.param)); });

TEST(CorpusReader, TellsHowTheCorpusChangedBetweenEpochs) {
  const TempFolder folder;
  for (const char* name : {"a", "b", "c", "d"}) folder.write(std::string("c/") + name, doc("T", name));
  const CorpusOptions options = options_for(folder / "c");
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  EXPECT_TRUE(read_epoch(reader).front().changes.none());
  EXPECT_TRUE(read_epoch(reader).front().changes.none());
  folder.write("c/new", doc("T", "new"));
  folder.write("c/b", doc("T", "other"));
  folder.write("c/c", std::string(10'000, '\0'));
  std::filesystem::remove(folder / "c/d");
  const auto tickets = read_epoch(reader);
  EXPECT_EQ(describe(tickets.front().changes),
            "1 more file (new), 1 changed (b), 2 not read any more (c: binary data; d: it is gone)");
  for (size_t i = 1; i < tickets.size(); ++i) EXPECT_TRUE(tickets[i].changes.none());
  EXPECT_TRUE(read_epoch(reader).front().changes.none());
}

TEST(CorpusReader, ReadsNoEpochOfAnotherCorpusUnlessAskedTo) {
  const TempFolder folder;
  folder.write("c/a", doc("T", "text"));
  CorpusOptions options = options_for(folder / "c");
  for (const OnChanged on_changed : {OnChanged::kFail, OnChanged::kSkip}) {
    options.on_changed = on_changed;
    CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
    (void)read_epoch(reader);
    const std::string other = on_changed == OnChanged::kFail ? "b" : "c";
    folder.write("c/" + other, doc("T", "other"));
    for (const char* old : {"a", "b"}) {
      if (old != other) std::filesystem::remove(folder / "c" / old);
    }
    if (on_changed == OnChanged::kFail) {
      EXPECT_THAT(
          data_error_of([&] { (void)read_epoch(reader); }),
          HasSubstr("no longer has any of its files, but others (1 more file (b), 1 not read any more "
                    "(a: it is gone))"));
    } else {
      EXPECT_THAT(documents_of(read_epoch(reader)), ElementsAre("other"));
    }
  }
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

TEST(CorpusReader, EndsTheEpochWithTheTicketThatTheLastStepFills) {
  const TempFolder folder;
  for (int empty = 4'085; empty <= 4'096; ++empty) {
    std::string bytes = doc("T", "text");
    for (int i = 0; i < empty; ++i) bytes += doc("", "");
    folder.write("c/a", bytes);
    const CorpusOptions options = options_for(folder / "c");
    CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
    for (int epoch = 0; epoch < 2; ++epoch) {
      std::vector<Ticket> tickets{*reader.next()};
      while (!tickets.back().ends_epoch && tickets.size() < 5) tickets.push_back(*reader.next());
      EXPECT_TRUE(tickets.back().ends_epoch) << empty;
      EXPECT_THAT(documents_of(tickets), ElementsAre("text")) << empty;
    }
  }
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
