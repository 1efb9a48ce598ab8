// SPDX-License-Identifier: Apache-2.0
#pragma once
// The formats of text in a corpus, one row of a table each: all code that treats formats differently asks the
// row. A new format is an enumerator, a row, and a source with the two functions that the row names, which is
// listed in CMakeLists.txt. Thread-safe: constants and pure functions.

#include <memory>
#include <optional>
#include <string_view>

#include "libs/base/enum_table.h"

namespace pretrain {

class RecordReader;
class StreamBuffer;
struct DumpOptions;
struct FileBeginning;
struct RecordRange;
struct Recognition;

enum class TextFormat {
  kDoc,         ///< `<doc id= url= title=>` ... `</doc>`, as WikiExtractor writes it
  kJsonl,       ///< one JSON object a line, with the document in "text"
  kText,        ///< plain text, the whole file is one document
  kParagraphs,  ///< plain text, blank lines separate documents
  kMediaWiki,   ///< MediaWiki's XML export, as Wikipedia's dumps are published
  kEscapedDoc,  ///< kDoc whose text has the escapes of HTML, as WikiExtractor 3 writes it
  kCirrus,      ///< JSON lines of a search index: each document after a line that names it
  kEnterprise,  ///< JSON lines of Wikimedia Enterprise, with the page in HTML
  kHtml,        ///< a page of HTML, the whole file is one document
  kMembers,     ///< the files of an archive, each with the format that its content shows
};

/// Makes the reader of a format; see make_record_reader(), which uses it.
using MakeReader = std::unique_ptr<RecordReader>(StreamBuffer& stream, const RecordRange& range,
                                                 const DumpOptions& dump);
MakeReader make_doc_reader, make_jsonl_reader, make_text_reader, make_paragraph_reader, make_mediawiki_reader;

/// What the beginning of a file says about it: the format, or why a file that is meant to be of the format can't
/// be read. Nothing when it is something else. See recognize_format(), which asks the formats in their order.
using RecognizeFormat = std::optional<Recognition>(const FileBeginning& beginning);
MakeReader make_escaped_doc_reader, make_cirrus_reader, make_enterprise_reader, make_html_reader,
    make_member_reader;
RecognizeFormat recognize_doc, recognize_jsonl, recognize_mediawiki, recognize_html;

struct TextFormatRow {
  TextFormat value;
  std::string_view key;      ///< in the catalogs of checkpoints: never changes
  std::string_view old_key;  ///< what version 0.1 wrote there, and is still read
  std::string_view name;     ///< for the user; free to change
  MakeReader* make_reader;
  RecognizeFormat* recognize = nullptr;  ///< null: not told by the content, see DocumentMode
  bool one_document = false;  ///< the whole file is one document, so that no part of it has records
  bool is_dump = false;       ///< of pages: it has a DumpSite, and is read block by block from bzip2
};

constexpr TextFormatRow kTextFormats[] = {
    {.value = TextFormat::kDoc,
     .key = "doc",
     .old_key = "doc text",
     .name = "doc text",
     .make_reader = make_doc_reader,
     .recognize = recognize_doc},
    {.value = TextFormat::kJsonl,
     .key = "jsonl",
     .old_key = "JSON lines",
     .name = "JSON lines",
     .make_reader = make_jsonl_reader,
     .recognize = recognize_jsonl},
    {.value = TextFormat::kText,
     .key = "text",
     .old_key = "plain text",
     .name = "plain text",
     .make_reader = make_text_reader,
     .one_document = true},
    {.value = TextFormat::kParagraphs,
     .key = "paragraphs",
     .old_key = "paragraphs",
     .name = "paragraphs",
     .make_reader = make_paragraph_reader},
    {.value = TextFormat::kMediaWiki,
     .key = "mediawiki",
     .old_key = "MediaWiki XML",
     .name = "MediaWiki XML",
     .make_reader = make_mediawiki_reader,
     .recognize = recognize_mediawiki,
     .is_dump = true},
    {.value = TextFormat::kEscapedDoc,
     .key = "escaped_doc",
     .old_key = "",
     .name = "escaped doc text",
     .make_reader = make_escaped_doc_reader},
    {.value = TextFormat::kCirrus,
     .key = "cirrus",
     .old_key = "",
     .name = "search index",
     .make_reader = make_cirrus_reader},
    {.value = TextFormat::kEnterprise,
     .key = "enterprise",
     .old_key = "",
     .name = "Enterprise HTML",
     .make_reader = make_enterprise_reader},
    {.value = TextFormat::kHtml,
     .key = "html",
     .old_key = "",
     .name = "HTML",
     .make_reader = make_html_reader,
     .recognize = recognize_html},
    {.value = TextFormat::kMembers,
     .key = "members",
     .old_key = "",
     .name = "files",
     .make_reader = make_member_reader},
};
static_assert(is_in_order(kTextFormats));

constexpr const TextFormatRow& row_of(TextFormat format) {
  return row_of(kTextFormats, format);
}
/// What a checkpoint calls the format.
constexpr std::string_view format_key(TextFormat format) {
  return row_of(format).key;
}
/// What the user reads: "doc text", "JSON lines".
constexpr std::string_view format_name(TextFormat format) {
  return row_of(format).name;
}
/// The format of a key that this or an earlier version wrote; nothing for other words.
constexpr std::optional<TextFormat> find_format(std::string_view key) {
  for (const TextFormatRow& row : kTextFormats) {
    if (key == row.key || (key == row.old_key && !key.empty())) return row.value;
  }
  return std::nullopt;
}

}  // namespace pretrain
