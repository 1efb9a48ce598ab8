// SPDX-License-Identifier: Apache-2.0
#pragma once
// The options of generate. Those of group "Text" can also be changed during an interactive session.

#include <optional>
#include <string>

#include "apps/pretrain/option.h"
#include "apps/pretrain/text_generator.h"

namespace pretrain {

struct GenerateRequest {
  Path checkpoint;
  std::optional<std::string> prompt;  ///< "-": standard input
  Path prompt_file;
  bool interactive = false;
  bool json = false;
  TextGenerator::Shape shape;
  GenerationOptions text;
  int threads = 0;
};

/// tokens, temperature, top-k, top-p, min-p, repetition-penalty, stop, seed.
OptionTable<GenerateRequest> text_options();

}  // namespace pretrain
