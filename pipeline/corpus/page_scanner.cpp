// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/page_scanner.h"

#include <algorithm>
#include <cstring>

#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// Bytes to search at once between pages.
constexpr size_t kLookBytes = 64_KiB;
/// Pages up to this size are returned whole: 99.99 % of them. Larger ones are returned in parts, which should
/// not be small, because the XML parser reads an unfinished tag again for each part.
constexpr size_t kPartBytes = 4_MiB;

}  // namespace

/// The result of the search for a tag of a page.
struct PageScanner::Tag {
  enum class Kind {
    kNone,
    kOpening,
    kClosing,
    kUnknown,  ///< the bytes end before it shows what tag it is
  };
  Kind kind = Kind::kNone;
  size_t at = 0;  ///< where it begins; the end of the bytes for kNone
};

PageScanner::PageScanner(StreamBuffer& stream, std::string_view prefix, const RecordRange& range)
    : stream_(stream), end_(range.end) {
  opening_.append("<").append(prefix).append("page");
  closing_.append("</").append(prefix).append("page>");
  stream_.skip_to(range.start);
}

/// Tags are far apart, because '<' is escaped in text, so nearly all of the time is spent in memchr.
PageScanner::Tag PageScanner::find_tag(std::string_view bytes, size_t from) const {
  const size_t longest = std::max(opening_.size() + 1, closing_.size());
  for (size_t at = bytes.find('<', from); at != std::string_view::npos; at = bytes.find('<', at + 1)) {
    const std::string_view here = bytes.substr(at, longest);
    if (here.starts_with(closing_)) return {Tag::Kind::kClosing, at};
    if (here.starts_with(opening_)) {
      if (here.size() == opening_.size()) return {Tag::Kind::kUnknown, at};
      if (std::string_view(" \t\r\n/>").find(here[opening_.size()]) != std::string_view::npos) {
        return {Tag::Kind::kOpening, at};
      }
    } else if (here.size() < longest && (std::string_view(opening_).starts_with(here) ||
                                         std::string_view(closing_).starts_with(here))) {
      return {Tag::Kind::kUnknown, at};
    }
  }
  return {Tag::Kind::kNone, bytes.size()};
}

/// A page belongs to the range in which it begins, so that each has one reader.
uint64_t PageScanner::range_end() const {
  return std::min(end_, stream_.source().records_end());
}

uint64_t PageScanner::gap_at_or_after(uint64_t offset) const {
  const Gap* gap = stream_.source().gap_after(offset);
  return gap == nullptr ? ByteSource::kUnknown : gap->position;
}

PageScanner::Found PageScanner::seek() {
  for (size_t wanted = kLookBytes;;) {
    const uint64_t at = stream_.offset();
    if (at >= range_end()) return Found::kEnd;
    // No more than the range, if that is enough, because decompressing the block after it costs time.
    const auto within = static_cast<size_t>(std::min<uint64_t>(kLookBytes, range_end() - at));
    const std::string_view window = stream_.window(std::max(within, wanted > kLookBytes ? wanted : 1));
    const bool ended = window.size() < within;
    const uint64_t left = std::min(range_end(), gap_at_or_after(at)) - at;
    const std::string_view bytes =
        window.substr(0, static_cast<size_t>(std::min<uint64_t>(window.size(), left)));
    if (bytes.empty()) return at < range_end() && !window.empty() ? Found::kGap : Found::kEnd;
    // A tag that begins in the range may end after it.
    const Tag tag = find_tag(window, 0);
    if (tag.kind == Tag::Kind::kOpening && tag.at < bytes.size()) {
      stream_.take(tag.at);
      inside_ = false;
      return Found::kPage;
    }
    const bool unknown = tag.kind == Tag::Kind::kUnknown && tag.at < bytes.size() && !ended;
    if (unknown && tag.at == 0 && wanted > kLookBytes) {  // the stream ends inside it
      stream_.take(bytes.size());
      wanted = kLookBytes;
      continue;
    }
    const size_t passed = tag.kind == Tag::Kind::kClosing ? tag.at + closing_.size() : tag.at;
    stream_.take(std::min(bytes.size(), std::max<size_t>(passed, unknown ? 0 : 1)));
    wanted = unknown ? kLookBytes + closing_.size() : kLookBytes;
  }
}

PageScanner::Part PageScanner::read(std::string_view& bytes) {
  finish();
  size_t searched = inside_ ? 0 : 1;
  inside_ = true;
  for (size_t wanted = kLookBytes;;) {
    const std::string_view window = stream_.window(wanted);
    const uint64_t gap = gap_at_or_after(stream_.offset()) - stream_.offset();
    const std::string_view limited =
        window.substr(0, static_cast<size_t>(std::min<uint64_t>(window.size(), gap)));
    const Tag tag = find_tag(limited, searched);
    const bool closed = tag.kind == Tag::Kind::kClosing;
    const bool ended = window.size() < wanted;
    const auto give = [&](size_t size, Part part) {
      bytes = window.substr(0, size);
      pending_ = size;
      return part;
    };
    if (closed) return give(tag.at + closing_.size(), Part::kClosed);
    if (tag.kind == Tag::Kind::kOpening) return give(tag.at, Part::kUnclosed);
    if (limited.size() < window.size()) return give(limited.size(), Part::kCut);
    if (ended) return give(window.size(), Part::kUnclosed);
    searched = tag.at;
    if (window.size() >= kPartBytes)
      return give(utf8_boundary(window, std::min(tag.at, window.size() - 4)), Part::kMore);
    wanted = window.size() + 1;
  }
}

void PageScanner::finish() {
  stream_.take(pending_);
  pending_ = 0;
}

}  // namespace pretrain
