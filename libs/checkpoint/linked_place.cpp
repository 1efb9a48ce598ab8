// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/linked_place.h"

#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/checkpoint/verify.h"

namespace pretrain {
namespace {

namespace fs = std::filesystem;

/// `path` without the slash at its end, with which a link would be followed.
Path name_itself(const Path& path) {
  return path.has_filename() ? path : path.parent_path();
}

/// Where a link leads; nothing for what is no link or can't be examined.
std::optional<Path> target_of(const Path& link) {
  std::error_code error;
  if (!fs::is_symlink(fs::symlink_status(link, error)) || error) return std::nullopt;
  const Path target = fs::read_symlink(link, error);
  if (error) return std::nullopt;
  return (link.parent_path() / target).lexically_normal();
}

/// Also a link to itself. Other errors, such as those of a device, are for whatever uses the folder to report.
bool leads_nowhere(const Path& link) {
  std::error_code error;
  const fs::file_status status = fs::status(link, error);
  return status.type() == fs::file_type::not_found || error == std::errc::too_many_symbolic_link_levels;
}

void require_target(const Path& path) {
  const Path link = name_itself(path);
  const auto target = target_of(link);
  if (!target || !leads_nowhere(link)) return;
  fail(ErrorKind::kData,
       "{} is a link to {}, which is not there (is the disk mounted?); mount it, or correct the link",
       link.native(), target->native());
}

}  // namespace

void require_linked_place(const Path& state_folder) {
  require_target(state_folder);
  require_target(checkpoints_folder(state_folder));
}

std::string note_on_empty_link(const Path& state_folder) {
  const Path folder = checkpoints_folder(state_folder);
  const auto target = target_of(folder);
  if (!target || !folder_exists(folder) || !list_folder(folder).empty()) return "";
  return fmt::format(" (a link to {}, which is empty: is the disk mounted?)", target->native());
}

}  // namespace pretrain
