// SPDX-License-Identifier: Apache-2.0
#include "tests/learning/text_stream.h"

#include "apps/pretrain/run_evaluation.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/file.h"
#include "libs/base/rng.h"
#include "pipeline/corpus/sample.h"
#include "pipeline/corpus/scan.h"
#include "tokenizer/vocabulary.h"

namespace pretrain::learning {
namespace {

constexpr uint64_t kVocabularyBytes = 10'000'000;
constexpr uint64_t kTextSeed = 1;

/// The first documents, at most so many bytes.
std::vector<std::string> beginning_of(const std::vector<std::string>& documents, uint64_t bytes) {
  std::vector<std::string> some;
  for (const std::string& document : documents) {
    if (document.size() > bytes) break;
    bytes -= document.size();
    some.push_back(document);
  }
  return some;
}

}  // namespace

TokenRows::TokenRows(std::vector<uint32_t> tokens, int64_t context)
    : tokens_(std::move(tokens)),
      context_(context),
      rows_((tokens_.size() - 1) / static_cast<uint64_t>(context)) {
  PRETRAIN_CHECK(tokens_.size() > static_cast<uint64_t>(context), "{} tokens", tokens_.size());
}

Batch TokenRows::batch(uint64_t seed, uint64_t step, int64_t rows) const {
  Batch batch{.number = step, .rows = rows, .context = context_};
  for (int64_t row = 0; row < rows; ++row) {
    const uint64_t number = step * static_cast<uint64_t>(rows) + static_cast<uint64_t>(row);
    const uint64_t epoch = number / rows_;
    const uint64_t at =
        permute_index(number % rows_, rows_, derive_seed(seed, epoch)) * static_cast<uint64_t>(context_);
    for (uint64_t i = at; i < at + static_cast<uint64_t>(context_); ++i) {
      batch.inputs.push_back(tokens_[i]);
      batch.targets.push_back(static_cast<int32_t>(tokens_[i + 1]));
    }
  }
  finish_batch(batch);
  return batch;
}

Text read_text(const RunConfiguration& config, uint64_t bytes, const Path& folder) {
  const Catalog catalog = scan_corpus(config.corpus);
  const TextSample sample = sample_text(config.corpus, catalog, bytes, kTextSeed, {});
  Text text;
  text.tokenizer = std::make_unique<Tokenizer>(Tokenizer::from_serialized(train_vocabulary(
      beginning_of(sample.documents, kVocabularyBytes), config.vocabulary, [](const std::string&) {}, {})));
  std::vector<uint32_t> tokens;
  for (const std::string& document : sample.documents) {
    text.tokenizer->encode(document, tokens);
    tokens.push_back(text.tokenizer->end_of_text());
  }
  text.rows = std::make_unique<TokenRows>(std::move(tokens), config.model.context);
  const Path set = folder / "evaluation.safetensors";
  const EvaluationRequest request{.config = config, .tokenizer = *text.tokenizer, .catalog = &catalog};
  collect_run_evaluation(real_file_system(), set, request, {});
  text.evaluation = open_run_evaluation(set, request, {});
  if (text.evaluation.target_count == 0)
    fail(ErrorKind::kUsage, "nothing is held out; raise validation-fraction in \"common\"");
  return text;
}

}  // namespace pretrain::learning
