// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/gguf_tokenizer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/text.h"
#include "tokenizer/byte_pair_model.h"
#include "tokenizer/gguf_splits.h"

namespace pretrain {
namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  fail(
      ErrorKind::kData,
      "its tokenizer can't be used: {}; start a run with the model by --init-from, and with the tokenizer that it "
      "was trained with by --tokenizer",
      printable(fmt::format(format, std::forward<Args>(args)...)));
}

/// Nothing when the key is missing or of another type.
template <typename T>
const T* find(const std::vector<GgufEntry>& metadata, std::string_view name) {
  const GgufValue* value = find_value(metadata, fmt::format("{}{}", kPrefix, name));
  return value == nullptr ? nullptr : std::get_if<T>(value);
}

template <typename T>
const T& require(const std::vector<GgufEntry>& metadata, std::string_view name) {
  const T* value = find<T>(metadata, name);
  if (value == nullptr) refuse("{}{} is missing or of another type", kPrefix, name);
  return *value;
}

template <typename T>
const std::vector<T>& require_array(const std::vector<GgufEntry>& metadata, std::string_view name) {
  const auto* values = std::get_if<std::vector<T>>(&require<GgufArray>(metadata, name));
  if (values == nullptr) refuse("{}{} is of another type", kPrefix, name);
  return *values;
}

/// An array with an element for each token.
template <typename T>
const std::vector<T>& require_for_each(const std::vector<GgufEntry>& metadata, std::string_view name,
                                       size_t tokens) {
  const std::vector<T>& values = require_array<T>(metadata, name);
  if (values.size() != tokens)
    refuse("{}{} has {} elements for {} tokens", kPrefix, name, values.size(), tokens);
  return values;
}

bool flag(const std::vector<GgufEntry>& metadata, std::string_view name, bool missing) {
  const bool* value = find<bool>(metadata, name);
  return value == nullptr ? missing : *value;
}

uint32_t end_of_text(const std::vector<GgufEntry>& metadata, size_t tokens) {
  const auto id = require<uint32_t>(metadata, "eos_token_id");
  if (id >= tokens) refuse("{}eos_token_id is {} of {} tokens", kPrefix, id, tokens);
  return id;
}

ModelPiece::Kind piece_kind(int32_t number) {
  if (number < 1 || number > 6) refuse("a token of the kind {}", number);
  return static_cast<ModelPiece::Kind>(number);
}

Tokenizer pieces_of(const std::vector<GgufEntry>& metadata) {
  if (flag(metadata, "add_space_prefix", true)) refuse("it puts a blank before each text (add_space_prefix)");
  if (flag(metadata, "remove_extra_whitespaces", false))
    refuse("it removes blanks (remove_extra_whitespaces)");
  const auto& tokens = require_array<std::string>(metadata, "tokens");
  const auto& scores = require_for_each<float>(metadata, "scores", tokens.size());
  const auto& kinds = require_for_each<int32_t>(metadata, "token_type", tokens.size());
  ModelProto model{.type = TokenizerType::kBpe};
  model.byte_fallback = true;
  model.add_dummy_prefix = model.remove_extra_whitespaces = false;
  for (size_t id = 0; id < tokens.size(); ++id) {
    model.pieces.push_back({tokens[id], scores[id], piece_kind(kinds[id])});
    if (model.pieces.back().kind == ModelPiece::Kind::kUnknown) model.unk_piece = tokens[id];
  }
  model.eos_piece = tokens[end_of_text(metadata, tokens.size())];
  return Tokenizer::from_serialized(serialize_model_proto(model));
}

BytePairToken::Kind token_kind(int32_t number) {
  switch (piece_kind(number)) {
    case ModelPiece::Kind::kNormal:
      return BytePairToken::Kind::kLearned;
    case ModelPiece::Kind::kUserDefined:
      return BytePairToken::Kind::kAdded;
    case ModelPiece::Kind::kUnused:
      return BytePairToken::Kind::kUnused;
    case ModelPiece::Kind::kUnknown:
    case ModelPiece::Kind::kControl:
      return BytePairToken::Kind::kSpecial;
    case ModelPiece::Kind::kByte:
      break;
  }
  refuse("byte tokens in a byte-level vocabulary");
}

/// What comes after all learned tokens was added to them.
void mark_added(std::vector<BytePairToken>& tokens) {
  for (auto token = tokens.rbegin(); token != tokens.rend() && token->kind != BytePairToken::Kind::kLearned;
       ++token)
    token->is_in_vocabulary = false;
}

std::vector<BytePairModel::Merge> merges_of(const std::vector<GgufEntry>& metadata,
                                            const std::vector<BytePairToken>& tokens) {
  std::unordered_map<std::string_view, uint32_t> ids;
  for (uint32_t id = 0; id < tokens.size(); ++id) ids.emplace(tokens[id].name, id);
  const auto id_of = [&](const std::string& name) {
    const auto found = ids.find(name);
    if (found == ids.end()) refuse("a merge with the unknown token {}", name);
    return found->second;
  };
  std::vector<BytePairModel::Merge> merges;
  for (const std::string& merge : require_array<std::string>(metadata, "merges")) {
    const size_t blank = merge.find(' ');
    if (blank == std::string::npos) refuse("a merge that is no pair");
    const std::string left = merge.substr(0, blank), right = merge.substr(blank + 1);
    merges.push_back({id_of(left), id_of(right), id_of(left + right)});
  }
  return merges;
}

Tokenizer pairs_of(const std::vector<GgufEntry>& metadata) {
  const auto& name = require<std::string>(metadata, "pre");
  const GgufSplits* splits = find_gguf_splits(name);
  if (splits == nullptr) refuse("it splits text as '{}' does, which is not known here", name);
  const auto& tokens = require_array<std::string>(metadata, "tokens");
  const auto& kinds = require_for_each<int32_t>(metadata, "token_type", tokens.size());
  BytePairModel model{.splits = splits->splits, .joins_whole_words = splits->joins_whole_words};
  for (size_t id = 0; id < tokens.size(); ++id)
    model.tokens.push_back({.name = tokens[id], .kind = token_kind(kinds[id])});
  mark_added(model.tokens);
  model.merges = merges_of(metadata, model.tokens);
  model.end_of_text = end_of_text(metadata, tokens.size());
  // Written and read again, so that it passes the checks of every other one.
  return Tokenizer::from_serialized(write_tokenizer_json(model, true));
}

}  // namespace

Tokenizer tokenizer_of_gguf(const std::vector<GgufEntry>& metadata) {
  const auto& kind = require<std::string>(metadata, "model");
  if (kind == "llama") return pieces_of(metadata);
  if (kind == "gpt2") return pairs_of(metadata);
  refuse("it is of the kind '{}'; llama and gpt2 are read here", kind);
}

}  // namespace pretrain
