// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/byte_pair_model.h"

#include <algorithm>
#include <bitset>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/text.h"
#include "tokenizer/byte_alphabet.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;
using Kind = BytePairToken::Kind;
using Ids = std::unordered_map<std::string_view, uint32_t>;

constexpr const char* kEndOfTextKey = "end_of_text";
constexpr std::string_view kUsualEndOfText = "<|endoftext|>";
constexpr size_t kMostTokens = 4'000'000;
constexpr size_t kMostAddedTokens = 100'000;
constexpr size_t kMostTokenBytes = 4096;
constexpr size_t kMostAddedBytes = 256;  // each length costs a search at each place of a text
constexpr uint32_t kNoToken = UINT32_MAX;

[[noreturn]] void fail_damaged(std::string_view what) {
  fail(ErrorKind::kData, "it is damaged or not a tokenizer.json ({}); copy it again", what);
}

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw NotByteLevel(fmt::format("{}; only byte-level BPE is supported, as GPT-2, Qwen and Llama 3 have it",
                                 printable(fmt::format(format, std::forward<Args>(args)...))),
                     false);
}

/// A value in an error message.
std::string shown(const Json& value) {
  constexpr size_t kMost = 80;
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

const Json& null_value() {
  static const Json null;
  return null;
}

/// A member, or null when it is missing.
const Json& member(const Json& object, const char* key) {
  if (!object.is_object()) return null_value();
  const auto found = object.find(key);
  return found == object.end() ? null_value() : *found;
}

const std::string& text_in(const Json& value, std::string_view what, size_t most_bytes = kMostTokenBytes) {
  if (!value.is_string()) fail_damaged(fmt::format("{} is no text", what));
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty() || text.size() > most_bytes)
    fail_damaged(fmt::format("{} has {} bytes", what, text.size()));
  return text;
}

bool flag_in(const Json& object, const char* key, bool missing) {
  const Json& value = member(object, key);
  if (value.is_null()) return missing;
  if (!value.is_boolean()) fail_damaged(fmt::format("{} is neither true nor false", key));
  return value.get<bool>();
}

uint32_t id_in(const Json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() >= kMostTokens) fail_damaged("an id is none");
  return value.get<uint32_t>();
}

bool has_type(const Json& value, std::string_view type) {
  const Json& found = member(value, "type");
  return found.is_string() && found.get_ref<const std::string&>() == type;
}

void read_vocabulary(const Json& vocabulary, BytePairModel& model) {
  if (!vocabulary.is_object() || vocabulary.empty()) refuse("the vocabulary is no table of tokens");
  if (vocabulary.size() > kMostTokens) fail_damaged("more than 4 million tokens");
  model.tokens.resize(vocabulary.size());
  for (const auto& [name, value] : vocabulary.items()) {
    const uint32_t id = id_in(value);
    if (name.empty() || name.size() > kMostTokenBytes)
      fail_damaged(fmt::format("a token has {} bytes", name.size()));
    // As many ids as tokens, and none twice: so each is there.
    if (id >= model.tokens.size() || !model.tokens[id].name.empty())
      fail_damaged(fmt::format("the ids of its tokens are not 0 to {}", model.tokens.size() - 1));
    model.tokens[id].name = name;
  }
}

Ids vocabulary_ids(const BytePairModel& model) {
  Ids ids;
  for (uint32_t id = 0; id < model.tokens.size(); ++id) {
    if (model.tokens[id].is_in_vocabulary) ids.emplace(model.tokens[id].name, id);
  }
  return ids;
}

/// Both spellings: "a b" and ["a", "b"].
std::pair<std::string, std::string> merge_names(const Json& merge) {
  if (merge.is_array() && merge.size() == 2)
    return {text_in(merge[0], "a merge"), text_in(merge[1], "a merge")};
  const std::string& text = text_in(merge, "a merge", 2 * kMostTokenBytes + 1);
  const size_t blank = text.find(' ');
  if (blank == std::string::npos || text.find(' ', blank + 1) != std::string::npos)
    fail_damaged("a merge that is no pair");
  return {text.substr(0, blank), text.substr(blank + 1)};
}

void read_merges(const Json& merges, BytePairModel& model) {
  if (!merges.is_array()) refuse("there are no merges");
  const Ids ids = vocabulary_ids(model);
  const auto find = [&](const std::string& name) {
    const auto found = ids.find(name);
    if (found == ids.end()) fail_damaged(fmt::format("a merge with the unknown token {}", printable(name)));
    return found->second;
  };
  for (const Json& merge : merges) {
    // The first line of a file of merges, which some converters kept.
    if (merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version")) continue;
    const auto [left, right] = merge_names(merge);
    model.merges.push_back({find(left), find(right), find(left + right)});
  }
}

/// Our own copy of a SentencePiece model writes unknown characters as byte pieces, where byte-level BPE has none.
void refuse_pieces(const Json& json) {
  const bool is_of_pieces = flag_in(member(json, "model"), "byte_fallback", false) &&
                            has_type(member(json, "normalizer"), "Replace");
  if (is_of_pieces) throw NotByteLevel("it is the copy of a SentencePiece model", true);
}

/// Text that follows or precedes tokens, and pieces that are made up, are never so in a byte-level vocabulary.
void check_model_keys(const Json& json) {
  const Json& type = member(json, "type");
  if (!type.is_null() && type != "BPE") refuse("the tokenizer is of the type {}", shown(type));
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json& value = member(json, key);
    if (!value.is_null() && value != "") refuse("its {} is {}", key, shown(value));
  }
  const Json& dropout = member(json, "dropout");
  if (!dropout.is_null() && dropout != 0) refuse("its dropout is {}", shown(dropout));
}

void read_model(const Json& json, BytePairModel& model) {
  check_model_keys(json);
  read_vocabulary(member(json, "vocab"), model);
  read_merges(member(json, "merges"), model);
  model.joins_whole_words = flag_in(json, "ignore_merges", false);
}

/// Whether a token is found in text, and how.
void read_added_flags(const Json& entry, BytePairToken& token) {
  token.kind = flag_in(entry, "special", false) ? Kind::kSpecial : Kind::kAdded;
  token.is_normalized = flag_in(entry, "normalized", token.kind == Kind::kAdded);
  if (token.kind == Kind::kSpecial) return;
  for (const char* key : {"single_word", "lstrip", "rstrip"}) {
    if (flag_in(entry, key, false)) refuse("its added token {} has {}", token.name, key);
  }
  // The library would decode it as these bytes.
  const auto bytes = from_byte_letters(token.name);
  if (bytes && *bytes != token.name)
    refuse("its added token {} reads as the letters of other bytes", token.name);
}

void read_added_token(const Json& entry, const Ids& vocabulary, BytePairModel& model) {
  const std::string& name = text_in(member(entry, "content"), "an added token", kMostAddedBytes);
  const uint32_t id = id_in(member(entry, "id"));
  const auto known = vocabulary.find(name);
  // Others get the next id whatever the file says, so that the file must say so.
  if (id != (known != vocabulary.end() ? known->second : model.tokens.size()))
    fail_damaged(fmt::format("the added token {} has another id than its place", printable(name)));
  if (known == vocabulary.end()) model.tokens.push_back({.name = name, .is_in_vocabulary = false});
  read_added_flags(entry, model.tokens[id]);
}

void read_added_tokens(const Json& json, BytePairModel& model) {
  if (json.is_null()) return;
  if (!json.is_array() || json.size() > kMostAddedTokens) fail_damaged("its added tokens are no list");
  std::vector<const Json*> entries;
  for (const Json& entry : json) entries.push_back(&entry);
  std::ranges::stable_sort(entries, {}, [](const Json* entry) { return id_in(member(*entry, "id")); });
  const std::vector<BytePairToken> learned = model.tokens;  // owns the names while tokens are added
  Ids vocabulary;
  for (uint32_t id = 0; id < learned.size(); ++id) vocabulary.emplace(learned[id].name, id);
  std::unordered_set<std::string_view> seen;
  for (const Json* entry : entries) {
    read_added_token(*entry, vocabulary, model);
    if (!seen.insert(member(*entry, "content").get_ref<const std::string&>()).second)
      fail_damaged("an added token is listed twice");
  }
}

void read_normalizer(const Json& json, BytePairModel& model) {
  if (json.is_null()) return;
  if (has_type(json, "Sequence") && member(json, "normalizers").is_array()) {
    for (const Json& step : member(json, "normalizers")) {
      if (!has_type(step, "NFC")) refuse("its normalizer is {}", shown(step));
      model.is_composed = true;
    }
  } else if (has_type(json, "NFC")) {
    model.is_composed = true;
  } else {
    refuse("its normalizer is {}", shown(json));
  }
}

SplitRule split_rule(const Json& json) {
  const Json& expression = member(member(json, "pattern"), "Regex");
  const auto rule =
      expression.is_string() ? find_split_rule(expression.get_ref<const std::string&>()) : std::nullopt;
  if (!rule || member(json, "behavior") != "Isolated" || flag_in(json, "invert", false))
    refuse("its pre-tokenizer is {}", shown(json));
  return *rule;
}

/// One step of the pre-tokenizer. Returns whether it is the last one, which makes letters of bytes.
bool read_split(const Json& json, BytePairModel& model) {
  if (has_type(json, "Split")) {
    model.splits.push_back(split_rule(json));
    return false;
  }
  if (has_type(json, "Digits") && flag_in(json, "individual_digits", false)) {
    model.splits.push_back(SplitRule::kDigits);
    return false;
  }
  if (!has_type(json, "ByteLevel")) refuse("its pre-tokenizer is {}", shown(json));
  if (flag_in(json, "add_prefix_space", true)) refuse("it puts a blank before each text (add_prefix_space)");
  if (flag_in(json, "use_regex", true)) model.splits.push_back(SplitRule::kGpt2);
  return true;
}

void read_pre_tokenizer(const Json& json, BytePairModel& model) {
  constexpr size_t kMostSteps = 8;
  std::vector<const Json*> steps;
  if (has_type(json, "Sequence") && member(json, "pretokenizers").is_array()) {
    for (const Json& step : member(json, "pretokenizers")) steps.push_back(&step);
  } else {
    steps.push_back(&json);
  }
  if (steps.size() > kMostSteps) refuse("its pre-tokenizer has {} steps", steps.size());
  bool is_byte_level = false;
  for (const Json* step : steps) {
    if (is_byte_level) refuse("its pre-tokenizer continues after ByteLevel");
    is_byte_level = read_split(*step, model);
  }
  if (!is_byte_level) refuse("its pre-tokenizer is {}", shown(json));
}

/// Text would be lost without.
void check_bytes(const BytePairModel& model) {
  std::bitset<256> found;
  for (const BytePairToken& token : model.tokens) {
    if (!token.is_in_vocabulary) continue;
    const auto bytes = from_byte_letters(token.name);
    if (bytes && bytes->size() == 1) found.set(static_cast<unsigned char>(bytes->front()));
  }
  if (!found.all()) refuse("its vocabulary has only {} of the 256 bytes", found.count());
}

/// Text must not become a token that ends it.
void check_special_tokens(const BytePairModel& model) {
  const auto check = [&](uint32_t id) {
    const BytePairToken& token = model.tokens[id];
    if (token.kind == Kind::kSpecial)
      fail(ErrorKind::kData, "its special token {} is a part of text, too; name another one as eos_token",
           printable(token.name));
  };
  for (const BytePairModel::Merge& merge : model.merges) check(merge.joined);
  for (uint32_t id = 0; id < model.tokens.size(); ++id) {
    const auto bytes = from_byte_letters(model.tokens[id].name);
    if (model.tokens[id].is_in_vocabulary && bytes && bytes->size() == 1) check(id);
  }
}

uint32_t find_token(const BytePairModel& model, std::string_view name) {
  const auto found = std::ranges::find(model.tokens, name, &BytePairToken::name);
  return found == model.tokens.end() ? kNoToken : static_cast<uint32_t>(found - model.tokens.begin());
}

uint32_t end_of_text_id(const Json& json, const EndOfText& given, const BytePairModel& model) {
  if (given.name.empty() && given.id) {
    if (*given.id < model.tokens.size()) return static_cast<uint32_t>(*given.id);
    fail(ErrorKind::kData, "eos_token_id in config.json is {}, and the tokenizer has {} tokens", *given.id,
         model.tokens.size());
  }
  std::string name = given.name;
  const Json& own = member(json, kEndOfTextKey);
  if (name.empty() && !own.is_null()) name = text_in(own, kEndOfTextKey);
  if (name.empty()) name = kUsualEndOfText;
  const uint32_t id = find_token(model, name);
  if (id != kNoToken) return id;
  fail(ErrorKind::kData,
       "the tokenizer has no token {} to end a document with; name one as eos_token in tokenizer_config.json",
       printable(name));
}

std::string unused_name(const Ids& known, uint32_t id) {
  std::string name = fmt::format("<|unused-{}|>", id);
  while (known.contains(name)) name += '_';
  return name;
}

bool is_unused_name(std::string_view name, uint32_t id) {
  return name.starts_with(fmt::format("<|unused-{}|>", id));
}

OrderedJson added_tokens(const BytePairModel& model) {
  OrderedJson added = OrderedJson::array();
  for (uint32_t id = 0; id < model.tokens.size(); ++id) {
    const BytePairToken& token = model.tokens[id];
    if (token.kind == Kind::kLearned) continue;
    added.push_back({{"id", id},
                     {"content", token.name},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", token.is_normalized},
                     {"special", token.kind != Kind::kAdded}});
  }
  return added;
}

OrderedJson pre_tokenizer(const BytePairModel& model) {
  const auto byte_level = [](bool use_regex) -> OrderedJson {
    return {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
  };
  OrderedJson steps = OrderedJson::array();
  for (const SplitRule& rule : model.splits) {
    if (rule == SplitRule::kDigits) {
      steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
    } else if (rule == SplitRule::kGpt2 && &rule == &model.splits.back()) {
      steps.push_back(byte_level(true));
    } else {
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", expression_of(rule)}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    }
  }
  if (model.splits.empty() || model.splits.back() != SplitRule::kGpt2) steps.push_back(byte_level(false));
  if (steps.size() == 1) return steps.front();
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

OrderedJson bpe_model(const BytePairModel& model) {
  OrderedJson vocabulary = OrderedJson::object();
  // push_back, because operator[] of an ordered object searches all of it.
  auto& members = vocabulary.get_ref<OrderedJson::object_t&>();
  for (uint32_t id = 0; id < model.tokens.size(); ++id) {
    if (model.tokens[id].is_in_vocabulary) members.push_back({model.tokens[id].name, id});
  }
  OrderedJson merges = OrderedJson::array();
  for (const BytePairModel::Merge& merge : model.merges)
    merges.push_back({model.tokens[merge.left].name, model.tokens[merge.right].name});
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", model.joins_whole_words},
          {"vocab", std::move(vocabulary)},
          {"merges", std::move(merges)}};
}

}  // namespace

BytePairModel parse_tokenizer_json(std::string_view text, const EndOfText& end_of_text) {
  const JsonLimits limits{.bytes = kMaxTokenizerJsonBytes, .depth = 16, .values = 2 * kMostTokens};
  const Json json = [&] {
    try {
      return parse_json(text, limits);
    } catch (const Error& error) {
      fail_damaged(error.what());
    }
  }();
  refuse_pieces(json);
  BytePairModel model;
  read_model(member(json, "model"), model);
  read_pre_tokenizer(member(json, "pre_tokenizer"), model);
  read_normalizer(member(json, "normalizer"), model);
  read_added_tokens(member(json, "added_tokens"), model);
  check_bytes(model);
  model.end_of_text = end_of_text_id(json, end_of_text, model);
  model.tokens[model.end_of_text].kind = Kind::kSpecial;
  check_special_tokens(model);
  for (uint32_t id = 0; id < model.tokens.size(); ++id) {
    BytePairToken& token = model.tokens[id];
    if (token.kind == Kind::kSpecial && is_unused_name(token.name, id)) token.kind = Kind::kUnused;
  }
  return model;
}

std::string write_tokenizer_json(const BytePairModel& model, bool with_end_of_text) {
  OrderedJson json = {{"version", "1.0"}};
  if (with_end_of_text) json[kEndOfTextKey] = model.tokens[model.end_of_text].name;
  json["truncation"] = nullptr;
  json["padding"] = nullptr;
  json["added_tokens"] = added_tokens(model);
  json["normalizer"] = model.is_composed ? OrderedJson{{"type", "NFC"}} : OrderedJson();
  json["pre_tokenizer"] = pre_tokenizer(model);
  json["post_processor"] = nullptr;
  json["decoder"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  json["model"] = bpe_model(model);
  // A name that is not UTF-8 can come from other files than JSON.
  return json.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

void pad_vocabulary(BytePairModel& model, uint32_t size) {
  const std::vector<BytePairToken> before = model.tokens;
  Ids known;
  for (uint32_t id = 0; id < before.size(); ++id) known.emplace(before[id].name, id);
  for (auto id = static_cast<uint32_t>(before.size()); id < size; ++id)
    model.tokens.push_back(
        {.name = unused_name(known, id), .kind = Kind::kUnused, .is_in_vocabulary = false});
}

std::string bytes_of(const BytePairToken& token) {
  if (token.kind == Kind::kSpecial || token.kind == Kind::kUnused) return {};
  if (token.kind == Kind::kAdded) return token.name;
  return from_byte_letters(token.name).value_or(token.name);
}

}  // namespace pretrain
