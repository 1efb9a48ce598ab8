// SPDX-License-Identifier: Apache-2.0
#include "tests/tokenizer/reference_segmenter.h"

#include <limits>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "libs/base/utf8.h"
#include "tokenizer/model_proto.h"

namespace pretrain::test {
namespace {

using Symbols = std::vector<std::string>;
using Ids = std::map<std::string, uint32_t>;

Symbols characters_with_marks(std::string_view text) {
  Symbols symbols;
  while (!text.empty()) {
    const size_t bytes = read_utf8(text).bytes;
    symbols.emplace_back(text.front() == ' ' ? kBlankMark : text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return symbols;
}

/// The characters of the class "[\\x3C\\x7C]" that a sequence of cuts begins with: each is a word of its own.
std::string isolated_characters(const nlohmann::json& cuts) {
  if (cuts.is_null() || cuts["type"] != "Sequence") return "";
  const std::string any = cuts["pretokenizers"][0]["pattern"]["Regex"];
  std::string characters;
  for (size_t at = any.find("\\x"); at != std::string::npos; at = any.find("\\x", at + 1))
    characters += static_cast<char>(std::stoi(any.substr(at + 2, 2), nullptr, 16));
  return characters;
}

/// Words, each with the blank mark before it.
std::vector<Symbols> words_of(std::string_view text, const std::string& isolated = "") {
  std::vector<Symbols> words;
  bool ended = true;
  for (std::string& symbol : characters_with_marks(text)) {
    const bool alone = symbol.size() == 1 && isolated.find(symbol) != std::string::npos;
    if (ended || alone || symbol == kBlankMark) words.emplace_back();
    ended = alone;
    words.back().push_back(std::move(symbol));
  }
  return words;
}

Symbols merge_by_rank(Symbols word, const std::map<std::pair<std::string, std::string>, size_t>& ranks) {
  while (true) {
    size_t best_rank = std::numeric_limits<size_t>::max();
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < word.size(); ++i) {
      const auto rank = ranks.find({word[i], word[i + 1]});
      if (rank == ranks.end() || rank->second >= best_rank) continue;
      best_rank = rank->second;
      best_at = i;
    }
    if (best_rank == std::numeric_limits<size_t>::max()) return word;
    word[best_at] += word[best_at + 1];
    word.erase(word.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

/// The segmentation with the highest sum of scores; of equals the one whose last piece is longest.
Symbols best_segmentation(const Symbols& word, const std::map<std::string, double>& scores) {
  double lowest = 0;
  for (const auto& entry : scores) lowest = std::min(lowest, entry.second);
  std::vector<double> best(word.size() + 1, -std::numeric_limits<double>::infinity());
  std::vector<size_t> start(word.size() + 1);
  best[0] = 0;
  for (size_t end = 1; end <= word.size(); ++end) {
    std::string piece;
    for (size_t begin = end; begin-- > 0;) {
      piece = word[begin] + piece;
      const auto found = scores.find(piece);
      if (found == scores.end() && begin + 1 != end) continue;
      const double score = best[begin] + (found == scores.end() ? lowest - 10 : found->second);
      if (score < best[end]) continue;
      best[end] = score;
      start[end] = begin;
    }
  }
  Symbols pieces;
  for (size_t end = word.size(); end > 0; end = start[end]) {
    std::string piece;
    for (size_t i = start[end]; i < end; ++i) piece += word[i];
    pieces.insert(pieces.begin(), piece);
  }
  return pieces;
}

void append_ids(const Symbols& pieces, const Ids& ids, std::vector<uint32_t>& out) {
  for (const std::string& piece : pieces) {
    if (const auto found = ids.find(piece); found != ids.end()) {
      out.push_back(found->second);
      continue;
    }
    for (const char byte : piece)
      out.push_back(ids.at(fmt::format("<0x{:02X}>", static_cast<unsigned char>(byte))));
  }
}

std::vector<uint32_t> segment_by_merges(const nlohmann::json& model, std::string_view text) {
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (const auto& merge : model["merges"]) ranks.emplace(std::pair(merge[0], merge[1]), ranks.size());
  std::vector<uint32_t> out;
  const auto ids = model["vocab"].get<Ids>();
  for (const Symbols& word : words_of(text)) append_ids(merge_by_rank(word, ranks), ids, out);
  return out;
}

std::vector<uint32_t> segment_by_scores(const nlohmann::json& model, const std::string& isolated,
                                        std::string_view text) {
  std::map<std::string, double> scores;
  Ids ids;
  for (const auto& entry : model["vocab"]) {
    ids.emplace(entry[0], static_cast<uint32_t>(ids.size()));
    scores.emplace(entry[0], entry[1]);
  }
  std::vector<uint32_t> out;
  for (const Symbols& word : words_of(text, isolated)) append_ids(best_segmentation(word, scores), ids, out);
  return out;
}

}  // namespace

std::vector<uint32_t> segment_by_json(const nlohmann::json& json, std::string_view text) {
  const auto& model = json["model"];
  if (model["type"] == "BPE") return segment_by_merges(model, text);
  return segment_by_scores(model, isolated_characters(json["pre_tokenizer"]), text);
}

}  // namespace pretrain::test
