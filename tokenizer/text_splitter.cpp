// SPDX-License-Identifier: Apache-2.0
// The expressions are matched by PCRE2. RE2, the alternative, lacks the lookahead `(?!\S)` of every one of them.
// Models were trained with Oniguruma and Unicode 16, PCRE2 of Debian 12 has Unicode 14 and counts U+180E as white
// space: so the classes are spelled out below, and a test compares every character.
#include "tokenizer/text_splitter.h"

#include <array>
#include <string>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "libs/base/check.h"
#include "libs/base/enum_table.h"
#include "libs/base/error.h"

namespace pretrain {
namespace {

// Letters and numbers of Unicode 15 and 16, which are added to the library's classes. ASCII stands first because a
// class is searched in that order.
constexpr std::string_view kLetters =
    R"(a-zA-Z\p{L})"
    R"(\x{1C89}-\x{1C8A}\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC}\x{105C0}-\x{105F3}\x{10D4A}-\x{10D65})"
    R"(\x{10D6F}-\x{10D85}\x{10EC2}-\x{10EC4}\x{1123F}-\x{11240}\x{11380}-\x{11389}\x{1138B})"
    R"(\x{1138E}\x{11390}-\x{113B5}\x{113B7}\x{113D1}\x{113D3}\x{11BC0}-\x{11BE0}\x{11F02})"
    R"(\x{11F04}-\x{11F10}\x{11F12}-\x{11F33}\x{1342F}\x{13441}-\x{13446}\x{13460}-\x{143FA})"
    R"(\x{16100}-\x{1611D}\x{16D40}-\x{16D6C}\x{18CFF}\x{1B132}\x{1B155}\x{1DF25}-\x{1DF2A})"
    R"(\x{1E030}-\x{1E06D}\x{1E4D0}-\x{1E4EB}\x{1E5D0}-\x{1E5ED}\x{1E5F0}\x{2B739})"
    R"(\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})";
constexpr std::string_view kNumbers =
    R"(0-9\p{N})"
    R"(\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59})"
    R"(\x{16130}-\x{16139}\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1D2C0}-\x{1D2D3})"
    R"(\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})";
// Digits are cut by Rust's own table, which is of Unicode 17.
constexpr std::string_view kNewestNumbers = R"(\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6})";
constexpr std::string_view kBlanks =
    R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

struct RuleRow {
  SplitRule value;
  std::string_view name;
  std::string_view in_files;  ///< the expression as other programs write it
  /// For PCRE2: L, N, M and S in angle brackets are the characters of the classes above, for use in brackets.
  std::string_view pattern;
};

constexpr RuleRow kRules[] = {
    {SplitRule::kDigits, "digits", "", "[<N><M>]"},
    {SplitRule::kGpt2, "gpt2",
     R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
     R"('s|'t|'re|'ve|'m|'ll|'d| ?[<L>]+| ?[<N>]+| ?[^<S><L><N>]+|[<S>]+(?![^<S>])|[<S>]+)"},
    {SplitRule::kLlama3, "llama3",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n<L><N>]?[<L>]+|[<N>]{1,3}| ?[^<S><L><N>]+[\r\n]*|[<S>]*[\r\n]+|[<S>]+(?![^<S>])|[<S>]+)"},
    {SplitRule::kQwen2, "qwen2",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n<L><N>]?[<L>]+|[<N>]| ?[^<S><L><N>]+[\r\n]*|[<S>]*[\r\n]+|[<S>]+(?![^<S>])|[<S>]+)"}};
static_assert(is_in_order(kRules));

std::string replace_all(std::string text, std::string_view name, std::string_view with) {
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + with.size()))
    text.replace(at, name.size(), with);
  return text;
}

std::string full_pattern(SplitRule rule) {
  std::string pattern(row_of(kRules, rule).pattern);
  pattern = replace_all(std::move(pattern), "<L>", kLetters);
  pattern = replace_all(std::move(pattern), "<N>", kNumbers);
  pattern = replace_all(std::move(pattern), "<M>", kNewestNumbers);
  return replace_all(std::move(pattern), "<S>", kBlanks);
}

struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
using Match = std::unique_ptr<pcre2_match_data, FreeMatch>;

PCRE2_SPTR as_units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

std::optional<SplitRule> find_split_rule(std::string_view expression) {
  for (const RuleRow& row : kRules) {
    if (!row.in_files.empty() && row.in_files == expression) return row.value;
  }
  return std::nullopt;
}

std::string_view expression_of(SplitRule rule) {
  PRETRAIN_CHECK(rule != SplitRule::kDigits, "rule {}", row_of(kRules, rule).name);
  return row_of(kRules, rule).in_files;
}

/// A compiled pattern.
class TextSplitter::Expression {
 public:
  explicit Expression(SplitRule rule) {
    const std::string pattern = full_pattern(rule);
    int problem = 0;
    size_t offset = 0;
    code_ =
        pcre2_compile(as_units(pattern), pattern.size(), PCRE2_UTF | PCRE2_UCP, &problem, &offset, nullptr);
    PRETRAIN_CHECK(code_ != nullptr, "pattern {}, problem {} at {}", row_of(kRules, rule).name, problem,
                   offset);
    // Machine code is several times faster. Where memory must not be written and executed, as in the service of
    // systemd, there is none, and matches are interpreted.
    pcre2_jit_compile(code_, PCRE2_JIT_COMPLETE);
    // The patterns are ours and linear, but a long run of blanks takes more tries than the default permits.
    limits_ = pcre2_match_context_create(nullptr);
    PRETRAIN_CHECK(limits_ != nullptr, "no memory for a match");
    pcre2_set_match_limit(limits_, UINT32_MAX);
    pcre2_set_heap_limit(limits_, UINT32_MAX);
  }
  ~Expression() {
    pcre2_match_context_free(limits_);
    pcre2_code_free(code_);
  }
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  /// Calls `on_piece` for each match and for what is between matches.
  template <typename OnPiece>
  void cut(std::string_view text, const OnPiece& on_piece) const {
    const Match match(pcre2_match_data_create(1, nullptr));
    size_t done = 0;
    while (done < text.size()) {
      const int found =
          pcre2_match(code_, as_units(text), text.size(), done, PCRE2_NO_UTF_CHECK, match.get(), limits_);
      if (found == PCRE2_ERROR_NOMATCH) break;
      if (found < 0) fail(ErrorKind::kRuntime, "can't split text into words (PCRE2 error {})", found);
      const size_t* ends = pcre2_get_ovector_pointer(match.get());
      if (ends[0] > done) on_piece(text.substr(done, ends[0] - done));
      on_piece(text.substr(ends[0], ends[1] - ends[0]));
      done = ends[1];
    }
    if (done < text.size()) on_piece(text.substr(done));
  }

 private:
  pcre2_code* code_ = nullptr;
  pcre2_match_context* limits_ = nullptr;
};

TextSplitter::TextSplitter(std::span<const SplitRule> rules) {
  for (const SplitRule rule : rules) expressions_.push_back(std::make_unique<const Expression>(rule));
}
TextSplitter::~TextSplitter() = default;
TextSplitter::TextSplitter(TextSplitter&&) noexcept = default;
TextSplitter& TextSplitter::operator=(TextSplitter&&) noexcept = default;

void TextSplitter::split(std::string_view text, const OnWord& on_word) const {
  if (!text.empty()) split_from(0, text, on_word);
}

void TextSplitter::split_from(size_t rule, std::string_view text, const OnWord& on_word) const {
  if (rule == expressions_.size()) return on_word(text);
  expressions_[rule]->cut(text, [&](std::string_view piece) { split_from(rule + 1, piece, on_word); });
}

}  // namespace pretrain
