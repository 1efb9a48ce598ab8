// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/missing_words.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <unordered_map>

#include "libs/base/utf8.h"
#include "libs/wikitext/letter_case.h"
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
     " a about against among an and approximately are around as at between by called during for from had has in including "
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
    {" ro ",
     " a al ale cu de despre din după este fost fără în între la lui o pe pentru prin spre sub un una unei unui și "},
    {" hr bs sh sl ",
     " do i ili iz između kao kod na nad o od oko po pod pre preko pri prije s sa u uz za z "},
    {" sr mk ",
     " до и или из између како као код на над о од околу око по под пре преко при с са со у уз во за "},
    {" el ",
     " από για ένα ένας η και με ο οι σε στα στη στην στις στο στον στους τα τη την της το τον του των ως "},
    {" lt ", " apie ar ir iš į iki nuo per po prie su tarp ties už "},
    {" lv ", " ar līdz no par pie pirms pēc starp uz vai un "},
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

/// What of a language matters here.
struct Habits {
  std::string_view function_words;
  bool elides = false;    ///< vowels: "l'{{x}}"
  bool hebrew = false;    ///< joins short words to the next
  bool arabic = false;    ///< the same
  bool chinese = false;   ///< writes no spaces
  bool unspaced = false;  ///< between words, or between a word and what is joined to it
};
struct Habit {
  std::string_view languages;
  bool Habits::*member;
};
constexpr Habit kHabits[] = {
    {" fr it ca oc co fur lmo vec pms scn nap lij eml wa ast ", &Habits::elides},
    {" he yi ", &Habits::hebrew},
    {" ar arz ary ", &Habits::arabic},
    {" zh yue wuu gan lzh ", &Habits::chinese},
    {" ja zh yue wuu gan lzh th lo km my bo dz ko ", &Habits::unspaced},
};

template <typename Visit>
void for_each_word(std::string_view list, const Visit& visit) {
  for (size_t at = 1; at < list.size();) {
    const size_t end = list.find(' ', at);
    visit(list.substr(at, end - at));
    at = end + 1;
  }
}

const Habits& habits_of(std::string_view language) {
  static const Habits kNone;
  static const std::unordered_map<std::string_view, Habits> kOfLanguages = [] {
    std::unordered_map<std::string_view, Habits> habits;
    for (const FunctionWords& list : kFunctionWords) {
      for_each_word(list.languages, [&](std::string_view code) { habits[code].function_words = list.words; });
    }
    for (const Habit& habit : kHabits) {
      for_each_word(habit.languages, [&](std::string_view code) { habits[code].*habit.member = true; });
    }
    return habits;
  }();
  const auto found = kOfLanguages.find(language.empty() ? "en" : language);
  return found == kOfLanguages.end() ? kNone : found->second;
}

bool is_function_word(std::string_view word, const Habits& habits) {
  const bool letter = word.size() == 1 && word.front() >= 'A' && word.front() <= 'Z';  // as in "vitamin A"
  if (habits.function_words.empty() || letter) return false;
  return habits.function_words.find(concat({" ", fold_name(word), " "})) != std::string_view::npos;
}

size_t opening_at_start(std::string_view word) {
  return word.starts_with('(') || word.starts_with('"') ? 1 : 0;
}

/// Between words with spaces: "in {{x}}", "그는 {{x}}의" and "${{x}}".
bool misses_spaced(std::string_view before, std::string_view after, const Habits& habits, bool korean) {
  constexpr std::string_view kCurrencies[] = {"$", "£", "€", "¥", "₹"};
  if (ends_with_any(before, kCurrencies)) return true;
  if (!before.ends_with(' ')) return false;
  before = trim(before);
  std::string_view word = before.substr(before.rfind(' ') + 1);
  while (opening_at_start(word) > 0) word.remove_prefix(opening_at_start(word));
  if (!has_letters(word)) return false;
  if (is_function_word(word, habits)) return true;
  if (ends_with_any(before, kWideStops) ||
      std::string_view(".!?:;,").find(before.back()) != std::string_view::npos)
    return false;
  return korean && !after.empty() && static_cast<unsigned char>(after.front()) >= 0xEA &&
         static_cast<unsigned char>(after.front()) <= 0xED;  // a particle is joined to it
}

bool is_word_start(std::string_view text) {
  return !text.empty() && stop_at_start(text) == 0 && closing_at_start(text) == 0 &&
         (is_letter(text.front()) || is_digit(text.front()) || text.starts_with("[[") ||
          (static_cast<unsigned char>(text.front()) >= 0xE3 && has_letters(text.substr(0, 3))));
}

/// At the start of a sentence a particle has no noun, and a unit after something else than a number no number.
bool begins_without_its_word(std::string_view before, std::string_view after, bool valued) {
  constexpr std::string_view kParticles[] = {"は", "を", "の", "に", "が", "へ"};
  constexpr std::string_view kUnits[] = {"年", "歳", "歲", "岁", "円", "世紀", "世纪"};
  const bool start = before.empty() || ends_with_any(before, kWideStops);
  if (start && valued && starts_with_any(after, kParticles)) return true;
  return valued && starts_with_any(after, kUnits) && !is_digit(before.empty() ? ' ' : before.back());
}

bool misses_japanese(std::string_view before, std::string_view after) {
  if (before.ends_with("約") || before.ends_with("およそ")) return true;  // a number follows
  if (!ends_with_any(before, kJapaneseBefore)) return false;
  if (starts_with_any(after, kJapaneseAfter)) return true;
  return is_word_start(after) ? before.ends_with("は") || before.ends_with("を")
                              : before.ends_with("を") || before.ends_with("の");
}

/// "(1900 – {{x}})" and "({{x}} – 1950)": without one of its ends, the span says something else, for example that its subject is alive.
bool misses_end_of_span(std::string_view before, std::string_view after) {
  constexpr std::string_view kDashes[] = {"–", "—", "-", "−", "－", "〜", "～"};
  before = trim(before);
  after = trim(after);
  constexpr std::string_view kStarts[] = {"(", "（", ",", "，", "、", ";", "；"};
  if (ends_with_any(before, kDashes)) return after.starts_with(')') || after.starts_with("）");
  return ends_with_any(before, kStarts) && starts_with_any(after, kDashes);
}

/// Between quotation marks with nothing else in them: what is quoted is missing, whatever the language.
bool misses_quoted(std::string_view before, std::string_view after) {
  constexpr std::string_view kQuotes[][2] = {{"\"", "\""}, {"“", "”"},   {"„", "“"},   {"«", "»"}, {"»", "«"},
                                             {"「", "」"}, {"『", "』"}, {"《", "》"}, {"‹", "›"}};
  return std::ranges::any_of(kQuotes, [&](const auto& quotes) {
    return before.ends_with(quotes[0]) && after.starts_with(quotes[1]);
  });
}

/// The first character; "" when there is none.
std::string_view first_character(std::string_view text) {
  return text.empty() ? text : text.substr(0, std::max<size_t>(utf8_length(text.front()), 1));
}

std::string_view last_character(std::string_view text) {
  size_t start = text.size();
  while (start > 0 && continues_utf8(text[start - 1])) --start;
  return text.substr(start - std::min<size_t>(start, 1));
}

bool ends_in_a_word(std::string_view text) {
  return has_words(last_character(text)) && !ends_with_any(text, kWideStops);
}

/// U+3400 to U+9FFF, in bytes.
bool is_han(std::string_view character) {
  return character.size() == 3 && character >= "\u3400" && character <= "\u9FFF";
}

bool ends_in_han(std::string_view text) {
  return is_han(last_character(text));
}

/// A link to an article, too.
bool begins_with_han(std::string_view text) {
  if (text.starts_with("[[") &&
      text.substr(0, text.find_first_of("|]\n")).find(':') == std::string_view::npos)
    text.remove_prefix(2);
  return is_han(first_character(text));
}

bool begins_with_a_word(std::string_view text) {
  return has_words(first_character(text));
}

/// "l'{{x}}", "nell'{{x}}".
bool misses_elided(std::string_view before) {
  size_t mark = before.ends_with('\'') ? 1 : 0;
  if (before.ends_with("’")) mark = std::string_view("’").size();
  return mark > 0 && ends_in_a_word(before.substr(0, before.size() - mark));
}

/// "ב{{x}}", "و{{x}}": a preposition or conjunction of one letter, or the article, is joined to the word after it.
bool misses_joined(std::string_view before, const Habits& habits) {
  constexpr std::string_view kHebrew = " ב ה ו כ ל מ ש ב- ה- ו- כ- ל- מ- ש- ב־ ה־ ו־ כ־ ל־ מ־ ש־ ";
  constexpr std::string_view kArabic = " و ف ب ك ل ال وال بال لل كال ";
  if (!habits.hebrew && !habits.arabic) return false;
  const std::string_view word = before.substr(before.find_last_of(" (\"") + 1);
  return !word.empty() &&
         (habits.hebrew ? kHebrew : kArabic).find(concat({" ", word, " "})) != std::string_view::npos;
}

/// "H{{x}}O", and what is joined to a lost word: "{{x}}-ban", "{{x}}'de", "{{x}}:n".
bool misses_part_of_word(std::string_view before, std::string_view after) {
  if (ends_in_a_word(before)) return begins_with_a_word(after);
  if (!before.empty() && !before.ends_with(' ') && !before.ends_with('(')) return false;
  for (const std::string_view mark : {"'", "’", "-", "‑", ":"}) {
    if (after.starts_with(mark)) return begins_with_a_word(after.substr(mark.size()));
  }
  return false;
}

/// Takes a space, in whichever form it is written, from the start of `text`.
bool take_space(std::string_view& text) {
  for (const std::string_view space :
       {" ", "\u00A0", "&nbsp;", "&#160;", "&thinsp;", "&#x202F;", "&#8239;"}) {
    if (!text.starts_with(space)) continue;
    text.remove_prefix(space.size());
    return true;
  }
  return false;
}

/// `[[Article]]`, `''word''`; not `[[File:Flag.svg]]`.
bool begins_with_marked_word(std::string_view text) {
  while (text.starts_with('\'')) text.remove_prefix(1);
  if (!text.starts_with("[[")) return begins_with_a_word(text);
  text.remove_prefix(2);
  return text.substr(0, text.find_first_of(":|]\n")).size() < text.find(':');
}

/// "am 3.", before a month.
bool ends_in_ordinal(std::string_view text) {
  constexpr size_t kMostDigits = 2;
  if (!text.ends_with('.')) return false;
  text.remove_suffix(1);
  const size_t start = text.find_last_not_of("0123456789") + 1;
  const size_t digits = text.size() - start;
  return digits > 0 && digits <= kMostDigits && (start == 0 || text[start - 1] == ' ');
}

/// A word has a space before it, which a note has not, and words or a stop after it. Behind a stop or at the start of a
/// line, a small letter after it shows that it began the sentence.
bool stands_as_word(std::string_view before, std::string_view after, bool prose) {
  if (!before.empty() && !before.ends_with(' ') && !before.ends_with("\u00A0")) return false;
  while (before.ends_with(' ') || before.ends_with("\u00A0"))
    before.remove_suffix(before.back() == ' ' ? 1 : 2);
  if (!before.empty() && begins_with_small_letter(after)) return true;  // an ending of the lost word
  const bool apart = take_space(after);
  while (take_space(after)) {
  }
  if (ends_in_ordinal(before)) before.remove_suffix(1);
  if (!ends_in_a_word(before)) return apart && begins_with_small_letter(after);
  if (apart && prose && begins_with_marked_word(after)) return true;
  return apart ? begins_with_a_word(after)
               : stop_at_start(after) > 0 || closing_at_start(after) > 0 || after.starts_with("<ref");
}

}  // namespace

bool misses_words(const Gap& gap) {
  constexpr size_t kLongestWord = 64;  // bounds the cost of a call, whatever the line holds
  const std::string_view after = gap.after;
  std::string_view before = gap.before;
  before.remove_prefix(before.size() - std::min(before.size(), kLongestWord));
  if (misses_quoted(before, after) || misses_end_of_span(before, after)) return true;
  const Habits& habits = habits_of(gap.language);
  const bool japanese = gap.language == "ja";
  if (japanese || habits.chinese) {
    if (gap.valued && ends_in_han(before) && begins_with_han(after)) return true;
    if (begins_without_its_word(before, after, gap.valued)) return true;
    return japanese ? misses_japanese(before, after) : ends_with_any(before, kChineseBefore);
  }
  if (misses_spaced(before, after, habits, gap.language == "ko")) return true;
  if ((habits.elides && misses_elided(before)) || misses_joined(before, habits)) return true;
  return (!habits.unspaced && misses_part_of_word(before, after)) ||
         (gap.valued && stands_as_word(before, after, gap.prose));
}

}  // namespace pretrain::wikitext
