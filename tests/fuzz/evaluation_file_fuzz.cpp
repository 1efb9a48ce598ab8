// SPDX-License-Identifier: Apache-2.0
// Files of evaluation sets: the bytes as they are, and, so that more than the hash is looked at, as the
// content of a file whose header and hash are right.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/checkpoint/safetensors.h"
#include "pipeline/evaluation_set.h"
#include "tokenizer/vocabulary.h"

namespace pretrain {
namespace {

constexpr uint32_t kContext = 4;

const Tokenizer& tokenizer() {
  static const Tokenizer characters = Tokenizer::from_serialized(
      train_vocabulary({"the quick brown fox jumps over the lazy dog", "and the dog sleeps on"},
                       {.type = TokenizerType::kChar, .pieces = 400}, [](const std::string&) {}, {}));
  return characters;
}

/// A file of its own for each process.
const Path& path() {
  static const Path file =
      std::filesystem::temp_directory_path() / fmt::format("evaluation_file_fuzz-{}", ::getpid());
  return file;
}

/// What is taken must be fit for a model of this vocabulary.
void open_and_read(std::string_view content) {
  std::ofstream(path(), std::ios::binary | std::ios::trunc) << content;
  try {
    const EvaluationSet set = open_evaluation_set(path(), kContext, tokenizer(), {});
    const SequenceReader read = set.open();
    std::vector<uint32_t> inputs(2 * kContext);
    std::vector<int32_t> targets(2 * kContext);
    while (read(inputs, targets) > 0) {
      for (const uint32_t id : inputs) PRETRAIN_CHECK(id < tokenizer().vocabulary_size(), "input {}", id);
      for (const int32_t id : targets)
        PRETRAIN_CHECK(id >= -1 && id < static_cast<int32_t>(tokenizer().vocabulary_size()), "target {}", id);
    }
  } catch (const Error&) {
  }
}

std::string with_right_hash(std::string_view bytes) {
  const size_t rows = bytes.size() / (kContext * 8);
  EvaluationData data{.context = kContext};
  data.inputs.resize(rows * kContext);
  data.targets.resize(rows * kContext);
  if (rows > 0) {  // an empty array has no address
    std::memcpy(data.inputs.data(), bytes.data(), rows * kContext * 4);
    std::memcpy(data.targets.data(), bytes.data() + rows * kContext * 4, rows * kContext * 4);
  }
  for (const int32_t target : data.targets) data.target_count += target >= 0 ? 1 : 0;
  const std::string checksum =
      hex64(hash64(fmt::format("{} {} {}", hash_of(data), data.target_count, data.target_count)));
  const std::vector<uint64_t> shape{rows, kContext};
  std::string content;
  write_safetensors(std::vector<TensorSource>{{.name = "inputs",
                                               .dtype = DType::kU32,
                                               .shape = shape,
                                               .data = std::as_bytes(std::span(data.inputs))},
                                              {.name = "targets",
                                               .dtype = DType::kI32,
                                               .shape = shape,
                                               .data = std::as_bytes(std::span(data.targets))}},
                    {{"hash", checksum},
                     {"target_count", std::to_string(data.target_count)},
                     {"target_bytes", std::to_string(data.target_count)}},
                    false, [&](std::span<const std::byte> piece) {
                      content.append(reinterpret_cast<const char*>(piece.data()), piece.size());
                    });
  return content;
}

}  // namespace
}  // namespace pretrain

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  pretrain::open_and_read(bytes);
  pretrain::open_and_read(pretrain::with_right_hash(bytes));
  return 0;
}
