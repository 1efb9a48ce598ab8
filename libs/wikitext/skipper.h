// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds the end of dropped markup: templates, tables, file links, comments, tags with their content. Each
// search is one forward scan. Unclosed markup ends at the first place where prose continues. After a few
// failed searches on a page, later searches stop at that place, so that the cost of a page stays a small
// multiple of its size. Single-owner; one skipper serves one page.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/wikitext/tags.h"

namespace pretrain::wikitext {

class Skipper {
 public:
  explicit Skipper(std::string_view page);

  /// The end of the template or parameter whose braces begin at `position`.
  size_t braces_end(size_t position);
  /// The end of the table whose `{|` is at `position`.
  size_t table_end(size_t position);
  /// The end of the link to a file whose `[[` is at `position`.
  size_t file_end(size_t position);
  /// The end of the comment that begins at `position`.
  size_t comment_end(size_t position);
  /// The position after the comment, or after the tag and its dropped content, that begins at `position`, a
  /// `<`; the next position if it begins neither.
  size_t opaque_end(size_t position);
  /// The position of the closing tag of `use`; npos if there is none. A reference must end before the next
  /// heading.
  size_t closing_tag(const TagUse& use);
  /// The end of the line of `position`, skipping templates and comments that continue on later lines.
  size_t row_end(size_t position);

  /// Whether a search may still continue where prose seems to continue; each failure uses up one such search.
  bool is_patient() const { return patience_ > 0; }
  void lose_patience() { patience_ -= patience_ > 0 ? 1 : 0; }

  /// Bytes read so far.
  uint64_t work() const { return work_; }
  void add_work(uint64_t bytes) { work_ += bytes; }

 private:
  /// A search that starts in [from, at] ends at `at`.
  struct Found {
    size_t from = 1;
    size_t at = 0;
  };

  bool prose_goes_on(size_t line) const;
  size_t find_closing(const Tag& tag, size_t from);
  size_t find_heading(size_t from);
  size_t find_comment_end(size_t from);

  std::string_view page_;
  int patience_ = 4;
  uint64_t work_ = 0;
  std::vector<Found> closings_;  // by tag_index
  Found heading_;
  Found comment_;
};

}  // namespace pretrain::wikitext
