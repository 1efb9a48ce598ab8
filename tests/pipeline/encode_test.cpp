// SPDX-License-Identifier: Apache-2.0
#include "pipeline/encode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

TEST(EncodeTicket, KeepsEverythingOfTheTicketButItsText) {
  const auto catalog = std::make_shared<const Catalog>();
  Ticket ticket{
      .number = 7, .epoch = 2, .after = {.epoch = 2, .position = {}, .ticket = 8}, .catalog = catalog};
  ticket.skips.push_back({"shard", 5, SkipReason::kDamagedStream, "Title"});
  ticket.ends_epoch = true;
  const Chunk chunk = encode_ticket(std::move(ticket), test::sample_tokenizer());
  EXPECT_EQ(chunk.number, 7u);
  EXPECT_EQ(chunk.epoch, 2u);
  EXPECT_EQ(chunk.after.ticket, 8u);
  EXPECT_EQ(chunk.catalog, catalog);
  EXPECT_TRUE(chunk.ends_epoch);
  ASSERT_EQ(chunk.skips.size(), 1u);
  EXPECT_EQ(chunk.skips[0].title, "Title");
  EXPECT_TRUE(chunk.pieces.empty());
  EXPECT_EQ(chunk.error, nullptr);
}

TEST(EncodeTicket, EncodesEachPieceWithItsBorders) {
  Ticket ticket;
  ticket.pieces.push_back({.text = "The rower ", .begins_document = true});
  ticket.pieces.push_back({.text = "faces\nbackward.", .ends_document = true});
  ticket.pieces.push_back({.text = "", .begins_document = true, .ends_document = true});
  const Tokenizer& tokenizer = test::sample_tokenizer();
  const Chunk chunk = encode_ticket(std::move(ticket), tokenizer);
  ASSERT_EQ(chunk.pieces.size(), 3u);
  EXPECT_TRUE(chunk.pieces[0].begins_document);
  EXPECT_FALSE(chunk.pieces[0].ends_document);
  EXPECT_EQ(tokenizer.decode(chunk.pieces[0].ids), "The rower ");
  EXPECT_TRUE(chunk.pieces[1].ends_document);
  EXPECT_EQ(tokenizer.decode(chunk.pieces[1].ids), "faces\nbackward.");
  EXPECT_TRUE(chunk.pieces[2].ids.empty());
}

TEST(EncodeTicket, ReplacesAndCountsInvalidUtf8) {
  Ticket ticket;
  ticket.pieces.push_back({.text = "a\xff\x62\xc3", .begins_document = true});
  ticket.pieces.push_back({.text = "\x80", .ends_document = true});
  const Chunk chunk = encode_ticket(std::move(ticket), test::sample_tokenizer());
  EXPECT_EQ(chunk.invalid_utf8, 3u);
  EXPECT_EQ(test::sample_tokenizer().decode(chunk.pieces[0].ids), "a\uFFFDb\uFFFD");
}

}  // namespace
}  // namespace pretrain
