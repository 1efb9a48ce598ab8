// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/eval_report.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/pretrain/output.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

uint64_t damaged_places(const TextScore& score) {
  uint64_t count = 0;
  for (const auto& [reason, places] : score.damage) count += places;
  return count;
}

std::string_view extent_of(const TextScore& score) {
  if (score.is_cut) return "limited by --tokens";
  return damaged_places(score) == 0 ? "the whole corpus" : "what can be read of the corpus";
}

void print_text_score(const ModelScores& model) {
  const TextScore& score = *model.text;
  print_line("{}: {}, {} of text, {}", model.name, format_counted(score.tokens, "token"),
             format_bytes(score.bytes), extent_of(score));
  const EvaluationResult result = score.result();
  if (!std::isfinite(result.loss)) {
    fmt::print("the loss is not finite: the model overflows on this text\n");
    return;
  }
  fmt::print("loss {:.4f} nats per token, perplexity {:.2f}, {}\n", result.loss, result.perplexity,
             score.bytes > 0 ? fmt::format("{:.4f} bits per byte", result.bits_per_byte)
                             : "no bits per byte: none of these tokens represents text");
}

void print_task_score(const Named<TaskScore>& task) {
  const TaskScore& s = task.score;
  print_line("{}: {}, accuracy {:.4f} (+-{:.4f}), normalised by length {:.4f} (+-{:.4f})", task.name,
             format_counted(s.questions, "question"), s.accuracy(), s.standard_error(s.accuracy()),
             s.normalised_accuracy(), s.standard_error(s.normalised_accuracy()));
}

void print_text_head(std::string_view what) {
  fmt::print("{:>9}  {:>10}  {:>9}  {:>12}  {}\n", "loss", "perplexity", "bits/byte", "tokens", what);
}

void print_text_row(const TextScore& score, std::string_view name) {
  if (score.tokens == 0) return print_line("{:>9}  {:>10}  {:>9}  {:>12}  {}", "-", "-", "-", 0, name);
  const EvaluationResult r = score.result();
  print_line("{:>9.4f}  {:>10.2f}  {:>9.4f}  {:>12}  {}", r.loss, r.perplexity, r.bits_per_byte,
             format_count(score.tokens), name);
}

void print_files(const ModelScores& model) {
  if (model.files.empty()) return;
  print_text_head("file");
  for (const Named<TextScore>& file : model.files) print_text_row(file.score, file.name);
}

void print_task_table(const std::vector<ModelScores>& models) {
  if (models.front().tasks.empty()) return;
  fmt::print("{:>8}  {:>10}  {:>9}  {}\n", "accuracy", "normalised", "questions", "task, model");
  for (size_t t = 0; t < models.front().tasks.size(); ++t) {
    for (const ModelScores& model : models) {
      const Named<TaskScore>& task = model.tasks[t];
      print_line("{:>8.4f}  {:>10.4f}  {:>9}  {}, {}", task.score.accuracy(),
                 task.score.normalised_accuracy(), format_count(task.score.questions), task.name,
                 model.folder);
    }
  }
}

nlohmann::json json_of(const TextScore& score) {
  nlohmann::json json{{"tokens", score.tokens},
                      {"bytes", score.bytes},
                      {"is_whole", !score.is_cut},
                      {"damaged", damaged_places(score)}};
  for (const char* key : {"loss", "perplexity", "bits_per_byte"}) json[key] = nullptr;
  if (score.tokens == 0) return json;
  const EvaluationResult result = score.result();
  json["loss"] = result.loss;
  json["perplexity"] = result.perplexity;
  if (score.bytes > 0) json["bits_per_byte"] = result.bits_per_byte;
  return json;
}

/// The keys are those of the Language Model Evaluation Harness.
nlohmann::json json_of(const TaskScore& score) {
  return {{"questions", score.questions},
          {"acc", score.accuracy()},
          {"acc_stderr", score.standard_error(score.accuracy())},
          {"acc_norm", score.normalised_accuracy()},
          {"acc_norm_stderr", score.standard_error(score.normalised_accuracy())}};
}

template <typename Score>
nlohmann::json json_of(const std::vector<Named<Score>>& scores, const char* key) {
  nlohmann::json list = nlohmann::json::array();
  for (const Named<Score>& one : scores) {
    list.push_back(json_of(one.score));
    list.back()[key] = one.name;
  }
  return list;
}

}  // namespace

void TextScore::add(const TextScore& other) {
  total_loss += other.total_loss;
  tokens += other.tokens;
  bytes += other.bytes;
  is_cut = is_cut || other.is_cut;
  for (const auto& [reason, count] : other.damage) damage[reason] += count;
}

std::map<SkipReason, uint64_t> damage_in(const std::map<SkipReason, uint64_t>& skips) {
  std::map<SkipReason, uint64_t> damage = skips;
  for (const SkipReason reason :
       {SkipReason::kEmpty, SkipReason::kOtherNamespace, SkipReason::kRedirect, SkipReason::kDisambiguation,
        SkipReason::kOtherModel, SkipReason::kDeletedText, SkipReason::kPageWithoutText,
        SkipReason::kUnreadableMember, SkipReason::kFileOfRun})
    damage.erase(reason);
  return damage;
}

void report_damage(const ModelScores& model) {
  if (!model.text) return;
  std::string reasons;
  for (const auto& [reason, count] : model.text->damage)
    reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", format_count(count), reason_text(reason));
  if (!reasons.empty()) log_warning("the corpus could not be read as a whole; skipped: {}", reasons);
}

void print_scores(const std::vector<ModelScores>& models) {
  const bool single = models.size() == 1;
  for (const ModelScores& model : models) {
    if (!single && !model.files.empty()) print_line("{}:", model.folder);
    print_files(model);
  }
  if (single && models.front().text) print_text_score(models.front());
  if (single) {
    for (const Named<TaskScore>& task : models.front().tasks) print_task_score(task);
    return;
  }
  if (models.front().text) {
    print_text_head("model");
    for (const ModelScores& model : models) print_text_row(*model.text, model.folder);
  }
  print_task_table(models);
}

std::string scores_json(const std::vector<ModelScores>& models) {
  nlohmann::json list = nlohmann::json::array();
  for (const ModelScores& model : models) {
    nlohmann::json json{{"model", model.folder}, {"step", nullptr}};
    if (model.step) json["step"] = *model.step;
    if (model.text) json["text"] = json_of(*model.text);
    if (!model.files.empty()) json["files"] = json_of(model.files, "file");
    if (!model.tasks.empty()) json["tasks"] = json_of(model.tasks, "task");
    list.push_back(std::move(json));
  }
  return nlohmann::json{{"models", list}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace pretrain
