// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small byte-level vocabularies that the library `tokenizers` trained, and what it makes of texts
// (record_byte_pairs.py).

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/temp_folder.h"
#include "tokenizer/tokenizer.h"

namespace pretrain::test {

inline constexpr const char* kBytePairKinds[] = {"gpt2", "smollm", "qwen2", "llama3"};

inline std::string recorded(const std::string& name) {
  std::ifstream file(source_folder() / "tests/tokenizer/data" / name, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline Tokenizer recorded_tokenizer(const std::string& kind) {
  return Tokenizer::from_serialized(recorded(kind + ".json"));
}

/// One line of a recording: ids with their text, and the text that they were made from if they were.
inline std::vector<nlohmann::json> recorded_lines(const std::string& kind) {
  std::vector<nlohmann::json> lines;
  std::ifstream file(source_folder() / "tests/tokenizer/data" / (kind + ".jsonl"));
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

}  // namespace pretrain::test
