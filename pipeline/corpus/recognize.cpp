#include "pipeline/corpus/recognize.h"

#include <algorithm>
#include <array>
#include <utility>

#include <simdjson.h>

#include "libs/base/text.h"
#include "libs/base/units.h"
#include "pipeline/corpus/dump_index.h"
#include "pipeline/corpus/stream_buffer.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

constexpr size_t kHeadBytes = 64_KiB;
/// Long enough to see the end of the first line, which distinguishes JSON lines from one large JSON object.
constexpr size_t kJsonHeadBytes = 4_MiB;

constexpr std::string_view kNotLines =
    "JSON, but not JSON lines: each line must be an object with the key \"text\"";

Recognition reject(std::string reason) {
  return {std::nullopt, std::move(reason)};
}

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

enum class JsonLine { kInvalid, kOther, kObject, kDocument };

JsonLine judge_line(simdjson::dom::parser& parser, std::string_view line) {
  simdjson::dom::object object;
  auto parsed = parser.parse(line.data(), line.size());
  // Bytes that are not UTF-8 are repaired when the line is read, so they don't matter here.
  if (parsed.error() == simdjson::UTF8_ERROR) return JsonLine::kDocument;
  if (parsed.error() != simdjson::SUCCESS) return JsonLine::kInvalid;
  if (parsed.get(object) != simdjson::SUCCESS) return JsonLine::kOther;
  return object["text"].error() == simdjson::SUCCESS ? JsonLine::kDocument : JsonLine::kObject;
}

enum class Verdict { kLines, kNoLines, kUndecided };

/// JSON lines may have damaged lines, even the first. So a file is accepted if one of its first lines is a
/// document or if it has several objects, but not if it is a single object on one or many lines.
Verdict judge_lines(std::string_view head, bool is_whole_file) {
  simdjson::dom::parser parser;
  size_t objects = 0;
  for (size_t at = 0; at < head.size();) {
    const size_t newline = head.find('\n', at);
    const bool complete = newline != std::string_view::npos;
    if (!complete && !is_whole_file) return Verdict::kUndecided;
    const std::string_view line = head.substr(at, complete ? newline - at : newline);
    const JsonLine kind = judge_line(parser, line.substr(utf8_mark_length(line)));
    objects += kind == JsonLine::kObject ? 1 : 0;
    if (kind == JsonLine::kDocument || objects > 1) return Verdict::kLines;
    at = complete ? newline + 1 : head.size();
  }
  return is_whole_file ? Verdict::kNoLines : Verdict::kUndecided;
}

Recognition recognize_json(StreamBuffer& stream) {
  Verdict verdict = Verdict::kUndecided;
  size_t bytes = kHeadBytes;
  for (; bytes <= kJsonHeadBytes && verdict == Verdict::kUndecided; bytes *= 4) {
    const std::string_view head = stream.window(bytes);
    verdict = judge_lines(head, head.size() < bytes);
  }
  // A line that is longer than this is left to the reader, which skips damaged lines one by one.
  if (verdict != Verdict::kNoLines && stream.window(1).rfind('\n') == std::string_view::npos) {
    verdict = Verdict::kLines;
  }
  return verdict == Verdict::kLines ? Recognition{TextFormat::kJsonl, ""} : reject(std::string(kNotLines));
}

/// `[{"text":` begins a JSON array; `[[File:` or `[1]` is text.
bool begins_json_array(std::string_view text) {
  if (!text.starts_with('[')) return false;
  const std::string_view inside = trim_blanks(text.substr(1));
  return inside.starts_with('{') && trim_blanks(inside.substr(1)).starts_with('"');
}

Recognition recognize_dump(std::string_view head) {
  const std::string encoding = declared_encoding(head);
  if (!encoding.empty() && encoding != "utf-8" && encoding != "us-ascii") {
    return reject("XML in " + encoding + "; convert it to UTF-8 first");
  }
  return {TextFormat::kMediaWiki, "", read_dump_site(head)};
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
  const std::string_view head = stream.window(kHeadBytes);
  if (dump_prefix(head)) return recognize_dump(head.substr(0, kHeadBytes));
  if (blocks.gap_after(0) == nullptr) return {};
  const std::string_view window = stream.window(kLookedAt);
  const size_t page = window.find("<page>");
  const bool is_dump =
      page != std::string_view::npos && trim_blanks(window.substr(page + 6, 100)).starts_with("<title>");
  return is_dump ? Recognition{TextFormat::kMediaWiki, "", {}} : Recognition{};
}

Recognition recognize_format(ByteSource& source, DocumentMode documents, const ReadHooks& hooks) {
  StreamBuffer stream(source, hooks);
  const std::string_view window = stream.window(kHeadBytes);
  const std::string_view head = window.substr(0, kHeadBytes);
  const std::string_view text = text_after_blanks(head);
  if (text.empty() && window.size() < kHeadBytes) return reject(empty_reason(source));
  if (std::string foreign = foreign_format(head); !foreign.empty()) return reject(std::move(foreign));
  if (dump_prefix(head)) return recognize_dump(head);
  if (text.starts_with("<?xml")) return reject("XML, but no MediaWiki dump");
  if (is_dump_index(text)) return reject(std::string(kDumpIndex));
  if (text.starts_with("<doc ")) return {TextFormat::kDoc, ""};
  if (text.starts_with('{')) return recognize_json(stream);
  if (begins_json_array(text)) return reject(std::string(kNotLines));
  if (std::string problem = not_text(head); !problem.empty()) return reject(std::move(problem));
  return {documents == DocumentMode::kParagraphs ? TextFormat::kParagraphs : TextFormat::kText, ""};
}

}  // namespace pretrain
