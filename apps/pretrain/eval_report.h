// SPDX-License-Identifier: Apache-2.0
#pragma once
// What eval has found out about models, as text and as JSON.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/pretrain/choice_task.h"
#include "libs/train/evaluation.h"
#include "pipeline/corpus/skip_reason.h"

namespace pretrain {

/// The evaluation of a text.
struct TextScore {
  double total_loss = 0;  ///< nats, of all tokens
  uint64_t tokens = 0;
  uint64_t bytes = 0;
  bool is_cut = false;                    ///< by --tokens
  std::map<SkipReason, uint64_t> damage;  ///< what could not be read, by reason

  void add(const TextScore& other);
  /// Requires: tokens > 0.
  EvaluationResult result() const { return to_result(total_loss, tokens, bytes); }
};

/// Of what was skipped, what a text without faults would not lose: empty documents and pages that nobody asked for are
/// left out.
std::map<SkipReason, uint64_t> damage_in(const std::map<SkipReason, uint64_t>& skips);

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

/// Warns of text that could not be read.
void report_damage(const ModelScores& model);
/// Prints the scores: sentences for one model, a table for several.
void print_scores(const std::vector<ModelScores>& models);
/// One object, as README.md describes it.
std::string scores_json(const std::vector<ModelScores>& models);

}  // namespace pretrain
