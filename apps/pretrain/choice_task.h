// SPDX-License-Identifier: Apache-2.0
#pragma once
// Multiple-choice tasks: a model answers with the choice that it finds most likely after a context. A file has one JSON
// object a line: {"context": "The capital of France is", "choices": ["Paris", "Rome"], "answer": 0}, where the answer is
// a number, counted from 0, or one of the choices.

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/base/file.h"
#include "libs/model/batch_generator.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

struct Question {
  std::string context;
  std::vector<std::string> choices;  ///< at least two, none empty
  size_t answer = 0;
};

/// Errors: kData, naming file and line; IoError.
std::vector<Question> read_questions(const Path& path);

/// What a model is asked for one choice: the likelihood of the last `continuation` tokens after the others.
struct ChoiceTokens {
  std::vector<uint32_t> tokens;
  size_t continuation = 0;
};

/// A context and a choice, joined by a blank, as tokens. Blanks at the end of the context belong to the choice, because
/// tokens begin with them; an empty context is the start of a document.
/// Errors: kData when the choice has no tokens of its own, as the last token of the context takes it in.
/// Source: the Language Model Evaluation Harness 0.4, TemplateLM.loglikelihood.
ChoiceTokens choice_tokens(const Tokenizer& tokenizer, const std::string& context, const std::string& choice);

struct TaskScore {
  uint64_t questions = 0;
  uint64_t right = 0;             ///< by the likelihood of the whole choice
  uint64_t right_normalised = 0;  ///< by the likelihood divided by the characters of the choice

  double accuracy() const { return share(right); }
  double normalised_accuracy() const { return share(right_normalised); }
  /// Of an accuracy: the sample standard deviation of right (1) and wrong (0), divided by the root of their number.
  double standard_error(double of) const;

 private:
  double share(uint64_t count) const { return static_cast<double>(count) / static_cast<double>(questions); }
};

/// Asks a model. Tokens beyond its context are cut off at the start.
/// Requires: at least one question.
/// Errors: those of choice_tokens(); Stopped.
TaskScore score_questions(BatchGenerator& generator, const Tokenizer& tokenizer,
                          std::span<const Question> questions, const std::stop_token& stop);

/// The logarithms of the probabilities of the last `tokens.continuation` tokens, summed up.
/// Requires: at least one token before them.
double log_likelihood(BatchGenerator& generator, const ChoiceTokens& tokens);

}  // namespace pretrain
