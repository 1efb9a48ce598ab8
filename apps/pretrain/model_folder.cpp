#include "apps/pretrain/model_folder.h"

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/train/checkpoint_state.h"

namespace pretrain {

Checkpoint open_checkpoint(const Path& path) {
  if (!folder_exists(path)) {
    fail(ErrorKind::kData,
         "{}: no such folder; name a checkpoint (.../checkpoints/step-...) or a run's state folder",
         path.string());
  }
  if (file_exists(path / kManifestName)) return verify_checkpoint(path);
  const auto on_damaged = [](const DamagedCheckpoint& damaged) {
    log_warning("checkpoint of step {} is damaged ({}); looking for an older one", damaged.step,
                damaged.reason);
  };
  std::optional<Checkpoint> newest = find_newest_verified(path, on_damaged);
  if (!newest) fail(ErrorKind::kData, "{}: holds no checkpoint and is none", path.string());
  return std::move(*newest);
}

ModelFolder open_model(const Path& path) {
  ModelFolder model{.checkpoint = open_checkpoint(path)};
  const Path& folder = model.checkpoint.folder;
  try {
    model.config = config_from_hugging_face(nlohmann::json::parse(read_file(folder / "config.json")));
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kData, "{}: {}", (folder / "config.json").string(), error.what());
  }
  model.layout = std::make_unique<ParameterLayout>(model.config);
  model.parameters = Buffer<float>(model.layout->flat_size());
  load_parameters(folder, *model.layout, model.parameters.data());
  model.tokenizer = std::make_unique<Tokenizer>(Tokenizer::from_file(folder / "tokenizer.model"));
  if (model.tokenizer->vocabulary_size() != model.config.vocabulary) {
    fail(ErrorKind::kData, "{}: the tokenizer has {} pieces, the model {}", folder.string(),
         model.tokenizer->vocabulary_size(), model.config.vocabulary);
  }
  return model;
}

Tokenizer open_tokenizer(const Path& path) {
  const Path file = folder_exists(path) ? path / "tokenizer.model" : path;
  if (!file_exists(file))
    fail(ErrorKind::kData, "there is no tokenizer {}; name a SentencePiece model or a checkpoint folder",
         file.string());
  return Tokenizer::from_file(file);
}

}  // namespace pretrain
