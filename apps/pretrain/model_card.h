// SPDX-License-Identifier: Apache-2.0
#pragma once
// The README.md of an exported model: what it is, what it was trained on and under which licence that text is,
// how far, and how each program loads it. The head is what the Hugging Face hub reads.

#include <string>

#include "apps/pretrain/model_folder.h"
#include "libs/gguf/element_type.h"

namespace pretrain {

enum class ExportFormat { kHuggingFace, kGguf };

/// What the card is about.
struct ExportedModel {
  const ModelOutline& model;
  std::string name;  ///< that of the folder
  ExportFormat format = ExportFormat::kHuggingFace;
  ElementType type = ElementType::kF32;
};

/// The text of README.md. What the checkpoint does not tell is left out, or named as unknown where it matters.
/// Repeatability: equal checkpoints and requests give equal text.
/// Errors: kData for a damaged state.json.
std::string model_card(const ExportedModel& exported);

}  // namespace pretrain
