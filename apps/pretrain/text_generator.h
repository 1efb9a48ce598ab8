// SPDX-License-Identifier: Apache-2.0
#pragma once
// Continues a prompt with a model: several samples at once, until the number of tokens, the end of the document, a stop
// text or a stop request.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/stop_texts.h"
#include "libs/base/rng.h"
#include "libs/model/batch_generator.h"
#include "libs/model/sampling.h"
#include "tokenizer/stream_decoder.h"

namespace pretrain {

/// How text is generated.
struct GenerationOptions {
  uint64_t tokens = 200;
  SamplingOptions sampling{.temperature = 0.8};  ///< sample i has the seed of the first plus i
  std::vector<std::string> stops;
};

/// Why a text ended.
enum class TextEnd { kTokens, kDocument, kStopText, kStopRequest };

/// "number of tokens", "end of the document", "stop text", "stopped".
std::string_view words_of(TextEnd end);

struct GeneratedText {
  std::string text;  ///< without the prompt
  uint64_t tokens = 0;
  TextEnd end = TextEnd::kStopRequest;
};

/// Single-owner. The model must outlive it.
class TextGenerator {
 public:
  struct Shape {
    uint64_t samples = 1;
    int64_t context = 0;  ///< 0: the model's
    Precision precision = Precision::kFloat32;
  };
  struct Hooks {
    /// Is given each piece of text as it is generated, with its sample.
    std::function<void(uint64_t sample, const std::string& piece)> on_text;
    std::function<void()> before_token = [] {};
    std::stop_token stop = {};
  };

  /// Errors: kUsage when the context is longer than learned positions.
  TextGenerator(Compute& compute, const ModelFolder& model, const Shape& shape);

  /// Reads a prompt at the start of a document; empty: a new document.
  /// Requires: valid UTF-8.
  /// Errors: kUsage when it does not fit into the context.
  void start(const std::string& prompt);

  /// Generates, after start() from the prompt, otherwise from the last text on. One result for each sample.
  /// Requires: start() was called; to continue, can_continue().
  /// Errors: kData when the model computes values that are not finite.
  std::vector<GeneratedText> write(const GenerationOptions& options, const Hooks& hooks);
  /// Whether the texts of the last write() may continue: no document has ended.
  bool can_continue() const;

 private:
  struct Sample;
  struct Rows;
  Rows read_chosen(const std::vector<Sample*>& live);
  void step(Sample& sample, std::span<const float> logits, const GenerationOptions& options,
            const Hooks& hooks);
  uint32_t choose(Sample& sample, std::span<const float> logits, const SamplingOptions& sampling) const;

  const ModelFolder& model_;
  int64_t samples_;
  BatchGenerator generator_;
  std::vector<float> first_logits_;  // after the prompt; empty once they were used
  std::vector<std::optional<uint32_t>>
      chosen_;  // of each sample, and not read yet; empty: its document has ended
};

}  // namespace pretrain
