// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/page_parser.h"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include <expat.h>
#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/base/number.h"
#include "libs/base/text.h"
#include "libs/base/units.h"
#include "pipeline/corpus/character_data.h"
#include "pipeline/corpus/record_reader.h"

namespace pretrain {
namespace {

/// Limits for malicious input. Pages of real dumps nest five deep, and their tags have at most eight
/// attributes.
constexpr int kMaxDepth = 32;
constexpr int kMaxAttributes = 32;
/// expat keeps every name that it sees in a page, so their number is limited. The first names are not
/// checked, because few pages have more.
constexpr int kNamesPassed = 1000;
constexpr int kMaxUnknownNames = 1000;
constexpr std::array<std::string_view, 40> kKnownNames{
    "page",          "title",      "ns",           "id",          "redirect",  "restrictions",
    "revision",      "parentid",   "timestamp",    "contributor", "username",  "ip",
    "minor",         "comment",    "model",        "format",      "text",      "sha1",
    "origin",        "content",    "role",         "upload",      "filename",  "src",
    "size",          "bytes",      "location",     "deleted",     "xml:space", "type",
    "sha1base36",    "rel",        "archivename",  "base36",      "contents",  "discussionthreadinginfo",
    "ThreadSubject", "ThreadPage", "ThreadAuthor", "ThreadID"};
/// Limit of a tag or comment, because the parser holds it in memory until it ends.
constexpr size_t kMaxMarkupBytes = 16_MiB;
/// Limit of a short field; MediaWiki's own limit of a title is 255 bytes.
constexpr size_t kMaxValueBytes = 4_KiB;
/// Larger text buffers are freed after use.
constexpr size_t kKeptTextBytes = 4_MiB;

std::string_view local_name(std::string_view name) {
  return name.starts_with("xml:") ? name : name.substr(name.find(':') + 1);
}

void clear_text(std::string& text) {
  if (text.capacity() > kKeptTextBytes) {
    text = std::string();
  } else {
    text.clear();
  }
}

}  // namespace

/// The handlers of expat.
struct PageParser::Handlers {
  static PageParser& self(void* data) { return *static_cast<PageParser*>(data); }

  static void start(void* data, const XML_Char* name, const XML_Char** attributes) {
    self(data).begin_element(name, attributes);
  }
  static void end(void* data, const XML_Char* /*name*/) { self(data).end_element(); }
  static void text(void* data, const XML_Char* bytes, int length) {
    self(data).add_text({bytes, static_cast<size_t>(length)});
  }
};

PageParser::PageParser()
    : parser_(XML_ParserCreate("UTF-8"), XML_ParserFree), salt_(std::random_device()() | 1UL) {
  PRETRAIN_CHECK(parser_ != nullptr, "out of memory");
}
PageParser::~PageParser() = default;

void PageParser::begin() {
  XML_ParserReset(parser_.get(), "UTF-8");
  XML_SetHashSalt(parser_.get(), salt_);
  XML_SetUserData(parser_.get(), this);
  XML_SetElementHandler(parser_.get(), Handlers::start, Handlers::end);
  clear_text(page_.text);
  clear_text(revision_.text);
  std::string text = std::move(page_.text);
  page_ = Page{};
  page_.text = std::move(text);
  best_timestamp_.clear();
  has_revision_ = in_revision_ = false;
  depth_ = 0;
  field_ = Field::kNone;
  needs_handler_ = false;
  fed_bytes_ = cuts_used_ = 0;
  names_ = unknown_names_ = 0;
  fault_.clear();
}

// expat passes text in one call for each line and entity and inspects each byte several times. So a page that
// is passed at once is given to expat without its texts, which are nine tenths of a dump. If expat confirms
// that each missing text was the content of a text element, and the text is plain, it is copied. Any other
// page is parsed again whole.
bool PageParser::feed(std::string_view bytes, bool last) {
  if (!fault_.empty()) return false;
  if (!last || fed_bytes_ > 0) return parse(bytes, last);
  cut_texts(bytes);
  whole_ = shortened_;
  const bool good = parse(shortened_, true) && cuts_used_ == cuts_.size();
  whole_ = {};
  if (good) return true;
  begin();
  return parse(bytes, true);
}

/// Fills shortened_ and cuts_. What looks like a text's tag may not be one, for example in a comment.
void PageParser::cut_texts(std::string_view page) {
  static constexpr std::string_view kTag = "<text";
  constexpr auto npos = std::string_view::npos;
  clear_text(shortened_);
  cuts_.clear();
  size_t kept = 0;
  for (size_t tag = page.find(kTag); tag != npos; tag = page.find(kTag, tag + 1)) {
    const size_t name_end = tag + kTag.size();
    const size_t close = page.find_first_of("<>", name_end);
    const size_t next = close == npos ? npos : page.find('<', close);
    if (next == npos) break;
    const bool is_tag = page[close] == '>' && (close == name_end || is_blank(page.substr(name_end, 1)));
    if (!is_tag || page[close - 1] == '/' || next == close + 1) continue;
    shortened_.append(page, kept, close + 1 - kept);
    cuts_.push_back({shortened_.size(), page.substr(close + 1, next - close - 1)});
    kept = tag = next;
  }
  shortened_.append(page, kept);
}

// The last bytes are marked as such, because expat counts lines in all others: a sixth of the time from XML
// to text.
bool PageParser::parse(std::string_view bytes, bool last) {
  XML_SetCharacterDataHandler(parser_.get(), whole_.empty() ? Handlers::text : nullptr);
  fed_bytes_ += bytes.size();
  const bool good =
      XML_Parse(parser_.get(), bytes.data(), static_cast<int>(bytes.size()), last) == XML_STATUS_OK;
  if (!fault_.empty() || needs_handler_) return false;
  if (!good) {
    fault_ = fmt::format("invalid XML ({})", XML_ErrorString(XML_GetErrorCode(parser_.get())));
    return false;
  }
  const XML_Index done = XML_GetCurrentByteIndex(parser_.get());
  if (!last && done >= 0 && fed_bytes_ - static_cast<size_t>(done) > kMaxMarkupBytes)
    stop("a tag is too long");
  return fault_.empty();
}

void PageParser::stop(std::string_view reason) {
  if (fault_.empty()) fault_ = fmt::format("invalid XML ({})", reason);
  XML_StopParser(parser_.get(), XML_FALSE);
}

void PageParser::begin_element(std::string_view full_name, const char** attributes) {
  const std::string_view name = local_name(full_name);
  const auto note = [this](std::string_view known) {
    if (++names_ > kNamesPassed && std::ranges::find(kKnownNames, known) == kKnownNames.end())
      ++unknown_names_;
  };
  note(name);
  int count = 0;
  for (const char** a = attributes; *a != nullptr && count <= kMaxAttributes; a += 2, ++count) note(*a);
  if (++depth_ > kMaxDepth) return stop("nested too deeply");
  if (count > kMaxAttributes) return stop("too many attributes");
  if (unknown_names_ > kMaxUnknownNames) return stop("too many unknown names");
  if (field_ != Field::kNone) return;
  const auto enter = [this](Field field) {
    field_ = field;
    field_depth_ = depth_;
    value_.clear();
    field_start_ = static_cast<size_t>(XML_GetCurrentByteIndex(parser_.get())) +
                   static_cast<size_t>(XML_GetCurrentByteCount(parser_.get()));
  };
  if (depth_ == 2) {
    if (name == "title") enter(Field::kTitle);
    if (name == "ns") enter(Field::kNamespace);
    if (name == "redirect") page_.redirects = true;
    in_revision_ = name == "revision";
    if (!in_revision_) return;
    clear_text(revision_.text);
    revision_.has_text = revision_.text_deleted = revision_.text_too_long = false;
    revision_.model.clear();
    timestamp_.clear();
  } else if (depth_ == 3 && in_revision_) {
    if (name == "timestamp") enter(Field::kTimestamp);
    if (name == "model") enter(Field::kModel);
    if (name == "text") {
      enter(Field::kText);
      begin_text(attributes);
    }
  }
}

void PageParser::begin_text(const char** attributes) {
  revision_.has_text = true;
  for (; *attributes != nullptr; attributes += 2) {
    if (std::string_view(attributes[0]) == "deleted") revision_.text_deleted = true;
  }
}

void PageParser::end_element() {
  if (field_ != Field::kNone && depth_ == field_depth_) {
    end_field();
  } else if (depth_ == 2 && in_revision_) {
    end_revision();
  }
  --depth_;
}

void PageParser::end_field() {
  if (!whole_.empty() && !copy_text()) {
    needs_handler_ = true;
    XML_StopParser(parser_.get(), XML_FALSE);
    return;
  }
  if (field_ == Field::kTitle) page_.title = trim_blanks(value_);
  if (field_ == Field::kTimestamp) timestamp_ = trim_blanks(value_);
  if (field_ == Field::kModel) revision_.model = trim_blanks(value_);
  if (field_ == Field::kNamespace) {
    if (const auto number = parse_number<int>(trim_blanks(value_))) page_.name_space = number;
  }
  field_ = Field::kNone;
}

/// Copies the field that ends here from the page. False if that needs the text handler.
bool PageParser::copy_text() {
  const auto end = static_cast<size_t>(XML_GetCurrentByteIndex(parser_.get()));
  std::string_view raw = whole_.substr(field_start_, end - field_start_);
  if (cuts_used_ < cuts_.size() && cuts_[cuts_used_].position == field_start_) {
    if (!raw.empty() || field_ != Field::kText) return false;
    raw = cuts_[cuts_used_++].text;
  }
  std::string& text = field_ == Field::kText ? revision_.text : value_;
  const size_t longest = field_ == Field::kText ? kMaxPageTextBytes : kMaxValueBytes;
  return text.size() + raw.size() <= longest && append_character_data(raw, text);
}

/// Timestamps are ISO 8601 in UTC, so comparing their text compares the times.
void PageParser::end_revision() {
  in_revision_ = false;
  if (has_revision_ && timestamp_ < best_timestamp_) return;
  has_revision_ = true;
  best_timestamp_ = timestamp_;
  std::swap(page_.text, revision_.text);
  page_.has_text = revision_.has_text;
  page_.model = revision_.model;
  page_.text_deleted = revision_.text_deleted;
  page_.text_too_long = revision_.text_too_long;
}

void PageParser::add_text(std::string_view bytes) {
  if (field_ == Field::kText) {
    if (revision_.text_too_long) return;
    revision_.text_too_long = revision_.text.size() + bytes.size() > kMaxPageTextBytes;
    if (revision_.text_too_long) {
      revision_.text = std::string();
    } else {
      revision_.text += bytes;
    }
  } else if (field_ != Field::kNone && value_.size() + bytes.size() <= kMaxValueBytes) {
    value_ += bytes;
  }
}

}  // namespace pretrain
