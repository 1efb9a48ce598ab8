// SPDX-License-Identifier: Apache-2.0
#pragma once
// Builds lines, paragraphs and headings from cleaned text. It repairs punctuation around dropped markup (an
// empty bracket, a space before a comma), resolves runs of apostrophes, collapses spaces, and drops lines
// without a letter or digit and headings without text. Single-owner; one writer serves one page.
//
// The current line is a buffer that the caller can cut back to a mark: so links lose their targets, and
// templates are replaced by their text.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/wikitext/broken_sentence.h"

namespace pretrain::wikitext {

enum class LineKind : uint8_t {
  kText,  ///< joins the previous line unless a blank line or a break separates them
  kOwn,   ///< a line of its own: list item, definition, verse
  kHeading,
};

class LineWriter {
 public:
  /// Everything is appended to `out`; `language` is that of a wiki and must outlive the writer.
  explicit LineWriter(std::string& out, std::string_view language = "")
      : out_(out), language_(language), start_(out.size()) {}

  void text(std::string_view piece) {
    if (gap_) piece = close_gap(piece);
    line_.append(piece);
  }
  /// Like text(), but does not repair a gap before it.
  void verbatim(std::string_view piece) { line_.append(piece); }
  /// Notes that markup was dropped at the end of the line so far.
  void removed() { gap_ = holed_ = true; }
  /// Like removed(), for what is shown in a place of its own: no word before it joins one after it.
  void removed_apart() {
    removed();
    apart_ = true;
  }
  /// Notes that the sentence lost words here, so that it is dropped when the line ends.
  void lost_words() {
    line_ += kLossMark;
    lost_ = true;
  }
  /// A run of at least two apostrophes.
  void apostrophes(size_t count);
  /// Notes that a link or tag ends here, so that the text before it is no word before apostrophes.
  void end_of_markup() { solid_ = line_.size(); }
  /// How many runs of apostrophes are open, for settle_apostrophes().
  size_t apostrophe_runs() const { return apostrophes_.size(); }
  /// Resolves the runs after the first `runs` among themselves: a label or an argument ends.
  void settle_apostrophes(size_t runs);
  /// The characters since `mark` were in superscript: digits become superscript digits.
  void raise_since(size_t mark);

  // Marks in the current line, for markup that is replaced when it ends.
  struct Mark {
    size_t position = 0;
    size_t floor = 0;  ///< text before it is not changed until the mark is released
    size_t runs = 0;   ///< of apostrophes before it
    bool gap = false;
    bool apart = false;
  };
  Mark mark();
  std::string_view since(const Mark& mark) const { return std::string_view(line_).substr(mark.position); }
  size_t position() const { return line_.size(); }
  std::string_view line() const { return line_; }
  void cut(const Mark& mark);
  /// Ends the protection of the text before `mark`; keeps the text after it.
  void release(const Mark& mark) { floor_ = mark.floor; }
  /// Protects the text so far from changes, until a mark is released or cut to.
  void fence() {
    floor_ = line_.size();
    gap_ = false;
  }
  /// Ends the text so far with a line end inside the current line.
  void inner_line_end();
  /// Removes the last byte if it is `byte`.
  void drop_last(char byte);

  bool line_is_empty() const { return line_.size() == floor_; }
  /// Ends the line; `level` is the number of `=` before a heading.
  void end_line(LineKind kind, size_t level = 0);
  void blank_line() { blank_ = true; }
  /// The following text starts on a new line.
  void break_line() { break_ = true; }

 private:
  struct Heading {
    size_t level;
    std::string text;
  };
  /// What precedes a run of apostrophes: nothing of it decides where bold begins but this.
  enum class Before : uint8_t { kSpace, kOneLetter, kWord };
  struct Apostrophes {
    size_t position;
    size_t count;  ///< 2 italic, 3 bold, 5 both
    Before before;
  };

  std::string_view close_gap(std::string_view piece);
  bool close_after_opening(std::string_view& piece);
  void close_before_closing(std::string_view& piece);
  void close_before_stop(std::string_view& piece);
  bool stands_apart(std::string_view piece) const;
  void trim_line_end(bool separators);
  bool drop_bare_words();
  bool drop_bare_label();

  Before before_apostrophes() const;
  void balance_apostrophes(size_t first);
  void tidy_line();
  void end_lines(LineKind kind);
  void end_tidied(LineKind kind);
  void end_heading(size_t level);
  void put_line(LineKind kind);
  std::string_view separator_before(LineKind kind) const;
  void put_headings();

  std::string& out_;
  std::string_view language_;
  size_t start_;
  std::string line_;
  size_t floor_ = 0;
  bool gap_ = false;
  bool apart_ = false;  ///< what left the gap is shown in a place of its own
  bool holed_ = false;  ///< markup was dropped from the line
  size_t solid_ = 0;    ///< where the last link or tag of the line ended; 0 for none
  bool lost_ = false;   ///< the line holds marks where words were lost
  bool blank_ = false;
  bool break_ = false;
  LineKind last_ = LineKind::kHeading;
  std::vector<Apostrophes> apostrophes_;
  std::vector<Heading> headings_;  ///< headings without text so far, outermost first
};

}  // namespace pretrain::wikitext
