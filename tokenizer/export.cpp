// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/export.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tokenizer/byte_pair_model.h"

namespace pretrain {
namespace {

using Json = nlohmann::ordered_json;
using Kind = ModelPiece::Kind;

struct Merge {
  float score = 0;
  uint32_t left = 0;
  uint32_t right = 0;
};

std::unordered_map<std::string_view, uint32_t> learned_pieces(const ModelProto& model) {
  std::unordered_map<std::string_view, uint32_t> ids;
  for (uint32_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].kind == Kind::kNormal) ids.emplace(model.pieces[id].text, id);
  }
  return ids;
}

/// SentencePiece merges any two adjacent pieces whose concatenation is a piece, highest score first. So each
/// way to form a piece from two others is a merge, in the order of the pieces' scores.
std::vector<Merge> reconstruct_merges(const ModelProto& model) {
  const auto ids = learned_pieces(model);
  std::vector<Merge> merges;
  for (const auto& [text, id] : ids) {
    for (size_t cut = 1; cut < text.size(); ++cut) {
      const auto left = ids.find(text.substr(0, cut));
      const auto right = ids.find(text.substr(cut));
      if (left == ids.end() || right == ids.end()) continue;
      merges.push_back({model.pieces[id].score, left->second, right->second});
    }
  }
  std::ranges::sort(merges, [](const Merge& a, const Merge& b) {
    return std::tuple(-a.score, a.left, a.right) < std::tuple(-b.score, b.left, b.right);
  });
  return merges;
}

/// Byte pair encoding. A `char` model is one without merges.
Json bpe_model(const ModelProto& model) {
  Json vocabulary = Json::object();
  for (uint32_t id = 0; id < model.pieces.size(); ++id) vocabulary[model.pieces[id].text] = id;
  Json merges = Json::array();
  if (model.type == TokenizerType::kBpe) {
    for (const Merge& merge : reconstruct_merges(model)) {
      merges.push_back({model.pieces[merge.left].text, model.pieces[merge.right].text});
    }
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", model.unk_piece},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", true},
          {"ignore_merges", false},
          {"vocab", std::move(vocabulary)},
          {"merges", std::move(merges)}};
}

Json unigram_model(const ModelProto& model) {
  // `tokenizers` matches every piece in the text, also "<0x41>". This score is so low that no segmentation of
  // known characters uses it.
  constexpr float kNeverChosen = -1048576;
  Json vocabulary = Json::array();
  uint32_t unk = 0;
  for (uint32_t id = 0; id < model.pieces.size(); ++id) {
    const ModelPiece& piece = model.pieces[id];
    if (piece.kind == Kind::kUnknown) unk = id;
    vocabulary.push_back({piece.text, piece.kind == Kind::kNormal ? piece.score : kNeverChosen});
  }
  return {{"type", "Unigram"}, {"unk_id", unk}, {"vocab", std::move(vocabulary)}, {"byte_fallback", true}};
}

Json special_pieces(const ModelProto& model) {
  Json added = Json::array();
  for (uint32_t id = 0; id < model.pieces.size(); ++id) {
    const ModelPiece& piece = model.pieces[id];
    if (piece.kind != Kind::kControl && piece.kind != Kind::kUnknown) continue;
    added.push_back({{"id", id},
                     {"content", piece.text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  return added;
}

Json replace(std::string_view from, std::string_view to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

bool pieces_span_blanks(const ModelProto& model) {
  return std::ranges::any_of(model.pieces, [](const ModelPiece& piece) {
    const size_t last = piece.text.rfind(kBlankMark);
    return piece.kind == Kind::kNormal && last != std::string::npos && last != 0;
  });
}

/// ASCII characters in the names of pieces that never come from text, such as "<0x41>", and in no learned
/// piece.
std::string unlearned_name_characters(const ModelProto& model) {
  std::string learned, found;
  for (const ModelPiece& piece : model.pieces) {
    if (piece.kind == Kind::kNormal) learned += piece.text;
  }
  for (const ModelPiece& piece : model.pieces) {
    if (piece.kind == Kind::kNormal) continue;
    for (const char c : piece.text) {
      const bool is_ascii = static_cast<unsigned char>(c) < 0x80;
      if (is_ascii && (learned + found).find(c) == std::string::npos) found += c;
    }
  }
  return found;
}

/// The Unigram model of `tokenizers` matches the name of any piece, and prefers it to unknown characters. So
/// the text is split around the characters of such names, and no match can span them.
Json cut_around(const std::string& characters) {
  std::string any = "[";
  for (const char c : characters) any += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
  return {
      {"type", "Split"}, {"pattern", {{"Regex", any + "]"}}}, {"behavior", "Isolated"}, {"invert", false}};
}

/// Splits the text into words: the ids are the same, and the library can cache words.
Json cut_at_blanks() {
  return {{"type", "Split"},
          {"pattern", {{"String", kBlankMark}}},
          {"behavior", "MergedWithNext"},
          {"invert", false}};
}

Json pre_tokenizer(const ModelProto& model) {
  Json cuts = Json::array();
  if (model.type == TokenizerType::kUnigram) {
    const std::string characters = unlearned_name_characters(model);
    if (!characters.empty()) cuts.push_back(cut_around(characters));
  }
  if (!pieces_span_blanks(model)) cuts.push_back(cut_at_blanks());
  if (cuts.size() <= 1) return cuts.empty() ? Json() : cuts.front();
  return {{"type", "Sequence"}, {"pretokenizers", std::move(cuts)}};
}

}  // namespace

std::string hugging_face_tokenizer_json(const Tokenizer& tokenizer) {
  if (const BytePairModel* pairs = tokenizer.byte_pairs()) return write_tokenizer_json(*pairs, false);
  const ModelProto& model = tokenizer.model();
  Json decoders = Json::array({replace(kBlankMark, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}});
  const Json json = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", special_pieces(model)},
      {"normalizer", replace(" ", kBlankMark)},
      {"pre_tokenizer", pre_tokenizer(model)},
      {"post_processor", nullptr},
      {"decoder", {{"type", "Sequence"}, {"decoders", std::move(decoders)}}},
      {"model", model.type == TokenizerType::kUnigram ? unigram_model(model) : bpe_model(model)}};
  return json.dump(1) + "\n";
}

std::string hugging_face_tokenizer_config(const Tokenizer& tokenizer, uint32_t context) {
  // Without model_input_names, transformers 4 also makes token_type_ids, and GPT-2 adds the embedding of
  // token 0 to every position. split_special_tokens: the name of a special piece in the text is plain text,
  // as in Tokenizer.
  Json json = {{"tokenizer_class", "PreTrainedTokenizerFast"},
               {"model_max_length", context},
               {"model_input_names", {"input_ids", "attention_mask"}},
               {"split_special_tokens", true},
               {"eos_token", tokenizer.piece(tokenizer.end_of_text())}};
  if (tokenizer.byte_pairs() == nullptr) json["unk_token"] = tokenizer.model().unk_piece;
  for (const char* key :
       {"add_bos_token", "add_eos_token", "add_prefix_space", "clean_up_tokenization_spaces"})
    json[key] = false;
  return json.dump(2) + "\n";
}

std::vector<TokenizerFile> hugging_face_tokenizer(const Tokenizer& tokenizer, uint32_t context) {
  std::vector<TokenizerFile> files;
  if (tokenizer.byte_pairs() == nullptr)
    files.push_back({std::string(tokenizer.file_name()), tokenizer.serialized()});
  files.push_back({"tokenizer.json", hugging_face_tokenizer_json(tokenizer)});
  files.push_back({"tokenizer_config.json", hugging_face_tokenizer_config(tokenizer, context)});
  return files;
}

}  // namespace pretrain
