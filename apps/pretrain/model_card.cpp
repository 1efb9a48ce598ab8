// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/model_card.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "apps/pretrain/shell_text.h"
#include "libs/base/quantity.h"
#include "libs/base/text.h"
#include "libs/base/units.h"
#include "libs/model/architecture.h"
#include "libs/train/checkpoint_state.h"
#include "pipeline/corpus/text_format.h"

namespace pretrain {
namespace {

/// One file of the corpus, as the checkpoint names it.
struct CorpusFile {
  std::string name;
  uint64_t size_bytes = 0;
  bool is_wiki = false;
};

bool is_of_a_wiki(TextFormat format) {
  return format == TextFormat::kDoc || format == TextFormat::kEscapedDoc ||
         format == TextFormat::kMediaWiki || format == TextFormat::kCirrus ||
         format == TextFormat::kEnterprise;
}

/// The catalog of the corpus in the state of the stream; empty where there is none.
std::vector<CorpusFile> corpus_files(const nlohmann::json& stream) {
  std::vector<CorpusFile> files;
  const nlohmann::json::json_pointer place("/catalog/shards");
  if (!stream.contains(place) || !stream.at(place).is_array()) return files;
  for (const nlohmann::json& shard : stream.at(place)) {
    const JsonField field(shard, "state.json", "use an older checkpoint");
    const auto format = find_format(field.at("format").text());
    files.push_back({.name = field.at("name").text(),
                     .size_bytes = field.at("size_bytes").count(),
                     .is_wiki = format && is_of_a_wiki(*format)});
  }
  return files;
}

/// Names in code marks, the first few of many.
std::string listed(const std::vector<CorpusFile>& files) {
  constexpr size_t kShown = 5;
  std::vector<std::string> names;
  for (const CorpusFile& file : files) {
    if (names.size() < kShown) names.push_back(fmt::format("`{}`", printable(file.name)));
  }
  std::string text = fmt::format("{}", fmt::join(names, ", "));
  if (files.size() > kShown) text += fmt::format(" and {} more", format_count(files.size() - kShown));
  return text;
}

std::string corpus_section(const std::vector<CorpusFile>& files) {
  if (files.empty()) return "The text it was trained on is not recorded. Name it here, with its licence.\n";
  uint64_t bytes = 0;
  for (const CorpusFile& file : files) bytes += file.size_bytes;
  std::string text = fmt::format("{}, {}: {}.\n\n", format_counted(files.size(), "file"), format_bytes(bytes),
                                 listed(files));
  if (std::ranges::any_of(files, &CorpusFile::is_wiki)) {
    text +=
        "Text of Wikipedia and its sister projects is by their contributors, who are named in the history of each\n"
        "page, and is under [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/) (older text also under\n"
        "the GFDL). Keep this note with the model. Text that the model writes may repeat passages of it.\n";
  } else {
    text += "The licence of this text is not recorded. Name it here before you hand the model on.\n";
  }
  return text;
}

std::string evaluation_line(const StepEvaluation& evaluation) {
  const EvaluationResult& result = evaluation.result;
  if (!std::isfinite(result.loss)) return "";
  std::string text =
      fmt::format("| validation loss | {:.4f} nats per token, perplexity {:.2f}, after step {} |\n",
                  result.loss, result.perplexity, format_count(evaluation.step));
  if (result.bits_per_byte > 0) text += fmt::format("| bits per byte | {:.4f} |\n", result.bits_per_byte);
  return text;
}

std::string size_rows(const ExportedModel& exported) {
  const ModelConfig& config = exported.model.config;
  const Tokenizer& tokenizer = *exported.model.tokenizer;
  return fmt::format(
      "| | |\n| --- | --- |\n"
      "| architecture | {}: {}, width {}, {}, MLP {} |\n"
      "| parameters | {} |\n"
      "| context | {} tokens |\n"
      "| vocabulary | {} pieces ({}{}) |\n"
      "| stored as | {} |\n",
      config.architecture->name, format_counted(static_cast<uint64_t>(config.layers), "layer"),
      config.d_model, format_counted(static_cast<uint64_t>(config.heads), "head"), config.d_ff,
      format_count(exported.model.layout->parameter_count()),
      format_count(static_cast<uint64_t>(config.context)), format_count(tokenizer.vocabulary_size()),
      tokenizer.kind(), tokenizer.byte_pairs() == nullptr ? ", byte fallback" : "", name_of(exported.type));
}

std::string run_rows(const Checkpoint& checkpoint, const RunState& run) {
  std::string text =
      fmt::format("| trained | {} on {}, checkpoint of {} |\n", format_counted(checkpoint.step, "step"),
                  format_counted(run.tokens, "token"), checkpoint.manifest.created.substr(0, 10));
  if (run.evaluation) text += evaluation_line(*run.evaluation);
  return text;
}

std::string hugging_face_usage(const ExportedModel& exported) {
  std::string text =
      "    from transformers import pipeline\n"
      "    pipeline(\"text-generation\", model=\"PATH OF THIS FOLDER\")(\"The history of\")\n\n";
  if (exported.model.tokenizer->byte_pairs() == nullptr)
    text +=
        "A fine-tuned copy that `save_pretrained` wrote needs the three tokenizer files of this folder copied over its\n"
        "own before it is converted to another format.\n\n";
  return text + "    pretrain generate --checkpoint . --prompt \"The history of\"\n";
}

/// Ollama has fewer characters for names than folders.
std::string ollama_name(std::string name) {
  const auto is_kept = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
  };
  std::ranges::replace_if(name, std::not_fn(is_kept), '-');
  if (name.starts_with('-') || name.starts_with('.')) return fmt::format("m{}", name);
  return name;
}

std::string gguf_usage(const ExportedModel& exported) {
  return fmt::format(
      "    llama-completion -m {0} -c {1} -n 200 -no-cnv -p \"The history of\"      # llama.cpp\n"
      "    llama-server -m {0} -c {1}                                               # and Open WebUI on it\n"
      "    ollama create {2} -f Modelfile && ollama run {2} \"The history of\"\n\n"
      "It continues text and does not chat. A context beyond {1} tokens has no trained positions.\n",
      shell_word(exported.name + ".gguf"), exported.model.config.context, ollama_name(exported.name));
}

/// Where the weights came from. A path would tell of the machine, so that only its last part is named.
std::string origin(const ModelOutline& model) {
  if (!model.place.checkpoint)
    return "A small language model. Where it came from is not recorded; name it here.";
  const auto& configuration = model.place.checkpoint->manifest.configuration;
  const auto initial = configuration.find("init-from");
  if (initial == configuration.end() || !initial->is_string() || *initial == "")
    return "A small language model, trained from scratch with pretrain.";
  const Path path = initial->get<std::string>();
  const Path last = path.has_filename() ? path.filename() : path.parent_path().filename();
  return fmt::format(
      "A small language model. Its training with pretrain began with the weights of `{}`, whose licence and terms apply\n"
      "to it too; name them here before you hand the model on.",
      printable(last.string()));
}

std::string head(const ExportedModel& exported) {
  const bool is_gguf = exported.format == ExportFormat::kGguf;
  return fmt::format("---\n{}pipeline_tag: text-generation\ntags:\n- pretrain\n- {}\n---\n",
                     is_gguf ? "" : "library_name: transformers\n",
                     is_gguf ? "gguf" : exported.model.config.architecture->name);
}

}  // namespace

std::string model_card(const ExportedModel& exported) {
  const std::string name = printable(exported.name);
  std::string card = head(exported);
  card += fmt::format("\n# {}\n\n{}\n\n", name, origin(exported.model));
  card += size_rows(exported);
  std::vector<CorpusFile> corpus;
  if (const auto& checkpoint = exported.model.place.checkpoint) {
    const SavedNumbers saved = saved_numbers_of(file_of(*checkpoint, "state.json"), checkpoint->step);
    card += run_rows(*checkpoint, saved.run);
    corpus = corpus_files(saved.stream);
  }
  card += fmt::format("\n## Trained on\n\n{}", corpus_section(corpus));
  card +=
      fmt::format("\n## Use\n\n{}", exported.format == ExportFormat::kGguf ? gguf_usage(exported)
                                                                           : hugging_face_usage(exported));
  return card;
}

}  // namespace pretrain
