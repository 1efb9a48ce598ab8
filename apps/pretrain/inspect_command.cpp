#include <fmt/format.h>

#include "apps/pretrain/command_line.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/model_folder.h"
#include "libs/base/error.h"
#include "libs/base/units.h"
#include "libs/checkpoint/safetensors.h"
#include "pipeline/corpus/catalog.h"
#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/corpus/describe.h"

namespace pretrain {
namespace {

namespace po = boost::program_options;

void describe_checkpoint(const Checkpoint& checkpoint) {
  const Manifest& manifest = checkpoint.manifest;
  fmt::print("{}: checkpoint of step {}, every file verified\n", checkpoint.folder.string(),
             format_count(manifest.step));
  fmt::print("created {}, format version {}\n", manifest.created, manifest.format_version);
  uint64_t total = 0;
  for (const ManifestFile& file : manifest.files) {
    fmt::print("  {:24} {:>10}  {}\n", file.name, format_bytes(file.size_bytes), file.hash);
    total += file.size_bytes;
  }
  fmt::print("  {:24} {:>10}\n", "all", format_bytes(total));
  fmt::print("ran on:\n");
  for (const auto& [key, value] : manifest.fingerprint.items()) fmt::print("  {}: {}\n", key, value.dump());
  fmt::print("configuration:\n");
  for (const auto& [key, value] : manifest.configuration.items()) {
    if (value != "")
      fmt::print("  {} = {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
  }
}

void describe_state_folder(const Path& state) {
  for (const CheckpointEntry& entry : list_checkpoints(state)) {
    const CheckpointVerdict verdict = judge_checkpoint(entry.folder);
    fmt::print("step {}: {}\n", format_count(entry.step),
               verdict.checkpoint ? "verified" : "damaged: " + verdict.damage);
  }
  describe_checkpoint(open_checkpoint(state));
}

/// Reads the whole corpus once and counts.
void describe_text(const CorpusOptions& options, const StopSignal& stop) {
  const Catalog catalog = scan_corpus(options, nullptr, stop.token());
  fmt::print("{}\n", describe_corpus(catalog));
  for (const RejectedFile& file : catalog.rejected)
    fmt::print("  not read: {}: {}\n", file.name, file.reason);
  CorpusReader reader(options, catalog, {}, Role::kHeldOut, {.stop = stop.token()});
  Ticket ticket;
  while (!stop.requested() && reader.next(ticket)) ticket = {};
  const ReadStatistics& statistics = reader.statistics();
  fmt::print("{} documents, {} of text\n", format_count(statistics.documents),
             format_bytes(statistics.text_bytes));
  for (const auto& [reason, count] : statistics.skips)
    fmt::print("  passed over: {} {}\n", format_count(count), reason);
}

}  // namespace

int inspect_command(const Arguments& arguments, StopSignal& stop) {
  std::vector<std::string> paths;
  std::string documents = "files";
  po::options_description options;
  options.add_options()("path", po::value(&paths)->multitoken()->required(),
                        "checkpoint, state folder, or corpus")(
      "documents", po::value(&documents)->default_value(documents), "files or paragraphs, in plain text");
  const std::string usage =
      "pretrain inspect CHECKPOINT | STATE | CORPUS...\nVerifies and describes; changes nothing.";
  if (!parse_command_line(arguments, options, usage, "path")) return 0;
  const Path first = paths.front();
  if (file_exists(first / kManifestName)) {
    describe_checkpoint(verify_checkpoint(first));
  } else if (!list_checkpoints(first).empty()) {
    describe_state_folder(first);
  } else {
    describe_text({.inputs = {paths.begin(), paths.end()},
                   .documents = parse_document_mode(documents),
                   .validation_fraction = 1},
                  stop);
  }
  return 0;
}

}  // namespace pretrain
