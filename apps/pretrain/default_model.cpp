// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/default_model.h"

#include <cstdlib>
#include <optional>

#include "apps/pretrain/checkpoint_variable.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/log.h"

namespace pretrain {

Path chosen_state_folder() {
  const char* variable = std::getenv("PRETRAIN_STATE");
  if (variable == nullptr) return state_folder_of({});
  if (*variable == '\0') fail(ErrorKind::kUsage, "PRETRAIN_STATE has no value; give it one or unset it");
  return state_folder_of({{"state", variable}});
}

Path checkpoint_or_newest(const Path& given) {
  if (!given.empty()) return given;
  if (const std::optional<Path> variable = checkpoint_in_environment()) return *variable;
  const Path folder = chosen_state_folder();
  if (!folder_exists(folder) || !is_state_folder(folder)) {
    fail(
        ErrorKind::kUsage,
        "--checkpoint is missing, and {} holds no run; name a checkpoint, a run's state folder or a model folder",
        folder.string());
  }
  log_info("no --checkpoint: takes the newest one in {}", folder.string());
  return folder;
}

}  // namespace pretrain
