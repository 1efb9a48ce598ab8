// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/recognize.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "libs/base/hash.h"
#include "libs/base/text.h"
#include "libs/base/units.h"
#include "pipeline/corpus/dump_index.h"
#include "pipeline/corpus/encoding.h"
#include "pipeline/corpus/stream_buffer.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

std::string_view text_after_blanks(std::string_view head) {
  return trim_blanks(head.substr(utf8_mark_length(head)));
}

constexpr std::string_view kParquetReason =
    "Parquet file; convert it to JSON lines first (pip install pyarrow): python3 -c 'import json,sys,"
    "pyarrow.parquet as p; [print(json.dumps(r,default=str)) for b in p.ParquetFile(sys.argv[1]).iter_batches() "
    "for r in b.to_pylist()]' FILE.parquet > FILE.jsonl";

/// Formats that are known by their first bytes and can't be read, with what the user can do.
std::string foreign_format(std::string_view head) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kMagic{{
      {"Rar!", "rar archive; unpack it first"},
      {"PAR1", kParquetReason},
      {"ZIM\x04", "ZIM file of Kiwix; give a dump of the same wiki"},
      {"%PDF-", "PDF file; convert it to text first"},
      {"\x04\x22\x4D\x18", "lz4 file; unpack it first"},
      {"{\\rtf", "RTF document; convert it to text first"},
      {"\xD0\xCF\x11\xE0", "document of an office program; convert it to text first"},
  }};
  if (recognize_compression(head, "") != Compression::kNone) return "compressed twice; unpack it once";
  for (const auto& [magic, reason] : kMagic) {
    if (head.starts_with(magic)) return std::string(reason);
  }
  return {};
}

/// Archives that libarchive reads, see archive_source.h.
bool is_archive(std::string_view head) {
  constexpr size_t kTarMagic = 257;
  return head.starts_with("PK\x03\x04") || head.starts_with("7z\xBC\xAF\x27\x1C") ||
         (head.size() > kTarMagic && head.substr(kTarMagic).starts_with("ustar"));
}

/// "d41d8cd98f00b204e9800998ecf8427e  name": hexadecimal digits, two spaces, a name.
bool is_checksum_line(std::string_view line) {
  constexpr size_t kShortest = 32;  // of MD5
  const size_t digits = line.find_first_not_of("0123456789abcdef");
  return digits != std::string_view::npos && digits >= kShortest && digits % 8 == 0 &&
         (line.substr(digits).starts_with("  ") || line.substr(digits).starts_with(" *"));
}

/// Two lines are looked at: one alone could be the beginning of a text.
bool is_list_of_checksums(std::string_view text) {
  const size_t first = text.find('\n');
  if (!is_checksum_line(text.substr(0, first))) return false;
  if (first == std::string_view::npos) return true;
  const std::string_view rest = text.substr(first + 1);
  const size_t second = rest.find('\n');
  return second == std::string_view::npos || is_checksum_line(rest.substr(0, second));
}

/// What Wikimedia publishes in the folder of a dump besides its articles; empty for anything else.
std::string beside_a_dump(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kStarts{{
      {"-- MySQL dump", "SQL, which is no text"},
      {"-- MariaDB dump", "SQL, which is no text"},
      {"/*M!", "SQL, which is no text"},
      {"/*!40", "SQL, which is no text"},
      {"INSERT INTO `", "SQL, which is no text"},
      {"<li class=\"done\">", "state of a dump"},
      {"<li class='done'>", "state of a dump"},
      {"page_title\n", "list of titles"},
      {"page_namespace\tpage_title\n", "list of titles"},
      {"page_id\tpage_title\n", "list of titles"},
      {"<feed>", "abstracts of articles"},
      {"<rss", "RSS feed"},
      {"@prefix ", "RDF, which is no text"},
      {"<sitemapindex", "site map"},
  }};
  for (const auto& [start, reason] : kStarts) {
    if (text.starts_with(start)) return std::string(reason);
  }
  if (is_list_of_checksums(text)) return "checksums";
  const std::string_view line = text.substr(0, text.find('\n'));
  if (text.starts_with("name:") && line.find("; status:") != std::string_view::npos) return "state of a dump";
  if (text.starts_with("<http") && trim_blanks(line).ends_with(" .")) return "RDF, which is no text";
  return {};
}

/// Empty for short texts, which are often the same by chance.
std::string hash_of_beginning(StreamBuffer& stream) {
  constexpr size_t kShortest = 4_KiB;
  const std::string_view head = stream.window(kRecognizedBytes).substr(0, kRecognizedBytes);
  return head.size() < kShortest ? std::string() : hash128_hex(std::as_bytes(std::span(head)));
}

std::string empty_reason(const ByteSource& source) {
  return source.status() == StreamStatus::kOk ? "empty" : source.reason();
}

}  // namespace

Compression recognize_compression(std::string_view head, std::string_view name) {
  if (head.starts_with("\x1F\x8B\x08")) return Compression::kGzip;
  if (head.starts_with(std::string_view("\xFD\x37zXZ\0", 6))) return Compression::kXz;
  if (head.starts_with("\x28\xB5\x2F\xFD")) return Compression::kZstd;
  // The name counts for more than a damaged first block, because the other blocks may be intact.
  if (head.starts_with("BZh") && name.ends_with(".bz2")) return Compression::kBzip2;
  const bool bzip2 = head.size() >= 4 && head.starts_with("BZh") && head[3] >= '1' && head[3] <= '9';
  const std::string_view block = head.substr(std::min<size_t>(4, head.size()), 6);
  if (bzip2 && (block == "\x31\x41\x59\x26\x53\x59" || block == "\x17\x72\x45\x38\x50\x90")) {
    return Compression::kBzip2;
  }
  const bool skippable = head.size() >= 4 && (head[0] & 0xF0) == 0x50 && head.substr(1, 3) == "\x2A\x4D\x18";
  if (skippable && (name.ends_with(".zst") || name.ends_with(".zstd"))) return Compression::kZstd;
  return Compression::kNone;
}

Recognition recognize_dump_blocks(ByteSource& blocks, const ReadHooks& hooks) {
  constexpr size_t kLookedAt = 1_MiB;
  StreamBuffer stream(blocks, hooks);
  const std::string_view head = stream.window(kRecognizedBytes).substr(0, kRecognizedBytes);
  if (auto dump = recognize_mediawiki({head, text_after_blanks(head), stream})) {
    dump->beginning = hash_of_beginning(stream);
    return *std::move(dump);
  }
  // A dump whose first block is damaged has no head; its pages still show what it is.
  if (blocks.gap_after(0) == nullptr) return {};
  const std::string_view window = stream.window(kLookedAt);
  const size_t page = window.find("<page>");
  const bool is_dump =
      page != std::string_view::npos && trim_blanks(window.substr(page + 6, 100)).starts_with("<title>");
  return is_dump ? Recognition{.format = TextFormat::kMediaWiki} : Recognition{};
}

Recognition rejected(std::string reason) {
  return {.reason = std::move(reason)};
}

namespace {

/// In the order from what is certain to what is likely: the bytes of a format, Wikimedia's other files, each reader's
/// own test, and plain text for all that is left.
Recognition recognize_text(ByteSource& source, StreamBuffer& stream, const TextReading& options) {
  const std::string_view window = stream.window(kRecognizedBytes);
  const std::string_view head = window.substr(0, kRecognizedBytes);
  const std::string_view text = text_after_blanks(head);
  if (text.empty() && window.size() < kRecognizedBytes) return rejected(empty_reason(source));
  if (is_archive(head)) return {.reason = "archive", .is_archive = true};
  if (std::string foreign = foreign_format(head); !foreign.empty()) return rejected(std::move(foreign));
  const bool zero_first = head.substr(0, 4).find('\0') != std::string_view::npos;
  if (std::string reason = zero_first ? not_utf8_reason(head) : ""; !reason.empty())
    return rejected(std::move(reason));
  if (std::string beside = beside_a_dump(text); !beside.empty()) return rejected(std::move(beside));
  for (const TextFormatRow& row : kTextFormats) {
    if (row.recognize == nullptr) continue;
    if (auto recognition = row.recognize({head, text, stream, options.key})) return *std::move(recognition);
  }
  if (text.starts_with("<?xml")) return rejected("XML, but no MediaWiki dump");
  if (is_dump_index(text))
    return {.reason = "index of a multistream dump; it is not needed", .is_dump_index = true};
  if (std::string problem = not_utf8_reason(head); !problem.empty()) return rejected(std::move(problem));
  return {.format = options.paragraphs ? TextFormat::kParagraphs : TextFormat::kText};
}

}  // namespace

Recognition recognize_format(ByteSource& source, const TextReading& options, const ReadHooks& hooks) {
  StreamBuffer stream(source, hooks);
  std::string beginning = hash_of_beginning(stream);
  Recognition recognition = recognize_text(source, stream, options);
  recognition.beginning = std::move(beginning);
  // A page of HTML names its encoding.
  if (recognition.format && recognition.format != TextFormat::kHtml)
    recognition.doubt = utf8_doubt(stream.window(kRecognizedBytes).substr(0, kRecognizedBytes));
  return recognition;
}

}  // namespace pretrain
