// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_identity.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "apps/pretrain/run_keys.h"
#include "libs/base/error.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {
namespace {

/// Empty for none.
std::string hash_of(const Manifest& manifest, std::string_view file) {
  const auto found = std::ranges::find(manifest.files, file, &ManifestFile::name);
  return found == manifest.files.end() ? std::string() : found->hash;
}

/// The place of a validation corpus may change.
bool is_identity(const OptionInfo& key) {
  return key.kind == KeyKind::kFixed && key.name != "validation-corpus";
}

}  // namespace

bool may_be_of_one_run(const Manifest& a, const Manifest& b) {
  if (hash_of(a, kSentencePieceFile) != hash_of(b, kSentencePieceFile)) return false;
  return std::ranges::none_of(run_options(), [&](const Option<RunConfiguration>& option) {
    const std::string key(option.info.name);
    return is_identity(option.info) && a.configuration.contains(key) && b.configuration.contains(key) &&
           a.configuration[key] != b.configuration[key];
  });
}

void refuse_copies_in_run(const Path& folder) {
  refuse_output_in_checkpoints("--copies-in", folder);
  for (const Path& file : {folder / "run.ini", metrics_file(folder), evaluation_file(folder)}) {
    if (!file_exists(file)) continue;
    fail(
        ErrorKind::kUsage,
        "--copies-in {}: it is the state folder of a run ({}), whose checkpoints the copies would push out; name another folder",
        folder.native(), file.filename().native());
  }
}

}  // namespace pretrain
