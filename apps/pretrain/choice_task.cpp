// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/choice_task.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/utf8.h"

namespace pretrain {
namespace {

constexpr std::string_view kForm = R"({"context": "The sky is", "choices": ["blue", "loud"], "answer": 0})";

/// White space of Unicode, as Python's str.isspace() has it.
bool is_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

/// Where the white space at the end begins.
size_t end_of_words(std::string_view text) {
  size_t end = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Character c = read_utf8(text.substr(i));
    i += c.bytes;
    if (c.state != Utf8Character::State::kValid || !is_space(c.code_point)) end = i;
  }
  return end;
}

size_t characters_of(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char byte) { return !continues_utf8(byte); }));
}

size_t answer_in(const nlohmann::json& answer, const std::vector<std::string>& choices) {
  if (answer.is_number_unsigned()) return answer.get<size_t>();
  const auto found = std::ranges::find(choices, answer.get<std::string>());
  return static_cast<size_t>(found - choices.begin());
}

/// Nothing when it has not the form of a question.
std::optional<Question> question_in(const std::string& line) {
  try {
    const nlohmann::json json = parse_json(line);
    Question question{.context = json.at("context").get<std::string>(),
                      .choices = json.at("choices").get<std::vector<std::string>>()};
    question.answer = answer_in(json.at("answer"), question.choices);
    const bool has_empty =
        std::ranges::any_of(question.choices, [](const std::string& choice) { return choice.empty(); });
    if (question.choices.size() < 2 || has_empty || question.answer >= question.choices.size())
      return std::nullopt;
    return question;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

double log_probability(std::span<const float> logits, uint32_t token) {
  const auto best = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - best);
  return static_cast<double>(logits[token]) - best - std::log(sum);
}

/// Reads tokens after those that the generator has, and adds up the log-probabilities of `wanted`, the tokens that
/// follow each of the last ones.
double read_and_score(BatchGenerator& generator, std::span<const uint32_t> tokens,
                      std::span<const uint32_t> wanted) {
  const auto logits = generator.read(0, tokens, static_cast<int64_t>(wanted.size()));
  const size_t V = logits.size() / wanted.size();
  double sum = 0;
  for (size_t i = 0; i < wanted.size(); ++i) sum += log_probability(logits.subspan(i * V, V), wanted[i]);
  return sum;
}

size_t best_of(const std::vector<double>& values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

}  // namespace

std::vector<Question> read_questions(const Path& path) {
  const std::string text = read_file(path);
  std::vector<Question> questions;
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    std::optional<Question> question = question_in(line);
    if (!question) {
      fail(ErrorKind::kData,
           "{}, line {}: not a question with at least two choices and one of them as the answer, like {}",
           path.string(), number, kForm);
    }
    questions.push_back(std::move(*question));
  }
  if (questions.empty())
    fail(ErrorKind::kData, "{} has no questions; each is a line like {}", path.string(), kForm);
  return questions;
}

ChoiceTokens choice_tokens(const Tokenizer& tokenizer, const std::string& context,
                           const std::string& choice) {
  const size_t end = end_of_words(context);
  const std::string words = context.substr(0, end);
  const std::string rest = fmt::format("{} {}", context.substr(end), choice);
  ChoiceTokens made;
  if (words.empty()) {
    made.tokens = {tokenizer.end_of_text()};
    tokenizer.encode(rest, made.tokens);
    made.continuation = made.tokens.size() - 1;
    return made;
  }
  std::vector<uint32_t> whole;
  tokenizer.encode(words, made.tokens);
  tokenizer.encode(words + rest, whole);
  if (whole.size() <= made.tokens.size()) {
    fail(ErrorKind::kData, "the choice '{}' has no tokens of its own after its context; use a longer one",
         choice);
  }
  made.continuation = whole.size() - made.tokens.size();
  made.tokens.insert(made.tokens.end(), whole.end() - static_cast<int64_t>(made.continuation), whole.end());
  return made;
}

double log_likelihood(BatchGenerator& generator, const ChoiceTokens& choice) {
  const auto most = static_cast<size_t>(generator.context()) + 1;
  std::span<const uint32_t> tokens = choice.tokens;
  tokens = tokens.last(std::min(tokens.size(), most));
  const size_t continuation = std::min(choice.continuation, tokens.size() - 1);
  generator.truncate(0, 0);
  return read_and_score(generator, tokens.first(tokens.size() - 1), tokens.last(continuation));
}

double TaskScore::standard_error(double of) const {
  if (questions < 2) return 0;
  return std::sqrt(of * (1 - of) / static_cast<double>(questions - 1));
}

TaskScore score_questions(BatchGenerator& generator, const Tokenizer& tokenizer,
                          std::span<const Question> questions, const std::stop_token& stop) {
  TaskScore score;
  for (const Question& question : questions) {
    if (stop.stop_requested()) throw Stopped();
    std::vector<double> likelihoods, normalised;
    for (const std::string& choice : question.choices) {
      likelihoods.push_back(log_likelihood(generator, choice_tokens(tokenizer, question.context, choice)));
      normalised.push_back(likelihoods.back() / static_cast<double>(characters_of(choice)));
    }
    ++score.questions;
    if (best_of(likelihoods) == question.answer) ++score.right;
    if (best_of(normalised) == question.answer) ++score.right_normalised;
  }
  return score;
}

}  // namespace pretrain
