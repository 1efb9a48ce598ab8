// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/text_generator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/quantity.h"

namespace pretrain {
namespace {

GeneratorShape shape_for(const ModelFolder& model, const TextGenerator::Shape& shape) {
  const int64_t trained = model.config.context;
  if (shape.context > trained && model.config.rope_theta == 0) {
    fail(
        ErrorKind::kUsage,
        "--context must be at most {}, the positions that this model has learned (got {}); models with rotary "
        "positions (llama, qwen3) can be tried beyond theirs",
        trained, shape.context);
  }
  return {.sequences = static_cast<int64_t>(shape.samples),
          .context = shape.context,
          .precision = shape.precision};
}

}  // namespace

std::string_view words_of(TextEnd end) {
  switch (end) {
    case TextEnd::kTokens:
      return "number of tokens";
    case TextEnd::kDocument:
      return "end of the document";
    case TextEnd::kStopText:
      return "stop text";
    case TextEnd::kStopRequest:
      break;
  }
  return "stopped";
}

/// One text in progress.
struct TextGenerator::Sample {
  Sample(const Tokenizer& tokenizer, const GenerationOptions& options, uint64_t number)
      : index(number), decoder(tokenizer), stops(options.stops), rng(options.sampling.seed + number) {}

  void show(const std::string& piece, const Hooks& hooks) {
    if (piece.empty()) return;
    result.text += piece;
    hooks.on_text(index, piece);
  }
  void finish(TextEnd end) {
    result.end = end;
    is_over = true;
  }

  uint64_t index;
  StreamDecoder decoder;
  StopTexts stops;
  Rng rng;
  GeneratedText result;
  bool is_over = false;
};

/// Logits of the samples in progress.
struct TextGenerator::Rows {
  std::span<const float> logits;
  size_t distance;  ///< of rows; 0: all samples have the first

  std::span<const float> row(size_t i, size_t vocabulary) const {
    return logits.subspan(i * distance, vocabulary);
  }
};

TextGenerator::TextGenerator(Compute& compute, const ModelFolder& model, const Shape& shape)
    : model_(model),
      samples_(static_cast<int64_t>(shape.samples)),
      generator_(compute, model.config, *model.layout, model.parameters.data(), shape_for(model, shape)) {}

void TextGenerator::start(const std::string& prompt) {
  std::vector<uint32_t> ids{model_.tokenizer->end_of_text()};  // a document begins
  model_.tokenizer->encode(prompt, ids);
  if (static_cast<int64_t>(ids.size()) > generator_.context()) {
    fail(ErrorKind::kUsage,
         "the prompt has {}, but the model reads at most {} after the start of a document; {}",
         format_counted(ids.size() - 1, "token"), generator_.context() - 1,
         model_.config.rope_theta == 0 ? "shorten it" : "shorten it or raise --context");
  }
  generator_.truncate(0, 0);
  const std::span<const float> logits = generator_.read(0, ids);
  first_logits_.assign(logits.begin(), logits.end());
  for (int64_t s = 1; s < samples_; ++s) generator_.copy(0, s);
  chosen_.assign(static_cast<size_t>(samples_), std::nullopt);
}

bool TextGenerator::can_continue() const {
  return !chosen_.empty() &&
         std::ranges::all_of(chosen_, [](const auto& token) { return token.has_value(); });
}

std::vector<GeneratedText> TextGenerator::write(const GenerationOptions& options, const Hooks& hooks) {
  std::vector<Sample> samples;
  for (uint64_t s = 0; s < chosen_.size(); ++s) samples.emplace_back(*model_.tokenizer, options, s);
  while (!hooks.stop.stop_requested()) {
    hooks.before_token();
    std::vector<Sample*> live;
    for (Sample& sample : samples) {
      if (sample.result.tokens == options.tokens) sample.finish(TextEnd::kTokens);
      if (!sample.is_over) live.push_back(&sample);
    }
    if (live.empty()) break;
    const Rows rows = read_chosen(live);
    for (size_t i = 0; i < live.size(); ++i)
      step(*live[i], rows.row(i, model_.config.vocabulary), options, hooks);
  }
  std::vector<GeneratedText> texts;
  for (Sample& sample : samples) {
    if (!sample.stops.found())
      sample.show(sample.stops.push(sample.decoder.flush()) + sample.stops.flush(), hooks);
    texts.push_back(std::move(sample.result));
  }
  return texts;
}

/// Reads the token that each sample chose last, all in one pass. After the prompt, which all have in common, there is
/// none yet.
TextGenerator::Rows TextGenerator::read_chosen(const std::vector<Sample*>& live) {
  std::vector<NextToken> next;
  for (const Sample* sample : live) {
    const std::optional<uint32_t>& token = chosen_[sample->index];
    if (token) next.push_back({static_cast<int64_t>(sample->index), *token});
  }
  if (next.empty()) return {first_logits_, 0};
  return {generator_.append(next), static_cast<size_t>(model_.config.vocabulary)};
}

void TextGenerator::step(Sample& sample, std::span<const float> logits, const GenerationOptions& options,
                         const Hooks& hooks) {
  const uint32_t token = choose(sample, logits, options.sampling);
  if (token == model_.tokenizer->end_of_text()) {
    chosen_[sample.index].reset();
    return sample.finish(TextEnd::kDocument);
  }
  chosen_[sample.index] = token;
  ++sample.result.tokens;
  sample.show(sample.stops.push(sample.decoder.push(token)), hooks);
  if (sample.stops.found()) sample.finish(TextEnd::kStopText);
}

/// The penalty is for all tokens that the sample remembers but the one that begins its document.
uint32_t TextGenerator::choose(Sample& sample, std::span<const float> logits,
                               const SamplingOptions& sampling) const {
  if (!std::ranges::all_of(logits, [](float logit) { return std::isfinite(logit); })) {
    fail(ErrorKind::kData, "{} computes values that are not finite after this text; use another checkpoint",
         model_.place.name());
  }
  if (sampling.repetition_penalty == 1) return sample_token(logits, sampling, sample.rng);
  const auto tokens = generator_.tokens(static_cast<int64_t>(sample.index));
  std::vector<uint32_t> seen(tokens.begin(), tokens.end());
  std::erase(seen, model_.tokenizer->end_of_text());
  return sample_token(logits, sampling, sample.rng, seen);
}

}  // namespace pretrain
