// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/choice_task.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/pretrain/model_folder.h"
#include "libs/base/error.h"
#include "libs/model/transformer.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

const ModelFolder& model() {
  static const ModelFolder kModel =
      open_model(test::source_folder() / "tests/golden/data/chunk/checkpoints/step-000000110");
  return kModel;
}

std::string text_of(std::span<const uint32_t> ids) {
  return model().tokenizer->decode(ids);
}

/// By the training pass, in double precision after its logits.
double reference(const ChoiceTokens& choice) {
  Compute compute(1);
  Transformer transformer(compute, {model().config, 1, false});
  transformer.use_parameters(model().parameters.data());
  const auto T = static_cast<size_t>(model().config.context);
  const auto V = static_cast<size_t>(model().config.vocabulary);
  std::vector<uint32_t> tokens = choice.tokens;
  if (tokens.size() > T + 1) tokens.erase(tokens.begin(), tokens.end() - static_cast<int64_t>(T) - 1);
  std::vector<uint32_t> inputs(tokens.begin(), tokens.end() - 1);
  inputs.resize(T, 0);
  const std::vector<int32_t> targets(T, 0);
  transformer.evaluate(inputs.data(), targets.data());
  std::vector<float> logits(T * V);
  transformer.logits(logits.data());
  double sum = 0;
  const size_t first = tokens.size() - 1 - std::min(choice.continuation, tokens.size() - 1);
  for (size_t t = first; t + 1 < tokens.size(); ++t) {
    double total = 0;
    for (size_t v = 0; v < V; ++v) total += std::exp(static_cast<double>(logits[t * V + v]));
    sum += static_cast<double>(logits[t * V + tokens[t + 1]]) - std::log(total);
  }
  return sum;
}

BatchGenerator generator(Compute& compute) {
  return {compute, model().config, *model().layout, model().parameters.data(), {}};
}

TEST(ChoiceTask, AChoiceFollowsItsContextAfterABlank) {
  const ChoiceTokens choice = choice_tokens(*model().tokenizer, "The sky is", "blue");
  EXPECT_EQ(text_of(choice.tokens), "The sky is blue");
  EXPECT_EQ(text_of(std::span(choice.tokens).last(choice.continuation)), " blue");
}

TEST(ChoiceTask, BlanksAtTheEndOfTheContextBelongToTheChoice) {
  const ChoiceTokens choice = choice_tokens(*model().tokenizer, "The sky\t\xC2\xA0\n", "x");
  EXPECT_EQ(text_of(std::span(choice.tokens).last(choice.continuation)), "\t\xC2\xA0\n x");
}

TEST(ChoiceTask, AnEmptyContextIsTheStartOfADocument) {
  for (const char* context : {"", "  "}) {
    const ChoiceTokens choice = choice_tokens(*model().tokenizer, context, "x");
    EXPECT_EQ(choice.tokens.front(), model().tokenizer->end_of_text());
    EXPECT_EQ(choice.continuation, choice.tokens.size() - 1);
  }
}

TEST(ChoiceTask, TheLikelihoodIsThatOfTheTrainingPass) {
  Compute compute(2);
  BatchGenerator made = generator(compute);
  const std::string longer(200, 'a');  // than the context
  for (const auto& [context, text] : std::vector<std::pair<std::string, std::string>>{
           {"The sky is", "blue and wide"}, {"", "A"}, {longer, "end"}, {"a", "b"}}) {
    const ChoiceTokens choice = choice_tokens(*model().tokenizer, context, text);
    EXPECT_NEAR(log_likelihood(made, choice), reference(choice), 1e-3) << context;
    EXPECT_LT(log_likelihood(made, choice), 0);
  }
}

/// Answers are made from the model's own likelihoods, so that the score is known.
TEST(ChoiceTask, CountsTheLikeliestChoicesWithAndWithoutTheirLength) {
  Compute compute(2);
  BatchGenerator made = generator(compute);
  const std::vector<std::string> choices{"a", "the same but much longer", "xq"};
  std::vector<double> likelihoods, normalised;
  for (const std::string& choice : choices) {
    likelihoods.push_back(reference(choice_tokens(*model().tokenizer, "It is", choice)));
    normalised.push_back(likelihoods.back() / static_cast<double>(choice.size()));
  }
  const auto best = [](const std::vector<double>& values) {
    return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
  };
  ASSERT_NE(best(likelihoods), best(normalised)) << "the test needs choices that differ";
  std::vector<Question> questions;
  for (size_t answer = 0; answer < 3; ++answer) questions.push_back({"It is", choices, answer});
  questions.push_back({"It is", choices, best(likelihoods)});
  const TaskScore score = score_questions(made, *model().tokenizer, questions, {});
  EXPECT_EQ(score.questions, 4U);
  EXPECT_EQ(score.right, 2U);
  EXPECT_EQ(score.right_normalised, 1U);
  EXPECT_DOUBLE_EQ(score.accuracy(), 0.5);
  EXPECT_DOUBLE_EQ(score.standard_error(0.5), std::sqrt(0.25 / 3));
}

TEST(ChoiceTask, LengthIsCountedInCharacters) {
  Compute compute(1);
  BatchGenerator made = generator(compute);
  // Nine bytes or three characters: by bytes it would be three times as likely per unit.
  const std::vector<std::string> choices{"\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC", "zzz"};
  const double first = reference(choice_tokens(*model().tokenizer, "It is", choices[0])) / 3;
  const double second = reference(choice_tokens(*model().tokenizer, "It is", choices[1])) / 3;
  const size_t answer = first > second ? 0 : 1;
  const TaskScore score =
      score_questions(made, *model().tokenizer, std::vector<Question>{{"It is", choices, answer}}, {});
  EXPECT_EQ(score.right_normalised, 1U);
}

TEST(ChoiceTask, ReadsAnswersAsNumbersAndAsTexts) {
  const test::TempFolder folder;
  const Path path =
      folder.write("task.jsonl",
                   "{\"context\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": 1}\n\n"
                   "{\"context\": \"\", \"choices\": [\"b\", \"c\", \"d\"], \"answer\": \"d\", \"id\": 7}");
  const std::vector<Question> questions = read_questions(path);
  ASSERT_EQ(questions.size(), 2U);
  EXPECT_EQ(questions[0].answer, 1U);
  EXPECT_EQ(questions[1].answer, 2U);
}

TEST(ChoiceTask, NamesTheLineThatIsNoQuestion) {
  const test::TempFolder folder;
  const std::string good = "{\"context\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": 1}\n";
  for (const char* bad : {"{", "[]", "{\"context\": \"a\", \"choices\": [\"b\"], \"answer\": 0}",
                          "{\"context\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": 2}",
                          "{\"context\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": -1}",
                          "{\"context\": \"a\", \"choices\": [\"b\", \"\"], \"answer\": 0}",
                          "{\"context\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": \"x\"}",
                          "{\"context\": 1, \"choices\": [\"b\", \"c\"], \"answer\": 0}", "\xFF"}) {
    const Path path = folder.write("bad.jsonl", good + bad + "\n");
    try {
      read_questions(path);
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_THAT(error.what(), testing::HasSubstr("bad.jsonl, line 2: ")) << bad;
    }
  }
  EXPECT_THROW(read_questions(folder.write("empty", "\n")), Error);
  EXPECT_THROW(read_questions(folder / "none"), Error);
}

TEST(ChoiceTask, TheSetOfTheSampleCorpusIsWellFormed) {
  const std::vector<Question> questions =
      read_questions(test::source_folder() / "deploy/sample-corpus/cloze.jsonl");
  EXPECT_EQ(questions.size(), 64U);
  std::vector<size_t> answers(4);
  for (const Question& question : questions) {
    EXPECT_EQ(question.choices.size(), 4U);
    ++answers[question.answer];
  }
  EXPECT_THAT(answers, testing::Each(16U))
      << "a model that always takes the same place must be no better than chance";
}

}  // namespace
}  // namespace pretrain
