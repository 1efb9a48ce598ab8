// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/output_file.h"

#include <span>
#include <string>

#include "libs/base/error.h"

namespace pretrain {
namespace {

bool begins_otherwise(const Path& path, std::string_view beginning) {
  const ReadableFile file(path);
  std::string found(beginning.size(), '\0');
  found.resize(file.read_at(0, std::as_writable_bytes(std::span(found))));
  return !found.empty() && found != beginning;
}

}  // namespace

void check_output_file(const OutputFile& output) {
  if (folder_exists(output.path)) {
    fail(ErrorKind::kUsage, "{} must be a file, such as {} (got the folder {})", output.option,
         (output.path / output.example).string(), output.path.string());
  }
  const Path folder = output.path.has_parent_path() ? output.path.parent_path() : Path(".");
  if (!folder_exists(folder)) {
    fail(ErrorKind::kUsage, "{} {}: there is no folder {}; create it first", output.option,
         output.path.string(), folder.string());
  }
  if (file_exists(output.path) && begins_otherwise(output.path, output.beginning)) {
    fail(ErrorKind::kUsage,
         "{} would replace {}, which is a file of another kind; choose another name, or remove it",
         output.option, output.path.string());
  }
}

}  // namespace pretrain
