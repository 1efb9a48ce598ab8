// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/export_gguf.h"

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/gguf/model_names.h"
#include "libs/gguf/writer.h"
#include "libs/model/architecture.h"
#include "libs/tensor/layer_norm.h"
#include "tokenizer/gguf_vocabulary.h"

namespace pretrain {
namespace {

GgufModel sizes_of(const ModelConfig& config, const std::string& name, ElementType type) {
  const auto narrow = [](int64_t size) { return static_cast<uint32_t>(size); };
  return {.name = name,
          .architecture = std::string(config.architecture->name),
          .layers = narrow(config.layers),
          .width = narrow(config.d_model),
          .mlp_width = narrow(config.d_ff),
          .heads = narrow(config.heads),
          .context = narrow(config.context),
          .vocabulary = narrow(config.vocabulary),
          .norm_epsilon = kLayerNormEpsilon,
          .type = type};
}

void require_known(std::string_view architecture) {
  if (has_gguf_names(architecture)) return;
  fail(ErrorKind::kUsage,
       "models of the architecture {} can't be written as GGUF yet; export with --format hf", architecture);
}

GgufPlace place_of(const ModelOutline& model, const ParameterInfo& tensor, ElementType type) {
  const std::vector<uint64_t> shape(tensor.shape.begin(), tensor.shape.end());
  auto place = gguf_place(model.config.architecture->name, tensor.name, shape, type);
  PRETRAIN_CHECK(place.has_value(), "tensor {} of {}", tensor.name, model.config.architecture->name);
  return std::move(*place);
}

/// Row-major [in, out] to [out, in].
void transpose(std::span<const float> from, size_t in, size_t out, std::span<float> to) {
  for (size_t o = 0; o < out; ++o) {
    for (size_t i = 0; i < in; ++i) to[o * in + i] = from[i * out + o];
  }
}

void read_tensor(const ModelOutline& model, size_t index, std::span<float> values) {
  const ParameterInfo& tensor = model.layout->tensors()[index];
  if (!place_of(model, tensor, ElementType::kF32).is_transposed) {
    model.weights->read_tensor(tensor, values);
    return;
  }
  std::vector<float> stored(values.size());
  model.weights->read_tensor(tensor, stored);
  transpose(stored, static_cast<size_t>(tensor.shape[0]), static_cast<size_t>(tensor.shape[1]), values);
}

/// A base model continues text: the prompt goes to it as it is. Its context is what it was trained with; a
/// longer one has no positions.
std::string modelfile_text(const ModelOutline& model, const std::string& name) {
  constexpr int kTokens = 200;
  return fmt::format(
      "FROM ./{}.gguf\n"
      "TEMPLATE \"\"\"{{{{ .Prompt }}}}\"\"\"\n"
      "PARAMETER num_ctx {}\n"
      "PARAMETER num_predict {}\n"
      "PARAMETER temperature 0.8\n"
      "PARAMETER top_p 0.95\n"
      "PARAMETER stop \"{}\"\n",
      name, model.config.context, kTokens, model.tokenizer->piece(model.tokenizer->end_of_text()));
}

}  // namespace

GgufOutline gguf_outline(const ModelOutline& model, const std::string& name, ElementType type) {
  require_known(model.config.architecture->name);
  GgufOutline outline{.metadata = model_metadata(sizes_of(model.config, name, type)), .tensors = {}};
  for (GgufEntry& entry : gguf_vocabulary(*model.tokenizer)) outline.metadata.push_back(std::move(entry));
  for (const ParameterInfo& tensor : model.layout->tensors())
    outline.tensors.push_back(place_of(model, tensor, type).tensor);
  return outline;
}

std::vector<FileContent> gguf_files(const ModelOutline& model, const std::string& name, ElementType type,
                                    const std::stop_token& stop) {
  const GgufOutline outline = gguf_outline(model, name, type);
  const auto write = [&model, outline, stop](const ByteSink& sink) {
    const auto read = [&](size_t index, std::span<float> values) {
      if (stop.stop_requested()) throw Stopped();
      read_tensor(model, index, values);
    };
    write_gguf(outline, read, sink);
  };
  return {
      {.name = name + ".gguf", .data = StreamedFile{.size_bytes = gguf_size_bytes(outline), .write = write}},
      {.name = "Modelfile", .data = modelfile_text(model, name)}};
}

}  // namespace pretrain
