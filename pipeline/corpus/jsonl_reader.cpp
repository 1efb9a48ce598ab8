// SPDX-License-Identifier: Apache-2.0
// One JSON object on each line, whose "text" is the document. A damaged line loses only itself.

#include <optional>

#include <simdjson.h>

#include "libs/base/text.h"
#include "libs/base/units.h"
#include "pipeline/corpus/recognize.h"
#include "pipeline/corpus/record_reader.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// The parser keeps memory of about 14 times the longest line. After a line longer than this, it is replaced.
constexpr size_t kKeptLineBytes = 1_MiB;

/// Long enough to see the end of the first line, which distinguishes JSON lines from one large JSON object.
constexpr size_t kJsonHeadBytes = 4_MiB;

constexpr std::string_view kNotLines =
    "JSON, but not JSON lines: each line must be an object with the key \"text\"";

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

Recognition recognize_lines(StreamBuffer& stream) {
  Verdict verdict = Verdict::kUndecided;
  size_t bytes = kRecognizedBytes;
  for (; bytes <= kJsonHeadBytes && verdict == Verdict::kUndecided; bytes *= 4) {
    const std::string_view head = stream.window(bytes);
    verdict = judge_lines(head, head.size() < bytes);
  }
  // A line that is longer than this is left to the reader, which skips damaged lines one by one.
  if (verdict != Verdict::kNoLines && stream.window(1).rfind('\n') == std::string_view::npos) {
    verdict = Verdict::kLines;
  }
  if (verdict != Verdict::kLines) return rejected(std::string(kNotLines));
  return {.format = TextFormat::kJsonl};
}

/// `[{"text":` begins a JSON array; `[[File:` or `[1]` is text.
bool begins_json_array(std::string_view text) {
  if (!text.starts_with('[')) return false;
  const std::string_view inside = trim_blanks(text.substr(1));
  return inside.starts_with('{') && trim_blanks(inside.substr(1)).starts_with('"');
}

class JsonlReader : public RecordReader {
 public:
  JsonlReader(StreamBuffer& stream, const RecordRange& range) : stream_(stream), end_(range.end) {
    go_to_line(stream_, range);
  }

  bool next(Record& record) override {
    while (stream_.offset() < end_) {
      const Line* line = stream_.peek_line();
      if (line == nullptr) return false;
      const std::string_view text = line->text.substr(utf8_mark_length(line->text));
      const bool wanted = line->too_long || !is_blank(text);
      if (wanted) read(*line, text, record);
      stream_.take_line();
      if (wanted) return true;
    }
    return false;
  }

 private:
  void read(const Line& line, std::string_view text, Record& record) {
    record = Record{};
    record.offset = line.offset;
    record.end = line.end;
    if (line.too_long) {
      record.fault = SkipReason::kTooLong;
      return;
    }
    if (!parser_) parser_.emplace();
    if (const auto reason = parse(text, record)) record.fault = *reason;
    if (text.size() > kKeptLineBytes) parser_.reset();
  }

  /// Fills text and title; returns why there is no document.
  std::optional<SkipReason> parse(std::string_view text, Record& record) {
    // The stream buffer has padding after each line, so the line need not be copied.
    auto parsed = parser_->parse(text.data(), text.size(), false);
    if (parsed.error() == simdjson::UTF8_ERROR) {
      std::string repaired(text);
      repair_utf8(repaired);
      parsed = parser_->parse(repaired);
    }
    simdjson::dom::element root;
    if (parsed.get(root) != simdjson::SUCCESS) return SkipReason::kInvalidJson;
    simdjson::dom::object object;
    if (root.get(object) != simdjson::SUCCESS) return SkipReason::kNotAnObject;
    std::string_view title;
    if (object["title"].get(title) == simdjson::SUCCESS) record.title = title;
    return take_text(object, record);
  }

  static std::optional<SkipReason> take_text(const simdjson::dom::object& object, Record& record) {
    simdjson::dom::element element;
    if (object["text"].get(element) != simdjson::SUCCESS) return SkipReason::kNoText;
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS) return SkipReason::kTextNotString;
    if (is_blank(text)) return SkipReason::kEmpty;
    record.text = text;
    return std::nullopt;
  }

  StreamBuffer& stream_;
  uint64_t end_;
  std::optional<simdjson::dom::parser> parser_;
};

}  // namespace

std::unique_ptr<RecordReader> make_jsonl_reader(StreamBuffer& stream, const RecordRange& range,
                                                const DumpOptions& /*dump*/) {
  return std::make_unique<JsonlReader>(stream, range);
}

std::optional<Recognition> recognize_jsonl(const FileBeginning& beginning) {
  if (beginning.text.starts_with('{')) return recognize_lines(beginning.stream);
  if (begins_json_array(beginning.text)) return rejected(std::string(kNotLines));
  return std::nullopt;
}

}  // namespace pretrain
