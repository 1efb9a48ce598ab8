// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/output_file.h"

#include <span>
#include <string>
#include <system_error>

#include "apps/pretrain/state_folder.h"
#include "libs/base/error.h"

namespace pretrain {
namespace {

bool begins_otherwise(const Path& path, std::string_view beginning) {
  const ReadableFile file(path);
  std::string found(beginning.size(), '\0');
  found.resize(file.read_at(0, std::as_writable_bytes(std::span(found))));
  return !found.empty() && found != beginning;
}

/// What is there and is neither a file nor a folder. Names in /dev may be links to files, which a rename would replace.
bool is_device(const Path& path) {
  const std::string name = std::filesystem::absolute(path).lexically_normal().native();
  if (name.starts_with("/dev/") && !name.starts_with("/dev/shm/")) return true;
  std::error_code error;
  using Type = std::filesystem::file_type;
  const Type type = std::filesystem::status(path, error).type();
  return type == Type::block || type == Type::character || type == Type::fifo || type == Type::socket;
}

}  // namespace

void check_folder_of(std::string_view option, const Path& path) {
  const Path folder = path.has_parent_path() ? path.parent_path() : Path(".");
  if (!folder_exists(folder))
    fail(ErrorKind::kUsage, "{} {}: there is no folder {}; create it first", option, path.string(),
         folder.string());
  refuse_output_in_checkpoints(option, path);
}

bool is_standard_output(const Path& path) {
  return path == "-";
}

void refuse_standard_output(std::string_view option, const Path& path, std::string_view what) {
  if (!is_standard_output(path)) return;
  fail(ErrorKind::kUsage, "{} must be {} (got -, which means standard output); ./- is one of that name",
       option, what);
}

void check_output_file(const OutputFile& output) {
  if (output.may_be_standard_output && is_standard_output(output.path)) return;
  refuse_standard_output(output.option, output.path, "a file");
  if (is_device(output.path)) {
    fail(ErrorKind::kUsage, "{} must be a file (got {}, which is a device or a pipe); {}", output.option,
         output.path.string(),
         output.may_be_standard_output ? "give - for standard output" : "choose another name");
  }
  if (folder_exists(output.path)) {
    fail(ErrorKind::kUsage, "{} must be a file, such as {} (got the folder {})", output.option,
         (output.path / output.example).string(), output.path.string());
  }
  check_folder_of(output.option, output.path);
  if (file_exists(output.path) && begins_otherwise(output.path, output.beginning)) {
    fail(ErrorKind::kUsage,
         "{} would replace {}, which is a file of another kind; choose another name, or remove it",
         output.option, output.path.string());
  }
}

}  // namespace pretrain
