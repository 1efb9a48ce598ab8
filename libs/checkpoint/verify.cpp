// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/verify.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <fmt/ranges.h>

#include "libs/base/hash.h"
#include "libs/base/number.h"
#include "libs/base/units.h"
#include "libs/checkpoint/rewritten.h"

namespace pretrain {
namespace {

constexpr std::string_view kStepPrefix = "step-";
constexpr uint64_t kManifestLimitBytes = 16_MiB;

/// Whether an error proves that the file is missing or something else. All other errors are about the device
/// (EIO, EUCLEAN, ESTALE ...) or this process (EMFILE, EACCES, ENOMEM ...); the file may still be intact.
bool means_damage(int code) {
  static constexpr std::array kCodes{ENOENT, ENOTDIR, EISDIR, EINVAL, EFBIG, ELOOP};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

[[noreturn]] void fail_damaged(const Path& path, std::string reason) {
  throw DamageError(path.native(), std::move(reason));
}

std::string words_for(int code) {
  if (code == ENOENT) return "it is missing";
  if (code == ELOOP) return "it is a symbolic link instead of a file";
  if (code == EINVAL) return "it is not a regular file";
  return std::generic_category().message(code);
}

/// Runs `read` and turns an I/O error that proves damage into a DamagedFileError.
template <typename Read>
auto reading(const Path& path, Read read) {
  try {
    return read();
  } catch (const IoError& error) {
    if (!means_damage(error.code())) throw;
    fail_damaged(path, words_for(error.code()));
  }
}

void verify_file(const Path& folder, const ManifestFile& expected, const std::stop_token& stop) {
  const Path path = folder / expected.name;
  // Check the size first, so that a huge file is not read.
  const uint64_t size_bytes = reading(path, [&] { return ReadableFile(path, Links::kRefuse).size(); });
  if (size_bytes != expected.size_bytes)
    fail_damaged(path, fmt::format("it has {} bytes instead of {}", size_bytes, expected.size_bytes));
  const ManifestFile found = reading(path, [&] { return hash_file(path, Links::kRefuse, stop); });
  if (found.hash != expected.hash) fail_damaged(path, "its content does not match its hash");
}

/// A file that differs from what was written.
struct WrongFile {
  ManifestFile expected;
  std::string reason;
};

std::string describe(const WrongFile& file) {
  return fmt::format("{}: {}", file.expected.name, file.reason);
}

std::string names_of(const std::vector<WrongFile>& files) {
  std::string names;
  for (const WrongFile& file : files) names += (names.empty() ? "" : ", ") + file.expected.name;
  return names;
}

/// The result of verifying a checkpoint.
struct Examination {
  Checkpoint checkpoint;
  std::vector<WrongFile> wrong;  // all of them
  std::vector<WrongFile> fatal;  // those that a run needs
};

Examination examine(const Path& folder, const std::stop_token& stop) {
  if (!folder_exists(folder)) {
    throw IoError(ErrorKind::kRuntime, fmt::format("cannot open folder {}: it is not there", folder.native()),
                  ENOENT);
  }
  Examination found{.checkpoint = {.folder = folder, .manifest = read_manifest(folder)}};
  found.checkpoint.step = found.checkpoint.manifest.step;
  for (const ManifestFile& file : found.checkpoint.manifest.files) {
    try {
      verify_file(folder, file, stop);
    } catch (const DamageError& error) {
      found.wrong.push_back({file, error.reason()});
    }
  }
  const bool model_is_intact =
      std::ranges::none_of(found.wrong, [](const WrongFile& f) { return f.expected.name == kModelFile; });
  for (const WrongFile& file : found.wrong) {
    const bool spare = is_for_other_programs(file.expected.name) ||
                       (model_is_intact && is_config_of_transformers(folder, file.expected));
    if (!spare) found.fatal.push_back(file);
    if (spare) found.checkpoint.changed.push_back(describe(file));
  }
  return found;
}

bool was_rewritten(const Path& folder, const std::vector<WrongFile>& files) {
  return std::ranges::all_of(files,
                             [&](const WrongFile& file) { return is_rewritten(folder, file.expected); });
}

}  // namespace

Manifest read_manifest(const Path& folder) {
  const Path path = folder / kManifestName;
  Manifest manifest = parse_manifest(
      reading(path, [&] { return read_file(path, kManifestLimitBytes, Links::kRefuse); }), path.native());
  // A copy under another name is fine, but not one with the name of another step.
  const auto named = checkpoint_step(folder.filename().native());
  if (named && *named != manifest.step)
    fail_damaged(path, fmt::format("it is the manifest of step {}", manifest.step));
  return manifest;
}

std::string checkpoint_name(uint64_t step) {
  return fmt::format("{}{:09}", kStepPrefix, step);
}

std::optional<uint64_t> checkpoint_step(std::string_view name) {
  if (!name.starts_with(kStepPrefix)) return std::nullopt;
  const auto step = parse_number<uint64_t>(name.substr(kStepPrefix.size()));
  // Accept only the spelling that we write: two names for one step would be two checkpoints.
  return step && checkpoint_name(*step) == name ? step : std::nullopt;
}

Path checkpoints_folder(const Path& state_folder) {
  return state_folder / "checkpoints";
}

std::vector<CheckpointEntry> list_checkpoints(const Path& state_folder) {
  const Path folder = checkpoints_folder(state_folder);
  std::vector<CheckpointEntry> entries;
  if (!folder_exists(folder)) return entries;
  for (const FolderEntry& entry : list_folder(folder)) {
    const auto step = checkpoint_step(entry.name);
    // A dangling link may be a checkpoint on a disk that is not mounted now.
    const bool is_broken_link = entry.is_link && !entry.is_folder && !entry.is_regular;
    if (step && (entry.is_folder || is_broken_link))
      entries.push_back({.step = *step, .folder = folder / entry.name});
  }
  std::ranges::sort(entries, std::greater<>(), &CheckpointEntry::step);
  return entries;
}

ManifestFile hash_file(const Path& path, Links links, const std::stop_token& stop) {
  const ReadableFile file(path, links);
  file.drop_cache();
  std::vector<std::byte> buffer(std::min(4_MiB, file.size() + 1));
  Hasher128 hasher;
  uint64_t at = 0;
  while (const size_t n = file.read_at(at, buffer)) {
    if (stop.stop_requested()) throw Stopped();
    hasher.update(std::span(buffer).first(n));
    at += n;
  }
  return {.name = path.filename().string(), .size_bytes = at, .hash = hasher.hex()};
}

Checkpoint verify_checkpoint(const Path& folder, const std::stop_token& stop) {
  Examination found = examine(folder, stop);
  if (found.fatal.empty()) return std::move(found.checkpoint);
  if (was_rewritten(folder, found.fatal)) {
    fail(ErrorKind::kData,
         "{} was changed by another program: {}; restore the original files or use another checkpoint",
         folder.native(), names_of(found.wrong));
  }
  fail_damaged(folder / found.fatal.front().expected.name, found.fatal.front().reason);
}

Path file_of(const Checkpoint& checkpoint, std::string_view name) {
  if (std::ranges::find(checkpoint.manifest.files, name, &ManifestFile::name) ==
      checkpoint.manifest.files.end()) {
    fail_damaged(checkpoint.folder / kManifestName, fmt::format("it does not list {}", name));
  }
  return checkpoint.folder / name;
}

Trouble trouble_of(const IoError& error) {
  return error.code() == EACCES || error.code() == EPERM ? Trouble::kForbidden : Trouble::kUnreadable;
}

CheckpointVerdict judge_checkpoint(const Path& folder, const std::stop_token& stop) {
  try {
    Examination found = examine(folder, stop);
    if (found.fatal.empty()) return {.checkpoint = std::move(found.checkpoint), .reason = ""};
    if (was_rewritten(folder, found.fatal)) {
      return {.checkpoint = {},
              .trouble = Trouble::kRewritten,
              .reason = fmt::format("was changed by another program: {}", names_of(found.wrong))};
    }
    return {.checkpoint = {},
            .trouble = Trouble::kDamaged,
            .reason = fmt::format("is damaged ({})", describe(found.fatal.front()))};
  } catch (const DamageError& error) {
    return {.checkpoint = {},
            .trouble = Trouble::kDamaged,
            .reason = fmt::format("is damaged ({}: {})", kManifestName, error.reason())};
  } catch (const IoError& error) {
    return {.checkpoint = {},
            .trouble = trouble_of(error),
            .reason = fmt::format("can't be read ({})", error.what())};
  }
}

}  // namespace pretrain
