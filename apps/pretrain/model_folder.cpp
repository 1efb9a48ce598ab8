// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/model_folder.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "apps/pretrain/gguf_weights.h"
#include "apps/pretrain/shell_text.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/checkpoint/linked_place.h"
#include "libs/checkpoint/start_point.h"
#include "libs/gguf/reader.h"
#include "libs/model/hugging_face_config.h"
#include "libs/train/model_weights.h"
#include "tokenizer/byte_pair_model.h"
#include "tokenizer/tokenizer_folder.h"

namespace pretrain {
namespace {

constexpr const char* kConfigName = "config.json";
/// Names of weight files. The last is not supported; it is listed to be refused with a clear message.
constexpr std::array kWeights = {kWeightsName, kWeightIndexName, std::string_view("pytorch_model.bin")};

/// The files of a model that this program reads.
constexpr std::array kModelFiles = {std::string_view(kConfigName), kWeightsName, kSentencePieceFile,
                                    kBytePairsFile};
constexpr uint64_t kManifestLimitBytes = uint64_t{16} << 20;

/// A copied checkpoint without its optimizer state, the largest file, which only a run needs. In a state
/// folder, a missing optimizer state would be damage.
bool was_handed_on(const Path& folder) {
  const Path whole = std::filesystem::absolute(folder / kManifestName).lexically_normal().parent_path();
  return whole.parent_path().filename() != "checkpoints" && !file_exists(folder / "optimizer.safetensors");
}

/// Verifies the files of a copied model that has a manifest.
/// Errors: kData when a file does not match the manifest.
void verify_model_files(const Path& folder) {
  const Path path = folder / kManifestName;
  for (const ManifestFile& file : parse_manifest(read_file(path, kManifestLimitBytes), path.native()).files) {
    const Path listed = folder / file.name;
    if (std::ranges::find(kModelFiles, file.name) == kModelFiles.end() || !file_exists(listed)) continue;
    if (hash_file(listed) != file) {
      fail(ErrorKind::kData,
           "{} does not match its hash in {}; copy it again, or remove {} if it was changed on purpose",
           listed.string(), kManifestName, kManifestName);
    }
  }
}

/// `path`, or its parent folder if `path` is the `checkpoints` folder of a run.
Path run_around(const Path& path) {
  const Path folder = path.has_filename() ? path : path.parent_path();
  const Path run = folder.has_parent_path() ? folder.parent_path() : Path(".");
  return folder.filename() == "checkpoints" && list_checkpoints(folder).empty() ? run : path;
}

[[noreturn]] void fail_nothing_there(const Path& path, size_t failed) {
  if (failed > 0) {
    fail(ErrorKind::kData, "{}: it has {}, and none is intact; see pretrain inspect {}", path.string(),
         format_counted(failed, "checkpoint"), shell_path(path));
  }
  refuse_bare_start(path);
  fail(ErrorKind::kData,
       "{}: no model here{}; name a checkpoint (.../checkpoints/step-...), a run's state folder, or a folder "
       "with config.json, model.safetensors and tokenizer.model",
       path.string(), note_on_empty_link(run_around(path)));
}

Tokenizer tokenizer_of(const ModelPlace& place) {
  return place.checkpoint ? pretrain::tokenizer_of(*place.checkpoint) : tokenizer_in(place.folder);
}

ModelConfig read_model_config(const ModelPlace& place) {
  const Path path = place.file(kConfigName);
  const nlohmann::json json = read_json(path, place.links());
  try {
    return config_from_hugging_face(json);
  } catch (const Error& error) {
    fail(ErrorKind::kData, "{}: {}", place.folder.string(), error.what());
  }
}

}  // namespace

std::string ModelPlace::name() const {
  return checkpoint ? fmt::format("checkpoint of step {}", format_count(checkpoint->step))
                    : fmt::format("model {}", folder.string());
}

Path ModelPlace::file(std::string_view name) const {
  return checkpoint ? file_of(*checkpoint, name) : folder / name;
}

bool is_model_without_run(const Path& path) {
  if (!file_exists(path / kConfigName)) return false;
  if (file_exists(path / kManifestName) && !was_handed_on(path)) return false;
  return std::ranges::any_of(kWeights, [&](std::string_view name) { return file_exists(path / name); });
}

Tokenizer tokenizer_of(const Checkpoint& checkpoint) {
  const auto& files = checkpoint.manifest.files;
  const bool has_pairs = std::ranges::find(files, kBytePairsFile, &ManifestFile::name) != files.end();
  return Tokenizer::from_file(file_of(checkpoint, has_pairs ? kBytePairsFile : kSentencePieceFile));
}

void fit_vocabulary(Tokenizer& tokenizer, int64_t rows) {
  const BytePairModel* pairs = tokenizer.byte_pairs();
  if (pairs == nullptr || tokenizer.vocabulary_size() >= rows) return;
  BytePairModel padded = *pairs;
  pad_vocabulary(padded, static_cast<uint32_t>(rows));
  tokenizer = Tokenizer::from_byte_pairs(std::move(padded));
}

Checkpoint open_checkpoint(const Path& path) {
  if (file_exists(path)) {
    fail(
        ErrorKind::kData,
        "{}: a file that is no GGUF; give a GGUF file, the folder of a model, a checkpoint (.../checkpoints/step-...) "
        "or a run's state folder",
        path.string());
  }
  if (!folder_exists(path)) {
    fail(ErrorKind::kData,
         "{}: no such folder; give a checkpoint (.../checkpoints/step-...) or a run's state folder",
         path.string());
  }
  if (file_exists(path / kManifestName)) return verify_checkpoint(path);
  size_t failed = 0;
  const auto on_failed = [&failed](const FailedCheckpoint& checkpoint) {
    ++failed;
    log_warning("checkpoint of step {} {}; looking for an older one", format_count(checkpoint.step),
                checkpoint.reason);
  };
  std::optional<Checkpoint> newest = find_newest_verified(run_around(path), on_failed);
  if (!newest) fail_nothing_there(path, failed);
  return std::move(*newest);
}

ModelPlace find_model(const Path& path) {
  if (folder_exists(path) && is_model_without_run(path)) {
    if (file_exists(path / kManifestName)) verify_model_files(path);
    return {.folder = path, .checkpoint = std::nullopt};
  }
  Checkpoint checkpoint = open_checkpoint(path);
  return {.folder = checkpoint.folder, .checkpoint = checkpoint};
}

namespace {

/// `named`: the tokenizer that the user gave; empty for the model's own.
void fit_tokenizer(ModelOutline& model, const Path& named) {
  const uint32_t pieces = model.tokenizer->vocabulary_size();
  fit_vocabulary(*model.tokenizer, model.config.vocabulary);
  if (model.tokenizer->vocabulary_size() != model.config.vocabulary) {
    fail(ErrorKind::kData, "{}: the tokenizer has {} pieces but the model {}; {}",
         named.empty() ? model.place.folder.string() : named.string(), pieces, model.config.vocabulary,
         named.empty() ? "copy the tokenizer files of this model"
                       : "leave out --tokenizer, or give this model's");
  }
  if (named.empty() || pieces == model.config.vocabulary) return;
  log_warning(
      "{} has {} pieces and the model {} rows; if it is another model's, the text makes no sense to this one",
      named.string(), pieces, model.config.vocabulary);
}

}  // namespace

ModelOutline open_model_outline(const Path& path, const Path& tokenizer) {
  std::optional<GgufFile> gguf;
  if (is_gguf(path)) gguf.emplace(GgufFile::open(path));
  ModelOutline model{.place = gguf ? ModelPlace{.folder = path, .checkpoint = {}} : find_model(path)};
  model.config = gguf ? gguf_model_config(*gguf) : read_model_config(model.place);
  model.tokenizer = std::make_unique<Tokenizer>(!tokenizer.empty() ? open_tokenizer(tokenizer)
                                                : gguf             ? gguf_tokenizer(*gguf)
                                                                   : tokenizer_of(model.place));
  fit_tokenizer(model, tokenizer);
  model.layout = std::make_unique<ParameterLayout>(model.config);
  if (gguf) {
    model.weights = std::make_unique<GgufWeights>(std::move(*gguf), model.config, *model.layout);
  } else {
    model.weights = std::make_unique<ModelWeights>(model.place.folder, *model.layout, model.place.links());
  }
  return model;
}

ModelFolder open_model(const Path& path) {
  ModelFolder model{open_model_outline(path), {}};
  model.parameters = Buffer<float>(model.layout->flat_size());
  std::ranges::fill(model.parameters.span(), 0.0F);  // the padding between tensors too
  for (const ParameterInfo& tensor : model.layout->tensors())
    model.weights->read_tensor(tensor, std::span(model.parameters.data() + tensor.offset, tensor.size));
  return model;
}

namespace {

Tokenizer open_file(const Path& path, TextChanges changes) {
  Tokenizer tokenizer = tokenizer_at(path, changes);
  const bool has_changed = changes == TextChanges::kLeaveOut && tokenizer.byte_pairs() == nullptr &&
                           tokenizer.serialized() != read_file(path, kMaxModelBytes);
  if (has_changed) {
    log_warning(
        "{}: its changes of the text (normalization, blanks, unknown characters) are left out; the checkpoint's "
        "tokenizer.model gives the ids of this run, the original file gives others",
        path.string());
  }
  return tokenizer;
}

}  // namespace

Tokenizer open_tokenizer(const Path& path, TextChanges changes) {
  if (!folder_exists(path)) {
    if (!file_exists(path))
      fail(
          ErrorKind::kData,
          "there is no tokenizer {}; give a SentencePiece model, a tokenizer.json, a GGUF file or a checkpoint folder",
          path.string());
    return is_gguf(path) ? gguf_tokenizer(GgufFile::open(path)) : open_file(path, changes);
  }
  return has_tokenizer(path) ? tokenizer_in(path) : tokenizer_of(find_model(path));
}

}  // namespace pretrain
