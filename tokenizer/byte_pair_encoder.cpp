// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/byte_pair_encoder.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "libs/base/utf8.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/composition.h"

namespace pretrain {
namespace {

using Kind = BytePairToken::Kind;

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character character = read_utf8(text);
    if (character.state != Utf8Character::State::kValid) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

std::string repaired(std::string_view text) {
  Utf8Stream stream;
  std::string out = stream.push(text);
  return out + stream.flush();
}

/// Calls `on_token` for the tokens and `on_text` for what is between them.
template <typename OnToken, typename OnText>
void cut_around(const AddedTokens& tokens, std::string_view text, const OnToken& on_token,
                const OnText& on_text) {
  while (!tokens.empty() && !text.empty()) {
    const auto found = tokens.find(text);
    if (!found) break;
    if (found->at > 0) on_text(text.substr(0, found->at));
    on_token(found->id);
    text.remove_prefix(found->at + found->bytes);
  }
  if (!text.empty()) on_text(text);
}

}  // namespace

void AddedTokens::add(std::string name, uint32_t id, bool is_special) {
  if (std::ranges::find(lengths_, name.size()) == lengths_.end()) lengths_.push_back(name.size());
  std::ranges::sort(lengths_, std::greater<>());
  if (first_bytes_.find(name.front()) == std::string::npos) first_bytes_ += name.front();
  names_.emplace(std::move(name), Name{id, is_special});
}

std::optional<AddedTokens::Found> AddedTokens::find(std::string_view text) const {
  size_t next = 0;
  for (size_t at = text.find_first_of(first_bytes_); at != std::string_view::npos;
       at = text.find_first_of(first_bytes_, next)) {
    next = at + 1;
    for (const size_t length : lengths_) {
      if (length > text.size() - at) continue;
      const auto found = names_.find(std::string(text.substr(at, length)));
      if (found == names_.end()) continue;
      if (!found->second.is_special) return Found{at, length, found->second.id};
      next = at + length;
      break;
    }
  }
  return std::nullopt;
}

BytePairEncoder::BytePairEncoder(const BytePairModel& model)
    : splitter_(model.splits), merger_(model), is_composed_(model.is_composed) {
  for (uint32_t id = 0; id < model.tokens.size(); ++id) {
    const BytePairToken& token = model.tokens[id];
    if (token.kind == Kind::kLearned || token.kind == Kind::kUnused) continue;
    const bool is_special = token.kind == Kind::kSpecial;
    if (token.is_normalized) {
      added_after_normalization_.add(is_composed_ ? composed(token.name) : token.name, id, is_special);
    } else {
      added_.add(token.name, id, is_special);
    }
  }
  collect_words(model);
}

/// Most words of real text are tokens as a whole, which saves joining their bytes. A token whose bytes join to others,
/// because its own merge comes too late, is left out.
void BytePairEncoder::collect_words(const BytePairModel& model) {
  std::vector<uint32_t> ids;
  for (uint32_t id = 0; id < model.tokens.size(); ++id) {
    if (!model.tokens[id].is_in_vocabulary || model.tokens[id].kind == Kind::kSpecial) continue;
    std::optional<std::string> bytes = from_byte_letters(model.tokens[id].name);
    if (!bytes) continue;
    ids.clear();
    if (!model.joins_whole_words) merger_.merge(*bytes, ids);
    if (model.joins_whole_words || (ids.size() == 1 && ids.front() == id))
      words_.emplace(std::move(*bytes), id);
  }
}

void BytePairEncoder::encode(std::string_view text, std::vector<uint32_t>& ids) const {
  if (!is_utf8(text)) return encode(repaired(text), ids);
  cut_around(
      added_, text, [&](uint32_t id) { ids.push_back(id); },
      [&](std::string_view part) {
        if (is_composed_) return encode_normalized(composed(part), ids);
        encode_normalized(part, ids);
      });
}

void BytePairEncoder::encode_normalized(std::string_view text, std::vector<uint32_t>& ids) const {
  cut_around(
      added_after_normalization_, text, [&](uint32_t id) { ids.push_back(id); },
      [&](std::string_view part) { encode_plain(part, ids); });
}

void BytePairEncoder::encode_plain(std::string_view text, std::vector<uint32_t>& ids) const {
  splitter_.split(text, [&](std::string_view word) { encode_word(word, ids); });
}

void BytePairEncoder::encode_word(std::string_view word, std::vector<uint32_t>& ids) const {
  const auto found = words_.find(word);
  if (found != words_.end()) {
    ids.push_back(found->second);
  } else {
    merger_.merge(word, ids);
  }
}

}  // namespace pretrain
