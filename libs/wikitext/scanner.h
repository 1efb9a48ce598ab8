// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the wikitext of a page from start to end and passes text to a LineWriter. Open constructs with text
// (links, known templates, script variants) are on a stack of bounded depth; a Skipper skips dropped markup.
// If a template with text is never closed, its content is read again without the braces, at most a few times
// per page. Single-owner; one scanner serves one page.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/wikitext/line_writer.h"
#include "libs/wikitext/lost_template.h"
#include "libs/wikitext/site_words.h"
#include "libs/wikitext/skipper.h"
#include "libs/wikitext/template_rules.h"

namespace pretrain::wikitext {

class MarkupScanner {
 public:
  /// `title` is the page's, for `{{PAGENAME}}`.
  MarkupScanner(const SiteWords& words, std::string_view title, std::string_view page, std::string& out)
      : words_(words), title_(title), page_(page), skipper_(page), writer_(out, words.language()) {}

  /// Calls `sink` with the templates that are lost from running text. It must outlive the scanner.
  void report_lost(const LostTemplateSink& sink) { lost_ = &sink; }
  /// Reads the whole page.
  void run();
  /// Bytes read or moved, at least the size of the page.
  uint64_t work() const { return skipper_.work(); }

 private:
  enum class FrameKind : uint8_t {
    kTemplate,   ///< {{name|arguments}}
    kParameter,  ///< {{{name|default}}}
    kVariant,    ///< -{zh-hans:...;zh-hant:...}-
    kTarget,     ///< [[ before its `|`, if it is more than plain text
    kLink,       ///< [[...| in its label
    kExternal,   ///< [http://... in its label
  };
  /// What a dropped template took from the text around it.
  enum class Loss : uint8_t {
    kNone,
    kPerhaps,  ///< nothing is known of it
    kLikely,   ///< nothing is known of it, but it has a value
    kCertain,  ///< it shows what the page does not hold
  };
  /// Brackets around the reading of a word, as in <ruby>漢<rt>かん</rt></ruby>.
  enum class Ruby : uint8_t {
    kNone,
    kMarked,  ///< the page writes them itself
    kOpen,    ///< one was written that is still to be closed
  };
  struct Frame {
    FrameKind kind;
    const TemplateRule* rule = nullptr;
    std::string_view name = {};  ///< of the template, as written
    size_t body = 0;             ///< position of its content in the page
    bool function = false;       ///< a parser function, whose arguments have no names
    Loss loss = Loss::kNone;     ///< of the templates in it that were dropped
    bool failed = false;         ///< a function in it can't be computed
    size_t first_argument = 0;   ///< into arguments_
    size_t runs = 0;             ///< of apostrophes before it
    LineWriter::Mark mark = {};
  };
  /// Where an argument of an open template begins in the line, and the `=` after its name.
  struct Argument {
    size_t start = 0;
    size_t equals = std::string_view::npos;
  };

  struct Call {
    const TemplateRule* rule = nullptr;
    std::string_view name;
    size_t body = 0;
    bool function = false;
    bool impossible = false;  ///< no name of a page: the braces are text
  };

  // scanner.cpp: the pass, lines, braces
  void scan();
  void markup(char byte);
  void newline();
  void newline_in_braces(size_t brace);
  void start_line();
  void start_block(char byte);
  void end_line();
  void after_removal();
  void restart_line();
  void apostrophes();
  void entity();
  void underscore();
  void equals();
  void colon();
  void literal(size_t count);

  // scanner_braces.cpp
  void open_braces();
  Call called();
  void open_template();
  void skip_braces();
  void skip_template(const Call& call);
  bool breaks_argument(Loss loss) const;
  bool note_loss(Loss loss);
  void open_variant();
  void close_braces();
  void begin_label();
  void bar();
  void finish_template();
  void finish_parameter();
  void finish_variant();
  void replace(const Frame& frame, std::string_view text);
  std::string with_edge_spaces(std::string text, const Frame& frame,
                               const TemplateArguments& arguments) const;
  bool give_up_braces();
  TemplateArguments arguments_of(const Frame& frame, std::string_view content) const;

  // scanner_links.cpp
  void open_bracket();
  void open_link();
  void plain_link(size_t end);
  void labelled_link(size_t bar);
  void open_external();
  size_t address_end(size_t position);
  bool external_closes(size_t position);
  void close_bracket();
  bool close_link();
  bool is_url(size_t position) const;

  // scanner_tags.cpp
  void angle();
  void tag(const TagUse& use);
  bool drop_content(const TagUse& use);
  void drop_block(const TagUse& use);
  void code_content(const TagUse& use);
  void literal_content(const TagUse& use);
  void formula(const TagUse& use);
  void line_break(bool paragraph);
  void ruby(const TagUse& use);
  void superscript(const TagUse& use);

  bool push(Frame frame);
  /// The index of the innermost frame in braces; npos when there is none.
  size_t innermost_brace() const;
  void pop_to(size_t size);

  const SiteWords& words_;
  std::string_view title_;
  const LostTemplateSink* lost_ = nullptr;
  std::string_view page_;
  Skipper skipper_;
  LineWriter writer_;
  size_t at_ = 0;
  std::vector<Frame> frames_;
  std::vector<Argument> arguments_;  ///< of open templates, innermost last
  size_t unclosed_external_ = 0;     ///< no link out of the wiki that begins before it is closed
  LineKind kind_ = LineKind::kText;
  size_t heading_level_ = 0;
  bool restart_ = false;  ///< everything on the line so far was dropped, so the line starts again
  bool verse_ = false;
  bool term_ = false;  ///< in a term, whose definition begins at a colon
  Ruby ruby_ = Ruby::kNone;
  size_t superscript_ = std::string_view::npos;
};

}  // namespace pretrain::wikitext
