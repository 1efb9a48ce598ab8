// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the end-to-end tests share: the binary, the sample corpus, and reading what a run wrote.

#include <algorithm>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"
#include "libs/checkpoint/verify.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {

/// The program that was built with the tests.
std::filesystem::path binary();

inline std::string sample_corpus() {
  return (source_folder() / "deploy/sample-corpus/shards").string();
}

using Words = std::vector<std::string>;

/// Adds options with their values; one that is there already gets the new value.
/// Requires: pairs alone, so that no word can get lost.
inline Words operator+(Words words, const Words& more) {
  if (more.size() % 2 != 0) throw std::invalid_argument("an option without its value: " + more.back());
  for (size_t i = 0; i + 1 < more.size(); i += 2) {
    const auto found = std::find(words.begin(), words.end(), more[i]);
    if (found != words.end()) {
      *(found + 1) = more[i + 1];
    } else {
      words.insert(words.end(), {more[i], more[i + 1]});
    }
  }
  return words;
}

/// A model that trains hundreds of steps in seconds, with a buffer small enough to pass several epochs.
inline Words tiny_run(const std::filesystem::path& state) {
  return {"train",
          "--corpus",
          sample_corpus(),
          "--state",
          state.string(),
          "--model",
          "tiny",
          "--batch",
          "8",
          "--seed",
          "7",
          "--workers",
          "2",
          "--threads",
          "1",
          "--shuffle-buffer",
          "2000",
          "--sample-tokens",
          "0",
          "--evaluate-every",
          "100",
          "--checkpoint-interval",
          "0s"};
}

inline std::vector<nlohmann::json> records(const std::filesystem::path& state) {
  std::vector<nlohmann::json> all;
  std::ifstream file(state / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    auto record = nlohmann::json::parse(line, nullptr, false);
    if (!record.is_discarded()) all.push_back(std::move(record));
  }
  return all;
}

/// Step records only, by step; a step that is there twice fails the caller's expectation on the count.
inline std::vector<nlohmann::json> steps(const std::filesystem::path& state) {
  std::vector<nlohmann::json> all;
  for (auto& record : records(state)) {
    if (record.contains("batch_hash")) all.push_back(std::move(record));
  }
  return all;
}

inline uint64_t last_step(const std::filesystem::path& state) {
  const auto all = steps(state);
  return all.empty() ? 0 : all.back()["step"].get<uint64_t>();
}

/// Whether a run has trained so many steps and completed its first checkpoint, which some steps may be faster than.
inline bool is_under_way(const std::filesystem::path& state, uint64_t steps = 3) {
  return last_step(state) >= steps && !list_checkpoints(state).empty();
}

/// Hashes of a checkpoint's files that must be equal for equal runs.
inline std::map<std::string, std::string> state_hashes(const std::filesystem::path& state, uint64_t step) {
  std::map<std::string, std::string> hashes;
  for (const ManifestFile& file :
       verify_checkpoint(checkpoints_folder(state) / checkpoint_name(step)).manifest.files) {
    if (file.name != "state.json") hashes[file.name] = file.hash;  // it holds times
  }
  return hashes;
}

}  // namespace pretrain::test
