// SPDX-License-Identifier: Apache-2.0
#pragma once
// A small run's worth of things to checkpoint, and ways to damage and compare what is on disk.

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "libs/checkpoint/store.h"

namespace pretrain::test {

constexpr size_t kSampleSize = 48;  // weights

/// Owns the memory that the tensors of a checkpoint point into; different for each step.
struct Sample {
  explicit Sample(uint64_t at_step, size_t size = kSampleSize) : step(at_step), weights(size), tokens(33) {
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i] = static_cast<float>(at_step) + static_cast<float>(i) / 64;
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<uint16_t>(at_step * 31 + i);
  }

  CheckpointContent content() const {
    const std::vector<TensorSource> model{{.name = "w",
                                           .dtype = DType::kF32,
                                           .shape = {weights.size()},
                                           .data = std::as_bytes(std::span(weights))}};
    const std::vector<TensorSource> loader{
        {.name = "tokens", .dtype = DType::kU16, .shape = {3, 11}, .data = std::as_bytes(std::span(tokens))}};
    return {.step = step,
            .files = {{.name = "config.json", .data = "{\"step\": " + std::to_string(step) + "}"},
                      {.name = "model.safetensors",
                       .data = model,
                       .metadata = {{"format", "pt"}},
                       .must_be_finite = true},
                      {.name = "loader.safetensors", .data = loader}},
            .fingerprint = {{"processor", "test"}},
            .configuration = {{"seed", 7}}};
  }

  uint64_t step;
  std::vector<float> weights;
  std::vector<uint16_t> tokens;
};

/// True when the checkpoint holds exactly the sample of its step and this size.
inline bool holds_sample(const Checkpoint& checkpoint, size_t size = kSampleSize) {
  const Sample expected(checkpoint.step, size);
  std::vector<float> weights(expected.weights.size());
  SafetensorsFile::open(checkpoint.folder / "model.safetensors")
      .read("w", DType::kF32, std::vector<uint64_t>{weights.size()},
            std::as_writable_bytes(std::span(weights)));
  std::vector<uint16_t> tokens(expected.tokens.size());
  SafetensorsFile::open(checkpoint.folder / "loader.safetensors")
      .read("tokens", DType::kU16, std::vector<uint64_t>{3, 11}, std::as_writable_bytes(std::span(tokens)));
  return weights == expected.weights && tokens == expected.tokens;
}

inline std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const FolderEntry& entry : list_folder(folder)) names.push_back(entry.name);
  return names;
}

inline std::vector<uint64_t> steps_in(const Path& state_folder) {
  std::vector<uint64_t> steps;
  for (const CheckpointEntry& entry : list_checkpoints(state_folder)) steps.push_back(entry.step);
  return steps;
}

inline void overwrite(const Path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

inline void flip_bit(const Path& path, size_t byte, int bit) {
  // In place: ext4 flushes a file that was truncated and rewritten, which makes long loops slow.
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(byte));
  const int old = file.get();
  ASSERT_GE(old, 0) << path << " has no byte " << byte;
  file.seekp(static_cast<std::streamoff>(byte));
  file.put(static_cast<char>(old ^ (1 << bit)));
}

/// The message of the error of this kind that `action` must end with.
template <typename Action>
std::string error_of(ErrorKind kind, Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

}  // namespace pretrain::test
