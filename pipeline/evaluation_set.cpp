#include "pipeline/evaluation_set.h"

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/checkpoint/safetensors.h"
#include "pipeline/encode.h"
#include "pipeline/packer.h"

namespace pretrain {
namespace {

void append(EvaluationData& data, const SequenceView& sequence, const Tokenizer& tokenizer) {
  for (uint32_t t = 0; t < data.context; ++t) {
    const bool counts = t < sequence.pairs;
    data.inputs.push_back(sequence.tokens[t]);
    data.targets.push_back(counts ? static_cast<int32_t>(sequence.tokens[t + 1]) : -1);
    if (!counts) continue;
    ++data.target_count;
    if (sequence.tokens[t + 1] != tokenizer.end_of_text()) {
      data.target_bytes += tokenizer.bytes_of(sequence.tokens[t + 1]).size();
    }
  }
}

/// Covers the counts too, which can't be told from the tokens alone.
std::string checksum_of(const EvaluationData& data) {
  return hex64(hash64(fmt::format("{} {} {}", hash_of(data), data.target_count, data.target_bytes)));
}

std::vector<TensorSource> tensors_of(const EvaluationData& data) {
  const std::vector<uint64_t> shape{data.sequences(), data.context};
  return {
      {.name = "inputs", .dtype = DType::kU32, .shape = shape, .data = std::as_bytes(std::span(data.inputs))},
      {.name = "targets",
       .dtype = DType::kI32,
       .shape = shape,
       .data = std::as_bytes(std::span(data.targets))}};
}

}  // namespace

EvaluationData collect_evaluation_set(const CorpusOptions& corpus, const Catalog& catalog,
                                      const Tokenizer& tokenizer, uint32_t context, uint64_t sequences,
                                      const std::stop_token& stop) {
  EvaluationData data{.context = context};
  CorpusReader reader(corpus, catalog, {}, Role::kHeldOut, {.stop = stop});
  Packer packer(Packing::kConcat, context, tokenizer.end_of_text());
  Ticket ticket;
  SequenceView sequence;
  while (data.sequences() < sequences && reader.next(ticket)) {
    if (stop.stop_requested()) throw Stopped();
    const Chunk chunk = encode_ticket(std::move(ticket), tokenizer);
    for (const EncodedPiece& piece : chunk.pieces) {
      packer.add(piece);
      while (data.sequences() < sequences && packer.next(sequence)) append(data, sequence, tokenizer);
    }
    ticket = {};
  }
  packer.flush();
  if (data.sequences() < sequences && packer.next(sequence)) append(data, sequence, tokenizer);
  return data;
}

void save_evaluation_set(FileSystem& files, const Path& path, const EvaluationData& data) {
  std::string content;
  const TensorMetadata metadata{{"hash", checksum_of(data)},
                                {"target_count", std::to_string(data.target_count)},
                                {"target_bytes", std::to_string(data.target_bytes)}};
  write_safetensors(tensors_of(data), metadata, false, [&](std::span<const std::byte> piece) {
    content.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  write_file_atomically(files, path, content);
}

EvaluationData load_evaluation_set(const Path& path, uint32_t context) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto* inputs = file.find("inputs");
  const auto value = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  if (inputs == nullptr || inputs->shape.size() != 2 || inputs->shape[1] != context) {
    fail(ErrorKind::kData, "{}: not an evaluation set for context {}; remove it to have it collected again",
         path.string(), context);
  }
  EvaluationData data{.context = context};
  data.inputs.resize(inputs->shape[0] * context);
  data.targets.resize(inputs->shape[0] * context);
  file.read("inputs", DType::kU32, inputs->shape, std::as_writable_bytes(std::span(data.inputs)));
  file.read("targets", DType::kI32, inputs->shape, std::as_writable_bytes(std::span(data.targets)));
  data.target_count = std::strtoull(value("target_count").c_str(), nullptr, 10);
  data.target_bytes = std::strtoull(value("target_bytes").c_str(), nullptr, 10);
  if (value("hash") != checksum_of(data)) {
    fail(ErrorKind::kData, "{}: content does not fit its hash; remove it to have it collected again",
         path.string());
  }
  return data;
}

}  // namespace pretrain
