// SPDX-License-Identifier: Apache-2.0
// One JSON object on each line: with the document under a key, "text" unless another is named; of a search index of
// MediaWiki (cirrussearch), where each document follows a line that names it; or of Wikimedia Enterprise, with the
// page in HTML. A damaged line loses only itself.

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <simdjson.h>

#include "libs/base/text.h"
#include "libs/base/units.h"
#include "pipeline/corpus/html_text.h"
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

/// The kinds of JSON lines, by the objects that they are made of.
enum class JsonKind {
  kInvalid,     ///< no JSON
  kOther,       ///< no object
  kObject,      ///< an object without a document
  kDocument,    ///< with the key of the document
  kIndex,       ///< {"index": {...}}, before each document of a search index
  kEnterprise,  ///< a page with the key "article_body"
};

JsonKind kind_of(const simdjson::dom::object& object, std::string_view text_key) {
  simdjson::dom::object inner;
  if (object.size() == 1 && object["index"].get(inner) == simdjson::SUCCESS) return JsonKind::kIndex;
  if (object[text_key].error() == simdjson::SUCCESS) return JsonKind::kDocument;
  const bool page =
      object["article_body"].get(inner) == simdjson::SUCCESS && inner["html"].error() == simdjson::SUCCESS;
  return page ? JsonKind::kEnterprise : JsonKind::kObject;
}

/// What the first lines of a file say about it.
class FirstLines {
 public:
  explicit FirstLines(std::string_view text_key) : text_key_(text_key) {}

  /// Reads the lines of `head`; false when the last one has no end and may be a document.
  bool read(std::string_view head, bool is_whole_file) {
    *this = FirstLines(text_key_);
    simdjson::dom::parser parser;
    for (size_t at = 0; at < head.size() && !decided_;) {
      const size_t newline = head.find('\n', at);
      const bool complete = newline != std::string_view::npos;
      if (!complete && !is_whole_file) return false;
      const std::string_view line = head.substr(at, complete ? newline - at : newline);
      judge(parser, line.substr(utf8_mark_length(line)));
      at = complete ? newline + 1 : head.size();
    }
    return decided_ || is_whole_file;
  }

  /// The format, when a line has decided it.
  std::optional<TextFormat> format() const { return decided_ ? std::optional(format_) : std::nullopt; }
  /// Whether these are lines of objects: one alone may be a file of JSON.
  bool has_objects() const { return objects_ > 1; }
  /// The keys of the objects without a document: `"id", "content"`.
  std::string keys() const {
    std::string text;
    for (const std::string& key : keys_) text += (text.empty() ? "\"" : ", \"") + key + "\"";
    return text;
  }

 private:
  void judge(simdjson::dom::parser& parser, std::string_view line) {
    auto parsed = parser.parse(line.data(), line.size());
    // Bytes that are not UTF-8 are repaired when the line is read, so they don't matter here.
    if (parsed.error() == simdjson::UTF8_ERROR) return decide(TextFormat::kJsonl);
    simdjson::dom::object object;
    if (parsed.error() != simdjson::SUCCESS || parsed.get(object) != simdjson::SUCCESS) return;
    switch (kind_of(object, text_key_)) {
      case JsonKind::kDocument:
        return decide(after_index_ ? TextFormat::kCirrus : TextFormat::kJsonl);
      case JsonKind::kEnterprise:
        return decide(TextFormat::kEnterprise);
      case JsonKind::kIndex:
        after_index_ = true;
        return;
      default:
        note_keys(object);
    }
  }

  void decide(TextFormat format) {
    decided_ = true;
    format_ = format;
  }

  void note_keys(const simdjson::dom::object& object) {
    constexpr size_t kMostKeys = 8;
    constexpr size_t kLongestKey = 40;
    ++objects_;
    for (const auto field : object) {
      const std::string key(field.key.substr(0, kLongestKey));
      if (keys_.size() < kMostKeys && std::ranges::find(keys_, key) == keys_.end()) keys_.push_back(key);
    }
  }

  std::string_view text_key_;
  bool decided_ = false;
  bool after_index_ = false;
  TextFormat format_ = TextFormat::kJsonl;
  size_t objects_ = 0;
  std::vector<std::string> keys_;
};

Recognition rejected_lines(const FirstLines& lines, std::string_view text_key) {
  if (!lines.has_objects()) return rejected(std::string(kNotLines));
  return rejected(
      fmt::format("JSON without the key \"{}\" in its lines (keys: {}); name the one that holds the text "
                  "with --text-key",
                  text_key, lines.keys()));
}

/// JSON lines may have damaged lines, even the first. So a file is accepted if one of its first lines is a document.
Recognition recognize_lines(StreamBuffer& stream, std::string_view text_key) {
  FirstLines lines(text_key);
  bool complete = false;
  for (size_t bytes = kRecognizedBytes; bytes <= kJsonHeadBytes && !complete; bytes *= 4) {
    const std::string_view head = stream.window(bytes);
    complete = lines.read(head, head.size() < bytes);
  }
  if (const auto format = lines.format()) return {.format = format};
  // A line that is longer than this is left to the reader, which skips damaged lines one by one.
  if (stream.window(1).rfind('\n') == std::string_view::npos && !complete)
    return {.format = TextFormat::kJsonl};
  return rejected_lines(lines, text_key);
}

/// `[{"text":` begins a JSON array; `[[File:` or `[1]` is text.
bool begins_json_array(std::string_view text) {
  if (!text.starts_with('[')) return false;
  const std::string_view inside = trim_blanks(text.substr(1));
  return inside.starts_with('{') && trim_blanks(inside.substr(1)).starts_with('"');
}

/// Appends a title in front of a text, as in the documents of a dump.
std::string with_title(std::string_view title, std::string_view text) {
  return title.empty() ? std::string(text) : fmt::format("{}\n{}", title, text);
}

class JsonlReader : public RecordReader {
 public:
  JsonlReader(StreamBuffer& stream, const RecordRange& range, TextFormat format, const DumpOptions& options)
      : stream_(stream), end_(range.end), format_(format), options_(options) {
    go_to_line(stream_, range);
  }

  bool next(Record& record) override {
    while (stream_.offset() < end_) {
      const Line* line = stream_.peek_line();
      if (line == nullptr) return false;
      const std::string_view text = line->text.substr(utf8_mark_length(line->text));
      const bool wanted = (line->too_long || !is_blank(text)) && read(*line, text, record);
      stream_.take_line();
      if (wanted) return true;
    }
    return false;
  }

 private:
  /// False for a line that is no record: one that only names the next.
  bool read(const Line& line, std::string_view text, Record& record) {
    record = Record{};
    record.offset = line.offset;
    record.end = line.end;
    if (line.too_long) {
      record.fault = SkipReason::kTooLong;
      return true;
    }
    if (!parser_) parser_.emplace();
    names_next_ = false;
    if (const auto reason = parse(text, record)) record.fault = *reason;
    if (text.size() > kKeptLineBytes) parser_.reset();
    return !names_next_;
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
    if (format_ == TextFormat::kEnterprise) return take_page(object, record);
    std::string_view title;
    if (object["title"].get(title) == simdjson::SUCCESS) record.title = title;
    if (format_ == TextFormat::kCirrus) return take_indexed(object, record);
    return take_text(object, record);
  }

  std::optional<SkipReason> take_text(const simdjson::dom::object& object, Record& record) {
    simdjson::dom::element element;
    if (object[options_.text.key].get(element) != simdjson::SUCCESS) return SkipReason::kNoText;
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS) return SkipReason::kTextNotString;
    if (is_blank(text)) return SkipReason::kEmpty;
    record.text = text;
    return std::nullopt;
  }

  /// A document of a search index has the namespace and title of its page.
  std::optional<SkipReason> take_indexed(const simdjson::dom::object& object, Record& record) {
    names_next_ = kind_of(object, options_.text.key) == JsonKind::kIndex;
    if (names_next_) return std::nullopt;
    if (const auto reason = take_text(object, record)) return reason;
    record.text = with_title(record.title, record.text);
    select(object["namespace"], record);
    return std::nullopt;
  }

  /// A page of Wikimedia Enterprise.
  std::optional<SkipReason> take_page(const simdjson::dom::object& object, Record& record) {
    std::string_view title;
    if (object["name"].get(title) == simdjson::SUCCESS) record.title = title;
    std::string_view html;
    if (object["article_body"]["html"].get(html) != simdjson::SUCCESS) return SkipReason::kNoText;
    select(object["namespace"]["identifier"], record);
    if (record.unwanted) return std::nullopt;
    const HtmlText page = html_text(html);
    if (is_blank(page.text)) return SkipReason::kEmpty;
    record.text = with_title(record.title, page.text);
    return std::nullopt;
  }

  void select(const simdjson::simdjson_result<simdjson::dom::element>& number, Record& record) const {
    int64_t value = 0;
    if (number.get(value) != simdjson::SUCCESS) return;
    record.page_namespace = static_cast<int>(std::clamp<int64_t>(value, -2, 1 << 20));
    if (options_.pages.wants(*record.page_namespace)) return;
    record.unwanted = SkipReason::kOtherNamespace;
    record.text.clear();
  }

  StreamBuffer& stream_;
  uint64_t end_;
  TextFormat format_;
  DumpOptions options_;
  bool names_next_ = false;
  std::optional<simdjson::dom::parser> parser_;
};

}  // namespace

std::unique_ptr<RecordReader> make_jsonl_reader(StreamBuffer& stream, const RecordRange& range,
                                                const DumpOptions& options) {
  return std::make_unique<JsonlReader>(stream, range, TextFormat::kJsonl, options);
}
std::unique_ptr<RecordReader> make_cirrus_reader(StreamBuffer& stream, const RecordRange& range,
                                                 const DumpOptions& options) {
  return std::make_unique<JsonlReader>(stream, range, TextFormat::kCirrus, options);
}
std::unique_ptr<RecordReader> make_enterprise_reader(StreamBuffer& stream, const RecordRange& range,
                                                     const DumpOptions& options) {
  return std::make_unique<JsonlReader>(stream, range, TextFormat::kEnterprise, options);
}

std::optional<Recognition> recognize_jsonl(const FileBeginning& beginning) {
  if (beginning.text.starts_with('{')) return recognize_lines(beginning.stream, beginning.text_key);
  if (begins_json_array(beginning.text)) return rejected(std::string(kNotLines));
  return std::nullopt;
}

}  // namespace pretrain
