// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/recognize.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libs/base/text.h"
#include "libs/base/units.h"
#include "pipeline/corpus/dump_index.h"
#include "pipeline/corpus/stream_buffer.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

std::string_view text_after_blanks(std::string_view head) {
  return trim_blanks(head.substr(utf8_mark_length(head)));
}

std::string foreign_format(std::string_view head) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kMagic{{
      {"\xFF\xFE", "UTF-16 text; convert it to UTF-8 first"},
      {"\xFE\xFF", "UTF-16 text; convert it to UTF-8 first"},
      {"PK\x03\x04", "zip archive; unpack it first"},
      {"7z\xBC\xAF", "7-zip archive; unpack it first"},
      {"Rar!", "rar archive; unpack it first"},
      {"PAR1", "Parquet file; convert it to JSON lines first"},
      {"%PDF-", "PDF file; convert it to text first"},
      {"\x04\x22\x4D\x18", "lz4 file; unpack it first"},
      {"\x1F\x8B", "compressed twice; unpack it once"},
      {"\x28\xB5\x2F\xFD", "compressed twice; unpack it once"},
  }};
  for (const auto& [magic, reason] : kMagic) {
    if (head.starts_with(magic)) return std::string(reason);
  }
  constexpr size_t kTarMagic = 257;
  if (head.size() > kTarMagic && head.substr(kTarMagic).starts_with("ustar"))
    return "tar archive; unpack it first";
  return {};
}

/// Why the head of a file is not UTF-8 text; empty if it is.
std::string not_text(std::string_view head) {
  const auto nuls = static_cast<size_t>(std::ranges::count(head, '\0'));
  if (nuls * 100 > head.size()) return "binary data";
  std::string repaired(head);
  // Latin-1 in a European language has about 2 % of such bytes; another alphabet or binary data has mostly
  // such bytes.
  if (repair_utf8(repaired) * 4 > head.size()) return "not UTF-8 text; convert it to UTF-8 first";
  return {};
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
  if (auto dump = recognize_mediawiki({head, text_after_blanks(head), stream})) return *std::move(dump);
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

Recognition recognize_format(ByteSource& source, DocumentMode documents, const ReadHooks& hooks) {
  StreamBuffer stream(source, hooks);
  const std::string_view window = stream.window(kRecognizedBytes);
  const std::string_view head = window.substr(0, kRecognizedBytes);
  const std::string_view text = text_after_blanks(head);
  if (text.empty() && window.size() < kRecognizedBytes) return rejected(empty_reason(source));
  if (std::string foreign = foreign_format(head); !foreign.empty()) return rejected(std::move(foreign));
  for (const TextFormatRow& row : kTextFormats) {
    if (row.recognize == nullptr) continue;
    if (auto recognition = row.recognize({head, text, stream})) return *std::move(recognition);
  }
  if (text.starts_with("<?xml")) return rejected("XML, but no MediaWiki dump");
  if (is_dump_index(text))
    return {.reason = "index of a multistream dump; it is not needed", .is_dump_index = true};
  if (std::string problem = not_text(head); !problem.empty()) return rejected(std::move(problem));
  return {.format = documents == DocumentMode::kParagraphs ? TextFormat::kParagraphs : TextFormat::kText};
}

}  // namespace pretrain
