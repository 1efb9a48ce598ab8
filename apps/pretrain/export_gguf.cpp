// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/export_gguf.h"

#include <fmt/format.h>

#include "apps/pretrain/gguf_model.h"
#include "libs/base/error.h"
#include "libs/gguf/writer.h"
#include "tokenizer/gguf_vocabulary.h"

namespace pretrain {
namespace {

/// One tensor in memory, and once more in the order of the file.
void read_tensor(const ModelOutline& model, size_t index, std::span<float> values) {
  const ParameterInfo& tensor = model.layout->tensors()[index];
  std::vector<float> stored(values.size());
  model.weights->read_tensor(tensor, stored);
  to_gguf_order(model.config, tensor, stored, values);
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
  GgufOutline outline{.metadata = gguf_model_entries(model.config, name, type), .tensors = {}};
  for (GgufEntry& entry : gguf_vocabulary(*model.tokenizer)) outline.metadata.push_back(std::move(entry));
  for (const ParameterInfo& tensor : model.layout->tensors())
    outline.tensors.push_back(gguf_tensor(model.config, tensor, type));
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
