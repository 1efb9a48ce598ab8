// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/skip_reason.h"

#include "libs/base/enum_table.h"

namespace pretrain {
namespace {

struct ReasonRow {
  SkipReason value;
  std::string_view name;  ///< the key
  std::string_view text;
  /// How the texts of version 0.1 begin that had the details in them; "" where they were `text`.
  std::string_view old_prefix = "";
};

constexpr ReasonRow kReasons[] = {
    {SkipReason::kEmpty, "empty", "empty"},
    {SkipReason::kTooLong, "too_long", "too long"},
    {SkipReason::kInvalidJson, "invalid_json", "invalid JSON"},
    {SkipReason::kNotAnObject, "not_an_object", "not an object"},
    {SkipReason::kNoText, "no_text", "no text"},
    {SkipReason::kTextNotString, "text_not_string", "text is not a string"},
    {SkipReason::kOutsideDocument, "outside_document", "text outside <doc>"},
    {SkipReason::kUnclosedDocument, "unclosed_document", "unclosed document"},
    {SkipReason::kUnclosedPage, "unclosed_page", "unclosed page"},
    {SkipReason::kCutPage, "cut_page", "page cut by a damaged block"},
    {SkipReason::kInvalidXml, "invalid_xml", "invalid XML", "invalid XML ("},
    {SkipReason::kUntitledPage, "untitled_page", "page without a title"},
    {SkipReason::kPageWithoutText, "page_without_text", "page without text"},
    {SkipReason::kDeletedText, "deleted_text", "deleted text"},
    {SkipReason::kOtherNamespace, "other_namespace", "other namespace"},
    {SkipReason::kRedirect, "redirect", "redirect"},
    {SkipReason::kDisambiguation, "disambiguation", "disambiguation"},
    {SkipReason::kOtherModel, "other_model", "content that is not wikitext"},
    {SkipReason::kUnreadableMember, "unreadable_member", "file in an archive that is not text"},
    {SkipReason::kDamagedBlock, "damaged_block", "damaged bzip2 block"},
    {SkipReason::kDamagedStream, "damaged_stream", "damaged compressed stream", "damaged "},
    {SkipReason::kTruncatedStream, "truncated_stream", "truncated compressed stream", "truncated "},
    {SkipReason::kTrailingGarbage, "trailing_garbage", "garbage after a compressed stream",
     "garbage after the "},
    {SkipReason::kDecompressionBomb, "decompression_bomb", "unpacks to more than 1 GiB a MiB"},
    {SkipReason::kVanishedShard, "vanished_shard", "vanished since the epoch before"},
    {SkipReason::kChangedShard, "changed_shard", "shard changed since the epoch began"},
    {SkipReason::kFileOfRun, "file_of_run", "written by a run, which is no text"},
    {SkipReason::kFewWords, "few_words", "fewer words than --min-words"},
    {SkipReason::kDuplicate, "duplicate", "the same text as a document before"},
    {SkipReason::kNearDuplicate, "near_duplicate", "nearly the same text as a document before"},
    {SkipReason::kEvaluatedDuplicate, "evaluated_duplicate",
     "the same or nearly the same text as a document of the evaluation set"},
    {SkipReason::kOther, "other", "other reasons"},
};
static_assert(is_in_order(kReasons));

}  // namespace

std::string_view reason_key(SkipReason reason) {
  return row_of(kReasons, reason).name;
}

std::string_view reason_text(SkipReason reason) {
  return row_of(kReasons, reason).text;
}

bool is_requested(SkipReason reason) {
  return reason == SkipReason::kFewWords || reason == SkipReason::kDuplicate ||
         reason == SkipReason::kNearDuplicate || reason == SkipReason::kEvaluatedDuplicate;
}

SkipReason find_reason(std::string_view word) {
  for (const ReasonRow& row : kReasons) {
    if (word == row.name || word == row.text) return row.value;
  }
  for (const ReasonRow& row : kReasons) {
    if (!row.old_prefix.empty() && word.starts_with(row.old_prefix)) return row.value;
  }
  return SkipReason::kOther;
}

}  // namespace pretrain
