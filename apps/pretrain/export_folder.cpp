// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/export_folder.h"

#include <exception>
#include <filesystem>
#include <system_error>

#include "apps/pretrain/output_file.h"
#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"
#include "libs/base/text.h"

namespace pretrain {
namespace {

/// The path without a '/' at its end.
Path plain(const Path& output) {
  return output.has_filename() ? output : output.parent_path();
}

/// Hidden, beside the output, so that one rename publishes it.
Path unfinished_folder(const Path& output) {
  return output.parent_path() / fmt::format(".{}.unfinished", output.filename().string());
}

/// The failure is reported; that its remains can't be removed either would only hide it.
void remove_remains(FileSystem& files, const Path& folder) {
  try {
    remove_tree(files, folder);
  } catch (const IoError&) {
  }
}

}  // namespace

std::string export_name(const Path& output) {
  return plain(output).filename().string();
}

void require_free_output(const Path& output) {
  refuse_standard_output("--output", output, "a folder");
  refuse_output_in_checkpoints("--output", output);
  if (plain(output).extension() == ".gguf" || export_name(output).empty())
    fail(ErrorKind::kUsage,
         "--output {}: the output is a folder, which gets the model and a README.md; name one, such as {}",
         output.string(), plain(output).replace_extension().string());
  if (printable(export_name(output)) != export_name(output))
    fail(
        ErrorKind::kUsage,
        "--output {}: its name becomes that of the model in files for other programs; name one in UTF-8 without "
        "control characters",
        output.string());
  std::error_code error;
  const auto kind = std::filesystem::status(output, error);
  if (std::filesystem::exists(kind) && !std::filesystem::is_directory(kind))
    fail(ErrorKind::kUsage, "--output {}: a file is there; name a new folder", output.string());
  if (folder_exists(output) && !list_folder(output).empty())
    fail(ErrorKind::kUsage, "--output {}: the folder is not empty; name a new one, or remove it",
         output.string());
}

void write_export(FileSystem& files, const Path& output, const std::vector<FileContent>& contents) {
  const Path folder = plain(output);
  const Path unfinished = unfinished_folder(folder);
  make_folders(files, folder.parent_path());
  remove_tree(files, unfinished);
  files.make_folder(unfinished);
  try {
    write_verified_files(files, unfinished, contents);
    files.sync_folder(unfinished);
    files.rename(unfinished, folder);
    files.sync_folder(folder.parent_path());
  } catch (...) {
    remove_remains(files, unfinished);
    throw;
  }
}

}  // namespace pretrain
