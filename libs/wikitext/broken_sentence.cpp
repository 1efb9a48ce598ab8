// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/broken_sentence.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "libs/wikitext/punctuation.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

/// Words of a language that end no sentence, and nearly no clause, between spaces.
struct FunctionWords {
  std::string_view languages;
  std::string_view words;
};

constexpr FunctionWords kFunctionWords[] = {
    {" en simple ",
     " about against among an and approximately are around as at between by called during for from had has in including "
     "into is its named near nor of on or over since than the their to under until via was were with "},
    {" de als ",
     " als am an auf aus bei beim bis das dem den der des die durch ein eine einem einen einer für gegen im in ist mit "
     "nach oder ohne rund seit sind und unter vom von war wurde zu zum zur zwischen über "},
    {" fr ",
     " au aux avec chez dans de depuis des du en entre environ est et la le les ou par pour sous sur un une vers à était "},
    {" es ca gl ast oc ",
     " a al als amb con de del dels desde e el els en entre era es fue i la las les los o para per por sense sin sobre "
     "un una unos y és "},
    {" pt ",
     " a ao as até com da das de desde do dos e em entre era foi na nas no nos o os ou para por um uma à às é "},
    {" it ",
     " a agli ai al alla alle allo circa con da dal dalla degli dei del della delle dello di e era fra fu gli i il in la "
     "le lo negli nei nel nella nelle nello o oltre per su sul sulla tra un una uno è "},
    {" nl af ", " aan bij de door een en het in is met naar of op sinds te tot tussen uit van voor was "},
    {" sv da no nn nb ",
     " af av den det eller en er et ett fra från för i med mellan og och omkring på sedan till til ved var är "},
    {" pl ", " dla do i jest lub między na nad o od około oraz po pod przez przy to u w we z ze "},
    {" cs sk ", " a do i je mezi na nad nebo o od po pod pre pro při přes u v ve z ze "},
    {" ru be bg ", " в во для до за и из или к как ко между на над о об около от по под при с со у через "},
    {" uk ", " або в від для до за з зі й і із к між на над о об по під при та у через як "},
    {" hu ", " a az egy vagy és "},
    {" fi et ", " ja kuin noin oli on tai "},
    {" tr az ", " ile ve veya "},
    {" id ms ", " adalah antara atau dan dari dengan di ke oleh pada sebagai sekitar untuk yang "},
    {" vi ", " bởi cho của giữa hoặc khoảng là trong tại từ và với đến ở "},
    {" ar arz ", " أو إلى بين على عن في كان كانت مع من هو هي و "},
    {" fa ", " از با برای به بین تا در و یا "},
    {" he ", " או את בין היא היה הוא על עם של "},
};

// Of scripts without spaces: what needs a word after it, whatever follows, and what needs one before it.
constexpr std::string_view kChineseBefore[] = {"在", "于", "於", "是", "为", "為", "和", "与",
                                               "與", "由", "从", "從", "至", "及", "或", "被",
                                               "向", "把", "将", "將", "约", "約"};
constexpr std::string_view kJapaneseBefore[] = {"は", "を", "の", "に", "が", "と", "で", "も"};
constexpr std::string_view kJapaneseAfter[] = {"は", "を", "の", "に", "が", "と", "で", "も", "へ"};
constexpr std::string_view kWideStops[] = {"。", "！", "？", "।", "؟"};

template <typename Marks>
bool ends_with_any(std::string_view text, const Marks& marks) {
  return std::ranges::any_of(marks, [&](std::string_view mark) { return text.ends_with(mark); });
}

template <typename Marks>
bool starts_with_any(std::string_view text, const Marks& marks) {
  return std::ranges::any_of(marks, [&](std::string_view mark) { return text.starts_with(mark); });
}

bool is_function_word(std::string_view word, std::string_view language) {
  const std::string code = concat({" ", language.empty() ? "en" : language, " "});
  const auto* row = std::ranges::find_if(kFunctionWords, [&](const FunctionWords& w) {
    return w.languages.find(code) != std::string_view::npos;
  });
  if (row == std::end(kFunctionWords)) return false;
  return row->words.find(concat({" ", fold_name(word), " "})) != std::string_view::npos;
}

size_t opening_at_start(std::string_view word) {
  return word.starts_with('(') || word.starts_with('"') ? 1 : 0;
}

/// Between words with spaces: "in {{x}}", "그는 {{x}}의" and "${{x}}".
bool misses_spaced(std::string_view before, std::string_view after, std::string_view language) {
  constexpr std::string_view kCurrencies[] = {"$", "£", "€", "¥", "₹"};
  if (ends_with_any(before, kCurrencies)) return true;
  if (!before.ends_with(' ')) return false;
  before = trim(before);
  std::string_view word = before.substr(before.rfind(' ') + 1);
  while (opening_at_start(word) > 0) word.remove_prefix(opening_at_start(word));
  if (!has_letters(word)) return false;
  if (is_function_word(word, language)) return true;
  if (ends_with_any(before, kWideStops) ||
      std::string_view(".!?:;,").find(before.back()) != std::string_view::npos)
    return false;
  return language == "ko" && !after.empty() && static_cast<unsigned char>(after.front()) >= 0xEA &&
         static_cast<unsigned char>(after.front()) <= 0xED;  // a particle is joined to it
}

bool is_word_start(std::string_view text) {
  return !text.empty() && stop_at_start(text) == 0 && closing_at_start(text) == 0 &&
         (is_letter(text.front()) || is_digit(text.front()) || text.starts_with("[[") ||
          (static_cast<unsigned char>(text.front()) >= 0xE3 && has_letters(text.substr(0, 3))));
}

bool misses_japanese(std::string_view before, std::string_view after) {
  if (before.ends_with("約") || before.ends_with("およそ")) return true;  // a number follows
  if (!ends_with_any(before, kJapaneseBefore)) return false;
  if (starts_with_any(after, kJapaneseAfter)) return true;
  return is_word_start(after) ? before.ends_with("は") || before.ends_with("を")
                              : before.ends_with("を") || before.ends_with("の");
}

/// Between quotation marks with nothing else in them: what is quoted is missing, whatever the language.
bool misses_quoted(std::string_view before, std::string_view after) {
  constexpr std::string_view kQuotes[][2] = {{"\"", "\""}, {"“", "”"},   {"„", "“"},   {"«", "»"}, {"»", "«"},
                                             {"「", "」"}, {"『", "』"}, {"《", "》"}, {"‹", "›"}};
  return std::ranges::any_of(kQuotes, [&](const auto& quotes) {
    return before.ends_with(quotes[0]) && after.starts_with(quotes[1]);
  });
}

bool is_stop(char byte) {
  return byte == '.' || byte == '!' || byte == '?';
}

/// Whether a number with a stop is an ordinal in this language: "am 3. Mai", "3. května".
bool has_ordinal_stops(std::string_view language) {
  constexpr std::string_view kLanguages =
      " als bar bs cs da de dsb et eu fi fo frr gsw hr hsb hu is ksh lb lv nb nds nn no pfl sh sk sl sr stq tr vo ";
  return kLanguages.find(concat({" ", language, " "})) != std::string_view::npos;
}

/// Whether the stop at `at` ends a sentence: a space follows, then no small letter, and it is not that of an initial,
/// of a short abbreviation or of a day or other small ordinal.
bool ends_sentence(std::string_view line, size_t at, bool ordinal_stops) {
  if (at + 1 == line.size()) return true;
  if (line[at + 1] != ' ') return false;
  const size_t next = std::min(line.find_first_not_of(' ', at + 1), line.size() - 1);
  if (line[next] >= 'a' && line[next] <= 'z') return false;
  if (line[at] != '.') return true;
  constexpr size_t kLongestAbbreviation = 3;
  std::string_view word = line.substr(0, at).substr(line.rfind(' ', at) + 1);
  if (word.starts_with(kLossMark)) word.remove_prefix(1);
  if (word.empty()) return true;
  const bool capital = !word.empty() && word.front() >= 'A' && word.front() <= 'Z';
  if (ordinal_stops && !word.empty() && word.size() <= 2 && std::ranges::all_of(word, is_digit)) return false;
  const bool letters = std::ranges::all_of(word, is_letter);
  return !letters || word.size() > kLongestAbbreviation || (word.size() > 1 && !capital);
}

/// The end of the sentence that begins at `start`, with the spaces after it.
size_t sentence_end(std::string_view line, size_t start, bool ordinal_stops) {
  for (size_t at = start; at < line.size(); ++at) {
    if (at > start && (line[at] == '\n' || line[at] == kItemMark)) return at;
    const auto* wide = std::ranges::find_if(kWideStops, [&](std::string_view mark) {
      return line[at] == mark[0] && line.substr(at).starts_with(mark);
    });
    const bool is_wide = wide != std::end(kWideStops);
    if (!is_wide && !(is_stop(line[at]) && ends_sentence(line, at, ordinal_stops))) continue;
    at += is_wide ? wide->size() : 1;
    return std::min(line.find_first_not_of(' ', at), line.size());
  }
  return line.size();
}

/// Start and end of the round brackets around `position`, with the space before them; equal when there are none.
std::pair<size_t, size_t> brackets_around(std::string_view sentence, size_t position) {
  constexpr size_t kReach = 300;  // bounds the cost of a call
  const size_t first = position - std::min(position, kReach);
  const size_t opening = sentence.substr(first, position + 1 - first).find_last_of("()");
  if (opening == std::string_view::npos || sentence[first + opening] != '(') return {0, 0};
  const std::string_view rest = sentence.substr(position + 1, kReach);
  const size_t closing = rest.find_first_of("()");
  if (closing == std::string_view::npos || rest[closing] != ')') return {0, 0};
  size_t start = first + opening;
  while (start > 0 && sentence[start - 1] == ' ') --start;
  return {start, position + 1 + closing + 1};
}

/// What can be kept of a sentence.
std::string whole_part(std::string_view sentence) {
  std::string kept;
  size_t copied = 0;
  for (size_t at = sentence.find(kLossMark); at != std::string_view::npos;
       at = sentence.find(kLossMark, at + 1)) {
    if (at < copied) continue;
    const auto [start, end] = brackets_around(sentence, at);
    if (start == end) return "";
    kept += sentence.substr(copied, std::max(start, copied) - copied);
    copied = end;
  }
  return kept += sentence.substr(copied);
}

}  // namespace

bool misses_words(std::string_view before, std::string_view after, std::string_view language) {
  constexpr size_t kLongestWord = 64;  // bounds the cost of a call, whatever the line holds
  before.remove_prefix(before.size() - std::min(before.size(), kLongestWord));
  if (misses_quoted(before, after)) return true;
  if (language == "ja") return misses_japanese(before, after);
  if (language == "zh" || language == "yue" || language == "wuu")
    return ends_with_any(before, kChineseBefore);
  return misses_spaced(before, after, language);
}

std::string without_broken_sentences(std::string_view line, std::string_view language) {
  const bool ordinal_stops = has_ordinal_stops(language);
  std::string kept;
  for (size_t at = 0; at < line.size();) {
    const size_t end = sentence_end(line, at, ordinal_stops);
    kept += whole_part(line.substr(at, end - at));
    at = end;
  }
  return kept;
}

}  // namespace pretrain::wikitext
