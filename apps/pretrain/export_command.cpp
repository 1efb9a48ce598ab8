// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/export_folder.h"
#include "apps/pretrain/export_gguf.h"
#include "apps/pretrain/export_hugging_face.h"
#include "apps/pretrain/model_card.h"
#include "apps/pretrain/output.h"
#include "libs/base/error.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/checkpoint/manifest.h"

namespace pretrain {
namespace {

struct ExportRequest {
  Path checkpoint;
  Path output;
  ExportFormat format = ExportFormat::kHuggingFace;
  ElementType type = ElementType::kF32;
  uint64_t shard_bytes = 0;  // 0: kMostShardBytes
};

constexpr CommandSyntax kSyntax{
    .name = "export",
    .usage =
        "pretrain export --checkpoint DIR --output DIR [--format hf|gguf] [--type TYPE]\n\n"
        "Writes a model for other programs into a new folder, with a README.md: for\n"
        "transformers, or as a GGUF file for llama.cpp, Ollama and what is built on them.",
    .examples =
        "Examples:\n"
        "  pretrain export ~/.local/state/pretrain --output my-model --type bf16\n"
        "  pretrain export DIR --output my-model-gguf --format gguf --type q8_0",
    .positional = "checkpoint"};

OptionTable<ExportRequest> options() {
  using Request = ExportRequest;
  using Format = std::pair<std::string_view, ExportFormat>;
  using Type = std::pair<std::string_view, ElementType>;
  return {{{"checkpoint", "checkpoint, a run's state folder, or a model folder"},
           path_of<Request>(&Request::checkpoint)},
          {{"output", "folder to write, new or empty; the model gets its name"},
           output_path_of<Request>(&Request::output)},
          {{"format", "hf: a folder of Hugging Face; gguf: a file for llama.cpp"},
           choice_of<Request>(&Request::format, std::vector<Format>{{"hf", ExportFormat::kHuggingFace},
                                                                    {"gguf", ExportFormat::kGguf}})},
          {{"type", "numbers of the weights: f32, f16, bf16, and q8_0 for gguf"},
           choice_of<Request>(&Request::type, std::vector<Type>{{"f32", ElementType::kF32},
                                                                {"f16", ElementType::kF16},
                                                                {"bf16", ElementType::kBf16},
                                                                {"q8_0", ElementType::kQ8_0}})},
          {{"shard-size", "largest file of weights; more are cut into several (hf)", "", KeyKind::kChangeable,
            "2 GB"},
           size_of<Request>(&Request::shard_bytes)}};
}

void check(const ExportRequest& request) {
  if (request.output.empty()) fail_missing("output", kSyntax);
  if (request.format == ExportFormat::kHuggingFace && request.type == ElementType::kQ8_0)
    fail(ErrorKind::kUsage,
         "--type q8_0 exists in GGUF files alone; add --format gguf, or choose f16 or bf16");
  if (request.format == ExportFormat::kGguf && request.shard_bytes > 0)
    fail(ErrorKind::kUsage,
         "--shard-size cuts weights of Hugging Face folders; a GGUF file is one, leave it out");
  require_free_output(request.output);
  const std::string file = export_name(request.output) + ".gguf";
  if (request.format == ExportFormat::kGguf && !is_plain_file_name(file))
    fail(ErrorKind::kUsage,
         "--output {}: its name becomes that of the file in it, which must not begin with a point, hold a "
         "backslash or have more than 255 bytes; choose another name",
         request.output.string());
}

/// A note for each matrix that could not be stored as asked.
void report_other_types(const ModelOutline& model, const ExportRequest& request) {
  if (request.format != ExportFormat::kGguf || request.type != ElementType::kQ8_0) return;
  const GgufOutline outline = gguf_outline(model, "", request.type);
  const auto halves = std::ranges::count(outline.tensors, ElementType::kF16, &GgufTensor::type);
  if (halves == 0) return;
  print_line("{} stored as f16: the rows are no multiple of {}",
             format_counted(static_cast<uint64_t>(halves), "matrix is", "matrices are"),
             block_elements(request.type));
}

void report_done(const ExportRequest& request, const std::vector<FileContent>& files) {
  uint64_t bytes = 0;
  for (const FolderEntry& entry : list_folder(request.output)) bytes += entry.size_bytes;
  print_line("wrote {}: {}, {}; README.md tells how to load it", request.output.string(),
             format_counted(files.size(), "file"), format_bytes(bytes));
}

std::vector<FileContent> model_files(const ModelOutline& model, const ExportRequest& request,
                                     const std::stop_token& stop) {
  const uint64_t most_bytes = request.shard_bytes > 0 ? request.shard_bytes : kMostShardBytes;
  if (request.format == ExportFormat::kHuggingFace)
    return hugging_face_files(model, request.type, most_bytes, stop);
  return gguf_files(model, export_name(request.output), request.type, stop);
}

}  // namespace

int export_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  const Path checkpoint = checkpoint_or_environment(request->checkpoint, kSyntax);
  check(*request);
  const ModelOutline model = open_model_outline(checkpoint);
  std::vector<FileContent> files = model_files(model, *request, stop.token());
  const ExportedModel exported{
      .model = model, .name = export_name(request->output), .format = request->format, .type = request->type};
  files.push_back({.name = "README.md", .data = model_card(exported)});
  write_export(real_file_system(), request->output, files);
  report_other_types(model, *request);
  report_done(*request, files);
  return 0;
}

}  // namespace pretrain
