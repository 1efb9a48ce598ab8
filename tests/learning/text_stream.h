// SPDX-License-Identifier: Apache-2.0
#pragma once
// The text that all recipes see, tokenized once, and batches of it in an order that depends on the seed only.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/pretrain/run_configuration.h"
#include "libs/data/batch.h"
#include "libs/data/evaluation_data.h"
#include "tokenizer/tokenizer.h"

namespace pretrain::learning {

/// Rows of `context` targets each; the same rows, in the same order, whatever the size of a batch.
class TokenRows {
 public:
  /// Requires: more than `context` tokens.
  TokenRows(std::vector<uint32_t> tokens, int64_t context);

  uint64_t rows() const { return rows_; }
  const std::vector<uint32_t>& tokens() const { return tokens_; }
  /// The batch of a step, counted from 0, with so many rows. Each row comes once before any comes again.
  Batch batch(uint64_t seed, uint64_t step, int64_t rows) const;

 private:
  std::vector<uint32_t> tokens_;
  int64_t context_;
  uint64_t rows_;
};

/// A corpus as the rig uses it. The evaluation set is of documents that no row comes from.
struct Text {
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<TokenRows> rows;
  EvaluationSet evaluation;
};

/// Reads at most `bytes` of the corpus of a configuration, trains its vocabulary and collects its evaluation
/// set, which is written to a file in `folder`.
/// Errors: as the corpus; kUsage when nothing is held out.
Text read_text(const RunConfiguration& config, uint64_t bytes, const Path& folder);

}  // namespace pretrain::learning
