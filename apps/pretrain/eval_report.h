// SPDX-License-Identifier: Apache-2.0
#pragma once
// What eval has found out about models, as text and as JSON.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/pretrain/choice_task.h"
#include "libs/train/evaluation.h"

namespace pretrain {

/// The evaluation of a text.
struct TextScore {
  double total_loss = 0;  ///< nats, of all tokens
  uint64_t tokens = 0;
  uint64_t bytes = 0;
  bool is_cut = false;  ///< by --tokens

  void add(const TextScore& other);
  /// Requires: tokens > 0.
  EvaluationResult result() const { return to_result(total_loss, tokens, bytes); }
};

template <typename Score>
struct Named {
  std::string name;
  Score score;
};

/// One model.
struct ModelScores {
  std::string name;              ///< "checkpoint of step 1,000"
  std::string folder;            ///< of the model
  std::optional<uint64_t> step;  ///< of a checkpoint
  std::optional<TextScore> text;
  std::vector<Named<TextScore>> files;  ///< each alone, if asked for; one without text has no tokens
  std::vector<Named<TaskScore>> tasks;
};

/// Prints the scores: sentences for one model, a table for several.
void print_scores(const std::vector<ModelScores>& models);
/// One object, as README.md describes it.
std::string scores_json(const std::vector<ModelScores>& models);

}  // namespace pretrain
