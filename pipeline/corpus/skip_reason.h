// SPDX-License-Identifier: Apache-2.0
#pragma once
// Why something in a corpus is skipped. Reasons have keys, which checkpoints and skipped.jsonl hold, and texts,
// which the user reads; nothing branches on a text. Thread-safe: pure functions.

#include <optional>
#include <string>
#include <string_view>

namespace pretrain {

enum class SkipReason {
  kEmpty,
  kTooLong,
  kInvalidJson,
  kNotAnObject,
  kNoText,
  kTextNotString,
  kOutsideDocument,
  kUnclosedDocument,
  kUnclosedPage,
  kCutPage,
  kInvalidXml,
  kUntitledPage,
  kPageWithoutText,
  kDeletedText,
  kOtherNamespace,
  kRedirect,
  kDisambiguation,
  kOtherModel,
  kUnreadableMember,
  kDamagedBlock,
  kDamagedStream,
  kTruncatedStream,
  kTrailingGarbage,
  kDecompressionBomb,
  kVanishedShard,
  kChangedShard,
  kFileOfRun,
  kFewWords,
  kDuplicate,
  kNearDuplicate,
  kEvaluatedDuplicate,
  kOther,  ///< of a checkpoint of a version that knows more reasons
};

/// What the files of a run call the reason: never changes.
std::string_view reason_key(SkipReason reason);
/// Whether the user asked for such skips, so that there may be very many.
bool is_requested(SkipReason reason);
/// For the user: "too long", "page cut by a damaged block".
std::string_view reason_text(SkipReason reason);
/// The reason that this or an earlier version wrote: a key, or as version 0.1 did the text, with its details.
/// kOther for words that are neither.
SkipReason find_reason(std::string_view word);

/// One case of a reason, with what there is to say about it.
struct SkipCause {
  SkipCause(SkipReason why) : reason(why), text(reason_text(why)) {}  // NOLINT: a reason alone is a cause
  SkipCause(SkipReason why, std::string_view details) : reason(why), text(details) {}

  SkipReason reason;
  std::string text;  ///< for the user: "invalid XML (undefined entity)"

  bool operator==(const SkipCause&) const = default;
};

}  // namespace pretrain
