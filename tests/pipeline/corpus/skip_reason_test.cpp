// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/skip_reason.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

constexpr int kReasonCount = static_cast<int>(SkipReason::kOther) + 1;

TEST(SkipReason, IsFoundAgainByItsKeyAndByItsText) {
  for (int i = 0; i < kReasonCount; ++i) {
    const auto reason = static_cast<SkipReason>(i);
    EXPECT_EQ(find_reason(reason_key(reason)), reason) << reason_key(reason);
    EXPECT_EQ(find_reason(reason_text(reason)), reason) << reason_text(reason);
  }
}

TEST(SkipReason, HasAKeyOfItsOwnInPlainLetters) {
  std::set<std::string_view> keys;
  for (int i = 0; i < kReasonCount; ++i) {
    const std::string_view key = reason_key(static_cast<SkipReason>(i));
    EXPECT_TRUE(keys.insert(key).second) << key;
    EXPECT_EQ(key.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << key;
  }
}

/// The files of runs hold them.
TEST(SkipReason, KeepsTheKeysThatWereEverWritten) {
  const std::map<SkipReason, std::string_view> written{
      {SkipReason::kEmpty, "empty"},
      {SkipReason::kTooLong, "too_long"},
      {SkipReason::kInvalidJson, "invalid_json"},
      {SkipReason::kNotAnObject, "not_an_object"},
      {SkipReason::kNoText, "no_text"},
      {SkipReason::kTextNotString, "text_not_string"},
      {SkipReason::kOutsideDocument, "outside_document"},
      {SkipReason::kUnclosedDocument, "unclosed_document"},
      {SkipReason::kUnclosedPage, "unclosed_page"},
      {SkipReason::kCutPage, "cut_page"},
      {SkipReason::kInvalidXml, "invalid_xml"},
      {SkipReason::kUntitledPage, "untitled_page"},
      {SkipReason::kPageWithoutText, "page_without_text"},
      {SkipReason::kDeletedText, "deleted_text"},
      {SkipReason::kOtherNamespace, "other_namespace"},
      {SkipReason::kRedirect, "redirect"},
      {SkipReason::kDisambiguation, "disambiguation"},
      {SkipReason::kOtherModel, "other_model"},
      {SkipReason::kUnreadableMember, "unreadable_member"},
      {SkipReason::kDamagedBlock, "damaged_block"},
      {SkipReason::kDamagedStream, "damaged_stream"},
      {SkipReason::kTruncatedStream, "truncated_stream"},
      {SkipReason::kTrailingGarbage, "trailing_garbage"},
      {SkipReason::kDecompressionBomb, "decompression_bomb"},
      {SkipReason::kVanishedShard, "vanished_shard"},
      {SkipReason::kChangedShard, "changed_shard"},
      {SkipReason::kFileOfRun, "file_of_run"},
      {SkipReason::kFewWords, "few_words"},
      {SkipReason::kDuplicate, "duplicate"},
      {SkipReason::kNearDuplicate, "near_duplicate"},
      {SkipReason::kEvaluatedDuplicate, "evaluated_duplicate"},
      {SkipReason::kOther, "other"}};
  EXPECT_EQ(written.size(), static_cast<size_t>(kReasonCount));
  for (const auto& [reason, key] : written) EXPECT_EQ(reason_key(reason), key);
}

TEST(SkipReason, IsFoundByTheWordsOfVersion01) {
  EXPECT_EQ(find_reason("text outside <doc>"), SkipReason::kOutsideDocument);
  EXPECT_EQ(find_reason("damaged bzip2 block"), SkipReason::kDamagedBlock);
  EXPECT_EQ(find_reason("damaged xz stream (needs more than 256 MiB to decompress)"),
            SkipReason::kDamagedStream);
  EXPECT_EQ(find_reason("truncated gzip stream"), SkipReason::kTruncatedStream);
  EXPECT_EQ(find_reason("garbage after the zstd stream"), SkipReason::kTrailingGarbage);
  EXPECT_EQ(find_reason("invalid XML (undefined entity)"), SkipReason::kInvalidXml);
  EXPECT_EQ(find_reason("unpacks to more than 1 GiB a MiB"), SkipReason::kDecompressionBomb);
}

TEST(SkipReason, OfANewerVersionIsAnother) {
  EXPECT_EQ(find_reason("eaten_by_a_dog"), SkipReason::kOther);
  EXPECT_EQ(find_reason(""), SkipReason::kOther);
}

TEST(SkipCause, HasTheTextOfItsReasonUnlessThereIsMoreToSay) {
  EXPECT_EQ(SkipCause(SkipReason::kTooLong).text, "too long");
  EXPECT_EQ(SkipCause(SkipReason::kInvalidXml, "invalid XML (no tag)").text, "invalid XML (no tag)");
}

}  // namespace
}  // namespace pretrain
