// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/loadable.h"

#include <string_view>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/model_folder.h"
#include "libs/base/error.h"
#include "libs/train/checkpoint_state.h"
#include "pipeline/loader.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {
namespace {

void try_to_load(const Checkpoint& checkpoint) {
  RunConfiguration c = configuration_in(checkpoint.manifest.configuration);
  const Tokenizer tokenizer = tokenizer_of(checkpoint);
  c.model.vocabulary = tokenizer.vocabulary_size();
  const ParameterLayout layout(c.model);
  const StreamState stream =
      check_checkpoint(checkpoint, layout, make_optimizers(layout, c.trainer.optimizer));
  Loader::check(stream, assembler_options(c, tokenizer));
}

/// The problem without its remedy ("use an older checkpoint"), which the caller carries out.
std::string problem_of(const Error& error) {
  const std::string text = error.what();
  return text.substr(0, text.find("; use an"));
}

}  // namespace

CheckpointVerdict judge_for_resume(const Path& folder, const std::stop_token& stop) {
  CheckpointVerdict verdict = judge_checkpoint(folder, stop);
  if (!verdict.checkpoint) return verdict;
  try {
    try_to_load(*verdict.checkpoint);
    return verdict;
  } catch (const IoError& error) {
    return {.checkpoint = {},
            .trouble = trouble_of(error),
            .reason = fmt::format("can't be read ({})", error.what())};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData) return verdict;  // the session may have other keys
    return {.checkpoint = {},
            .trouble = Trouble::kDamaged,
            .reason = fmt::format("can't be loaded ({})", problem_of(error))};
  }
}

}  // namespace pretrain
