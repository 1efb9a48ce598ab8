// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer_folder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "libs/base/error.h"
#include "libs/base/json.h"
#include "tokenizer/byte_pair_model.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kTokenizerJson = "tokenizer.json";
constexpr std::string_view kMerges = "merges.txt";  // of earlier versions of other programs, with vocab.json
constexpr const char* kTokenizerConfig = "tokenizer_config.json";
constexpr const char* kModelConfig = "config.json";

/// The file as JSON; null when it is not there.
Json optional_json(const Path& path) {
  return file_exists(path) ? read_json(path, Links::kFollow) : Json();
}

/// A member, or null when it is missing.
Json member(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object.at(key) : Json();
}

/// A text, or an object with one. Empty when there is none.
std::string name_in(const Json& token) {
  if (token.is_string()) return token.get<std::string>();
  const Json content = member(token, "content");
  return content.is_string() ? content.get<std::string>() : std::string();
}

/// A number, or the first of a list.
std::optional<uint64_t> id_in(const Json& value) {
  if (value.is_array() && !value.empty()) return id_in(value.front());
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<uint64_t>();
}

EndOfText end_of_text_in(const Path& folder) {
  EndOfText end{.name = name_in(member(optional_json(folder / kTokenizerConfig), "eos_token")), .id = {}};
  if (end.name.empty()) end.id = id_in(member(optional_json(folder / kModelConfig), "eos_token_id"));
  return end;
}

std::string read_tokenizer_json(const Path& file) {
  try {
    return read_file(file, kMaxTokenizerJsonBytes);
  } catch (const IoError& error) {
    if (error.code() != EFBIG) throw;
    fail(ErrorKind::kData, "{}; a tokenizer is smaller", error.what());
  }
}

Tokenizer from_tokenizer_json(const Path& file) {
  const EndOfText end_of_text = end_of_text_in(file.parent_path());
  const std::string text = read_tokenizer_json(file);
  try {
    return Tokenizer::from_byte_pairs(parse_tokenizer_json(text, end_of_text));
  } catch (const NotByteLevel& error) {
    if (!error.is_of_pieces()) fail(ErrorKind::kData, "{}: {}", file.string(), error.what());
    fail(ErrorKind::kData,
         "{} is missing (other programs don't save it); copy it together with tokenizer.json and "
         "tokenizer_config.json, from the checkpoint that the model came from",
         (file.parent_path() / kSentencePieceFile).string());
  } catch (const Error& error) {
    fail(error.kind(), "{}: {}", file.string(), error.what());
  }
}

}  // namespace

bool has_tokenizer(const Path& folder) {
  constexpr std::array kFiles{kSentencePieceFile, kBytePairsFile, kTokenizerJson};
  return std::ranges::any_of(kFiles, [&](std::string_view name) { return file_exists(folder / name); });
}

Tokenizer tokenizer_in(const Path& folder) {
  for (const std::string_view name : {kSentencePieceFile, kBytePairsFile}) {
    if (file_exists(folder / name)) return Tokenizer::from_file(folder / name);
  }
  if (file_exists(folder / kTokenizerJson)) return from_tokenizer_json(folder / kTokenizerJson);
  if (file_exists(folder / kMerges))
    fail(ErrorKind::kData,
         "{} has {} but no {}, which is read instead; other programs make one from it: open the folder with "
         "AutoTokenizer of transformers and save it again",
         folder.string(), kMerges, kTokenizerJson);
  fail(ErrorKind::kData,
       "{} has no tokenizer, neither {} nor {}; copy the tokenizer files from where the model came from",
       folder.string(), kSentencePieceFile, kTokenizerJson);
}

Tokenizer tokenizer_at(const Path& file, TextChanges changes) {
  return file.filename() == kTokenizerJson ? from_tokenizer_json(file) : Tokenizer::from_file(file, changes);
}

}  // namespace pretrain
