// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/biography.h"

#include <string_view>

#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

/// Adds `text`, if it isn't empty, after `mark`.
void add(std::string& sentence, std::string_view mark, std::string_view text) {
  if (text.empty()) return;
  if (!sentence.empty()) sentence += mark;
  sentence += text;
}

/// "Pavia, 3 maggio 1901": the values of `place`, `day` and `year`.
std::string event_text(const TemplateArguments& arguments, std::string_view place, std::string_view day,
                       std::string_view year) {
  std::string date(arguments.named(day));
  add(date, " ", arguments.named(year));
  std::string text(arguments.named(place));
  add(text, ", ", date);
  return text;
}

bool is_vowel(char byte) {
  return std::string_view("aeiou").find(byte) != std::string_view::npos;
}

/// Whether a masculine noun takes "uno": before z, x, y, gn, ps, pn and s with a consonant.
bool takes_uno(std::string_view noun) {
  if (noun.starts_with("gn") || noun.starts_with("ps") || noun.starts_with("pn")) return true;
  if (noun.starts_with('s')) return noun.size() > 1 && is_letter(noun[1]) && !is_vowel(noun[1]);
  return noun.starts_with('z') || noun.starts_with('x') || noun.starts_with('y');
}

/// The indefinite article before `noun`, with its space.
std::string_view article_before(std::string_view noun, bool feminine) {
  const std::string folded = fold_name(noun);
  if (feminine) return !folded.empty() && is_vowel(folded.front()) ? "un'" : "una ";
  return takes_uno(folded) ? "uno " : "un ";
}

/// "attore, regista e cantante".
std::string occupations(const TemplateArguments& arguments) {
  const std::string_view others = arguments.named("AttivitàAltre");
  const std::string_view second = arguments.named("Attività2");
  const std::string_view third = arguments.named("Attività3");
  std::string text(arguments.named("Attività"));
  add(text, third.empty() && others.empty() ? " e " : ", ", second);
  add(text, others.empty() ? " e " : ", ", third);
  if (!others.empty()) text += concat({others.starts_with(',') ? "" : " ", others});
  return text;
}

/// "(Pavia, 3 maggio 1901 – Roma, 9 giugno 1980)".
std::string life(const TemplateArguments& arguments) {
  std::string text = event_text(arguments, "LuogoNascita", "GiornoMeseNascita", "AnnoNascita");
  const std::string death = event_text(arguments, "LuogoMorte", "GiornoMeseMorte", "AnnoMorte");
  if (!death.empty()) text += concat({text.empty() ? "… – " : " – ", death});
  return text.empty() ? text : concat({" (", text, ")"});
}

std::string full_name(const TemplateArguments& arguments) {
  std::string name(arguments.named("Titolo"));
  add(name, " ", arguments.named("Nome"));
  add(name, " ", arguments.named("Cognome"));
  add(name, ", ", arguments.named("PostCognomeVirgola"));
  add(name, " ", arguments.named("PostCognome"));
  add(name, ", ", arguments.named("PreData"));
  return name;
}

}  // namespace

std::string italian_biography(const TemplateArguments& arguments) {
  std::string sentence = full_name(arguments);
  if (sentence.empty()) return "";
  sentence += life(arguments);
  const std::string_view end = arguments.named("FineIncipit");
  if (!end.empty())
    return concat({sentence, end.starts_with(',') ? "" : " ", end, end.ends_with('.') ? "" : "."});
  const std::string activity = occupations(arguments);
  if (activity.empty()) return concat({sentence, "."});
  const bool feminine = fold_name(arguments.named("Sesso")) == "f";
  const bool dead = !arguments.named("AnnoMorte").empty();
  sentence += dead ? (feminine ? " è stata " : " è stato ") : " è ";
  sentence += concat({article_before(activity, feminine), activity});
  add(sentence, " ", arguments.named("Nazionalità"));
  const std::string_view after = arguments.named("PostNazionalità");
  if (!after.empty()) sentence += concat({after.starts_with(',') ? "" : " ", after});
  return concat({sentence, sentence.ends_with('.') ? "" : "."});
}

}  // namespace pretrain::wikitext
