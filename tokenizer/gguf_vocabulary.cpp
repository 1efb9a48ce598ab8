// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "tokenizer/byte_pair_model.h"
#include "tokenizer/gguf_splits.h"

namespace pretrain {
namespace {

/// llama.cpp makes one unknown token of consecutive characters without a piece, where the model was trained
/// on their bytes; it joins pairs of pieces by their scores exactly as SentencePiece does for the other
/// types.
void refuse_unigram(TokenizerType type) {
  if (type != TokenizerType::kUnigram) return;
  fail(
      ErrorKind::kUsage,
      "the tokenizer is of type unigram, and llama.cpp has no byte pieces for that: rare characters would be "
      "lost; export with --format hf, or train with --tokenizer-type bpe");
}

/// SentencePiece's numbers of the kinds are those of GGUF.
int32_t kind_number(const ModelPiece& piece) {
  return static_cast<int32_t>(piece.kind);
}

uint32_t unknown_id(const ModelProto& model) {
  uint32_t id = 0;
  while (model.pieces[id].kind != ModelPiece::Kind::kUnknown) ++id;
  return id;
}

int32_t kind_number(const BytePairToken& token) {
  switch (token.kind) {
    case BytePairToken::Kind::kLearned:
      return static_cast<int32_t>(ModelPiece::Kind::kNormal);
    case BytePairToken::Kind::kAdded:
      return static_cast<int32_t>(ModelPiece::Kind::kUserDefined);
    case BytePairToken::Kind::kSpecial:
      return static_cast<int32_t>(ModelPiece::Kind::kControl);
    case BytePairToken::Kind::kUnused:
      return static_cast<int32_t>(ModelPiece::Kind::kUnused);
  }
  return 0;
}

std::string_view splits_name(const BytePairModel& model) {
  const GgufSplits* known = find_gguf_splits(model);
  if (known != nullptr) return known->name;
  fail(ErrorKind::kUsage,
       "llama.cpp has no name for how this tokenizer splits text into words; export with --format hf");
}

std::vector<GgufEntry> byte_pair_vocabulary(const BytePairModel& model) {
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> kinds;
  for (const BytePairToken& token : model.tokens) {
    tokens.push_back(token.name);
    kinds.push_back(kind_number(token));
  }
  for (const BytePairModel::Merge& merge : model.merges)
    merges.push_back(fmt::format("{} {}", tokens[merge.left], tokens[merge.right]));
  return {{"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", std::string(splits_name(model))},
          {"tokenizer.ggml.tokens", std::move(tokens)},
          {"tokenizer.ggml.token_type", std::move(kinds)},
          {"tokenizer.ggml.merges", std::move(merges)},
          {"tokenizer.ggml.bos_token_id", model.end_of_text},
          {"tokenizer.ggml.eos_token_id", model.end_of_text},
          {"tokenizer.ggml.add_bos_token", false},
          {"tokenizer.ggml.add_eos_token", false},
          {"tokenizer.ggml.add_space_prefix", false}};
}

}  // namespace

std::vector<GgufEntry> gguf_vocabulary(const Tokenizer& tokenizer) {
  if (const BytePairModel* pairs = tokenizer.byte_pairs()) return byte_pair_vocabulary(*pairs);
  refuse_unigram(tokenizer.type());
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<int32_t> kinds;
  for (const ModelPiece& piece : tokenizer.model().pieces) {
    pieces.push_back(piece.text);
    scores.push_back(piece.score);
    kinds.push_back(kind_number(piece));
  }
  // "llama" means SentencePiece's pair encoding; a char model is one whose pairs are no pieces. What is
  // false here is true for readers that find nothing.
  return {{"tokenizer.ggml.model", std::string("llama")},
          {"tokenizer.ggml.pre", std::string("default")},
          {"tokenizer.ggml.tokens", std::move(pieces)},
          {"tokenizer.ggml.scores", std::move(scores)},
          {"tokenizer.ggml.token_type", std::move(kinds)},
          {"tokenizer.ggml.bos_token_id", tokenizer.end_of_text()},
          {"tokenizer.ggml.eos_token_id", tokenizer.end_of_text()},
          {"tokenizer.ggml.unknown_token_id", unknown_id(tokenizer.model())},
          {"tokenizer.ggml.add_bos_token", false},
          {"tokenizer.ggml.add_eos_token", false},
          {"tokenizer.ggml.add_space_prefix", false}};
}

}  // namespace pretrain
