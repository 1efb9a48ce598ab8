// One JSON object on each line, whose "text" is the document. A damaged line loses only itself.

#include <optional>

#include <simdjson.h>

#include "libs/base/text.h"
#include "pipeline/corpus/record_reader.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// The parser keeps memory of about 14 times the longest line. After a line longer than this, it is replaced.
constexpr size_t kKeptLineBytes = 1_MiB;

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
      record.fault = "too long";
      return;
    }
    if (!parser_) parser_.emplace();
    record.fault = parse(text, record);
    if (text.size() > kKeptLineBytes) parser_.reset();
  }

  /// Fills text and title; returns the fault.
  std::string parse(std::string_view text, Record& record) {
    // The stream buffer has padding after each line, so the line need not be copied.
    auto parsed = parser_->parse(text.data(), text.size(), false);
    if (parsed.error() == simdjson::UTF8_ERROR) {
      std::string repaired(text);
      repair_utf8(repaired);
      parsed = parser_->parse(repaired);
    }
    simdjson::dom::element root;
    if (parsed.get(root) != simdjson::SUCCESS) return "invalid JSON";
    simdjson::dom::object object;
    if (root.get(object) != simdjson::SUCCESS) return "not an object";
    std::string_view title;
    if (object["title"].get(title) == simdjson::SUCCESS) record.title = title;
    return take_text(object, record);
  }

  static std::string take_text(const simdjson::dom::object& object, Record& record) {
    simdjson::dom::element element;
    if (object["text"].get(element) != simdjson::SUCCESS) return "no text";
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS) return "text is not a string";
    if (is_blank(text)) return "empty";
    record.text = text;
    return {};
  }

  StreamBuffer& stream_;
  uint64_t end_;
  std::optional<simdjson::dom::parser> parser_;
};

}  // namespace

std::unique_ptr<RecordReader> make_jsonl_reader(StreamBuffer& stream, const RecordRange& range) {
  return std::make_unique<JsonlReader>(stream, range);
}

}  // namespace pretrain
