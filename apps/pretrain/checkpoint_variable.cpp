// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/checkpoint_variable.h"

#include <cstdlib>

#include "libs/base/error.h"

namespace pretrain {

std::optional<Path> checkpoint_in_environment() {
  const char* variable = std::getenv("PRETRAIN_CHECKPOINT");
  if (variable == nullptr) return std::nullopt;
  if (*variable == '\0') fail(ErrorKind::kUsage, "PRETRAIN_CHECKPOINT has no value; give it one or unset it");
  return variable;
}

}  // namespace pretrain
