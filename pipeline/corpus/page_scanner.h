// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds the `<page>` elements in the text of a dump. Single-owner. A page begins wherever its tag is, because
// text never has an unescaped '<'. So reading can begin anywhere, and an unclosed page loses only itself.
//
//   while (scanner.seek() == PageScanner::Found::kPage) {
//     std::string_view bytes;
//     PageScanner::Part part;
//     do parse(bytes, part = scanner.read(bytes)); while (part == PageScanner::Part::kMore);
//     scanner.finish();
//   }

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/corpus/record_reader.h"

namespace pretrain {

class PageScanner {
 public:
  /// Scans `stream` from range.start on. `prefix` is that of the dump's tags. `stream` must outlive this.
  PageScanner(StreamBuffer& stream, std::string_view prefix, const RecordRange& range);

  enum class Found {
    kPage,  ///< the stream is at its opening tag
    kGap,   ///< the stream is at a gap of its source
    kEnd,   ///< nothing more in the range
  };
  /// Moves to the next page or gap of the range.
  [[nodiscard]] Found seek();

  enum class Part {
    kMore,      ///< some bytes of a long page
    kClosed,    ///< its last bytes, closing tag included
    kUnclosed,  ///< its last bytes, where another page begins or the stream ends
    kCut,       ///< its last bytes, where a gap begins
  };
  /// The next bytes of the page found by seek(); valid until the next call. Never ends inside a character.
  [[nodiscard]] Part read(std::string_view& bytes);

  /// The position after the bytes that were read last.
  uint64_t offset() const { return stream_.offset() + pending_; }
  /// Consumes the bytes that were read last; the next seek() continues after them.
  void finish();

 private:
  struct Tag;
  Tag find_tag(std::string_view bytes, size_t from) const;
  uint64_t range_end() const;
  uint64_t gap_at_or_after(uint64_t offset) const;

  StreamBuffer& stream_;
  std::string opening_;  // "<page"
  std::string closing_;  // "</page>"
  uint64_t end_;
  size_t pending_ = 0;  // bytes that read() has returned
  bool inside_ = false;
};

}  // namespace pretrain
