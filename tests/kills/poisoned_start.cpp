// SPDX-License-Identifier: Apache-2.0
#include "tests/kills/poisoned_start.h"

#include <cctype>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/checkpoint/manifest.h"
#include "tests/end_to_end/run.h"
#include "tokenizer/tokenizer.h"

namespace pretrain::test {
namespace {

constexpr char kPoison = '~';
constexpr size_t kContext = 32;
constexpr size_t kBatchTokens = kPoisonedRows * kContext;

/// Letters and single blanks only, so that each is one token.
std::string plain_text(size_t length) {
  std::string text;
  for (const FolderEntry& entry : list_folder(sample_corpus())) {
    for (const char c : read_file(Path(sample_corpus()) / entry.name)) {
      if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
        text += c;
      } else if (!text.empty() && text.back() != ' ') {
        text += ' ';
      }
      if (text.size() == length) return text;
    }
  }
  return text;
}

/// Overwrites elements of a tensor in place.
void fill(const Path& file, const std::string& tensor, size_t first, size_t count, float value) {
  const std::string bytes = read_file(file);
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  const auto header = nlohmann::json::parse(bytes.substr(sizeof(header_bytes), header_bytes));
  const uint64_t begin =
      sizeof(header_bytes) + header_bytes + header[tensor]["data_offsets"][0].get<uint64_t>();
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(static_cast<std::streamoff>(begin + first * sizeof(float)));
  for (size_t i = 0; i < count; ++i) stream.write(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// Makes the manifest agree with the files again.
void renew_manifest(const Path& checkpoint) {
  const Path path = checkpoint / kManifestName;
  Manifest manifest = parse_manifest(read_file(path), path.native());
  for (ManifestFile& file : manifest.files) {
    const ManifestFile now = hash_file(checkpoint / file.name);
    file.size_bytes = now.size_bytes;
    file.hash = now.hash;
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << manifest_text(manifest);
}

}  // namespace

void write_poisoned_corpus(const std::filesystem::path& folder) {
  // One token more, that of the end of the text, fills the epoch's last batch. The characters are in the
  // middle of a batch each: the target before one is poisoned, too.
  std::string text = plain_text(kPoisonedEpoch * kBatchTokens - 1);
  for (size_t batch = 40; batch < 45; ++batch) text[batch * kBatchTokens + kBatchTokens / 2 + 7] = kPoison;
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "text.jsonl") << nlohmann::json({{"text", text}}).dump() << "\n";
}

// The embedding is so large that the mean of its row overflows, which makes the norm after it NaN. The bias
// of the last norm makes each other row's logit of the character -infinity: probability and gradient 0.
void poison_first_checkpoint(const std::filesystem::path& state) {
  const Path checkpoint = checkpoints_folder(state) / checkpoint_name(0);
  std::vector<uint32_t> ids;
  Tokenizer::from_file(checkpoint / "tokenizer.model").encode(std::string(1, kPoison), ids);
  constexpr size_t kWidth = 64;
  const Path model = checkpoint / "model.safetensors";
  fill(model, "transformer.wte.weight", ids.at(0) * kWidth, kWidth, -3e38F);
  fill(model, "transformer.ln_f.bias", 0, kWidth, 10.0F);
  renew_manifest(checkpoint);
}

}  // namespace pretrain::test
