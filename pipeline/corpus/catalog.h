// SPDX-License-Identifier: Apache-2.0
#pragma once
// The catalog of a corpus: the readable files below the given paths, each with an identity that does not
// depend on its path or date. The catalog of an epoch is part of a checkpoint. Thread-compatible.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "libs/base/enum_table.h"
#include "libs/base/file.h"
#include "libs/base/file_stamp.h"
#include "pipeline/corpus/compression.h"
#include "pipeline/corpus/dump.h"
#include "pipeline/corpus/text_format.h"

namespace pretrain {

/// What a document is in a plain text file.
enum class DocumentMode { kFiles, kParagraphs };
constexpr EnumName<DocumentMode> kDocumentModes[] = {{DocumentMode::kFiles, "files"},
                                                     {DocumentMode::kParagraphs, "paragraphs"}};
static_assert(is_in_order(kDocumentModes));

/// What to do when a shard changes or vanishes while it is being read.
enum class OnChanged { kFail, kSkip };
constexpr EnumName<OnChanged> kChangeActions[] = {{OnChanged::kFail, "fail"}, {OnChanged::kSkip, "skip"}};
static_assert(is_in_order(kChangeActions));

/// Which copies of documents are skipped: none, those with the same bytes, or similar ones too.
enum class Deduplication { kOff, kExact, kNear };
constexpr EnumName<Deduplication> kDeduplications[] = {
    {Deduplication::kOff, "off"}, {Deduplication::kExact, "exact"}, {Deduplication::kNear, "near"}};
static_assert(is_in_order(kDeduplications));

struct CorpusOptions {
  std::vector<Path> inputs;  ///< files and folders in any mix
  DocumentMode documents = DocumentMode::kFiles;
  OnChanged on_changed = OnChanged::kFail;
  uint64_t seed = 0;                   ///< of the order in which an epoch visits the corpus
  double validation_fraction = 0.005;  ///< of the documents, chosen by content, never trained on
  PageSelection pages;                 ///< of MediaWiki dumps
  std::string text_key = "text";       ///< of JSON lines: the key of the document
  uint64_t min_words = 0;              ///< of a training document; held-out ones may be shorter
  bool signatures = false;             ///< whether training documents get one
  /// State folders of runs, which are excluded from the inputs, as are folders that look like one.
  std::vector<Path> state_folders;

  TextReading text() const { return {text_key, documents == DocumentMode::kParagraphs}; }
};

struct Shard {
  Path path;  ///< its current path; neither part of the identity nor stored
  std::string
      name;  ///< relative to its input; preceded by the input's name if two inputs have the same file name
  uint64_t size_bytes = 0;
  std::string hash;  ///< see identify()
  Compression compression = Compression::kNone;
  TextFormat format = TextFormat::kText;
  DumpSite site;  ///< of a MediaWiki dump
  /// Stamp of the file when its content was examined, if every later change would change the stamp; not
  /// stored.
  std::optional<FileStamp> stamp = {};
  bool left_out = false;       ///< a file of a run, which earlier versions read as text; not stored
  std::string beginning = {};  ///< hash of the first text in it, to find copies; not stored
  std::string doubt = {};  ///< for the user: what is wrong with text that is read nevertheless; not stored
};

struct RejectedFile {
  std::string name;
  std::string reason;                   ///< for the user
  std::optional<FileStamp> stamp = {};  ///< as of a shard; not stored
  bool is_dump_index = false;           ///< of a multistream dump; not stored
};

struct Catalog {
  std::vector<Shard> shards;  ///< sorted by name
  std::vector<RejectedFile> rejected;
  /// Non-fatal warnings about shards, one line each; not stored.
  std::vector<std::string> warnings;

  const Shard* find(const std::string& name) const;
};

void to_json(nlohmann::json& json, const Catalog& catalog);
/// Errors: kData when it is not what to_json() wrote. Paths are left empty; see known_shards.h.
void from_json(const nlohmann::json& json, Catalog& catalog);

}  // namespace pretrain
