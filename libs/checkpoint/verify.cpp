#include "libs/checkpoint/verify.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "libs/base/hash.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

constexpr std::string_view kStepPrefix = "step-";
constexpr uint64_t kManifestLimitBytes = 16_MiB;

/// Errors that say something about the file, and not about this process or its rights. The last four are how
/// file systems and disks tell of a checksum that does not fit or of a sector that can't be read.
bool means_damage(int code) {
  static constexpr std::array kCodes{ENOENT, ENOTDIR, EISDIR,  EINVAL,  EIO,   EFBIG,
                                     ELOOP,  EUCLEAN, EBADMSG, ENODATA, EILSEQ};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

[[noreturn]] void fail_damaged(const Path& path, std::string_view reason) {
  fail(ErrorKind::kData, "{} is damaged: {}; use an older checkpoint", path.native(), reason);
}

std::string words_for(int code) {
  if (code == ENOENT) return "it is missing";
  if (code == ELOOP) return "it is a symbolic link instead of a file";
  if (code == EINVAL) return "it is not a regular file";
  return std::generic_category().message(code);
}

/// Runs `read`; an I/O error that means damage becomes one.
template <typename Read>
auto reading(const Path& path, Read read) {
  try {
    return read();
  } catch (const IoError& error) {
    if (!means_damage(error.code())) throw;
    fail_damaged(path, words_for(error.code()));
  }
}

void verify_file(const Path& folder, const ManifestFile& expected) {
  const Path path = folder / expected.name;
  // The size first: a file of another size, however large, is not read.
  const uint64_t size_bytes = reading(path, [&] { return ReadableFile(path, Links::kRefuse).size(); });
  if (size_bytes != expected.size_bytes) {
    fail_damaged(path, fmt::format("it has {} bytes instead of {}", size_bytes, expected.size_bytes));
  }
  const ManifestFile found = reading(path, [&] { return hash_file(path, Links::kRefuse); });
  if (found.hash != expected.hash) fail_damaged(path, "its content does not fit its hash");
}

}  // namespace

std::string checkpoint_name(uint64_t step) {
  return fmt::format("{}{:09}", kStepPrefix, step);
}

std::optional<uint64_t> checkpoint_step(std::string_view name) {
  if (!name.starts_with(kStepPrefix)) return std::nullopt;
  uint64_t step = 0;
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + kStepPrefix.size(), end, step);
  // Only the one spelling that we write: two names for one step would be two checkpoints.
  if (result.ec != std::errc() || result.ptr != end || checkpoint_name(step) != name) return std::nullopt;
  return step;
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
    if (step && entry.is_folder) entries.push_back({.step = *step, .folder = folder / entry.name});
  }
  std::ranges::sort(entries, std::greater<>(), &CheckpointEntry::step);
  return entries;
}

ManifestFile hash_file(const Path& path, Links links) {
  const ReadableFile file(path, links);
  file.drop_cache();
  std::vector<std::byte> buffer(std::min(4_MiB, file.size() + 1));
  Hasher128 hasher;
  uint64_t at = 0;
  while (const size_t n = file.read_at(at, buffer)) {
    hasher.update(std::span(buffer).first(n));
    at += n;
  }
  return {.name = path.filename().string(), .size_bytes = at, .hash = hasher.hex()};
}

Checkpoint verify_checkpoint(const Path& folder) {
  const Path path = folder / kManifestName;
  const std::string text =
      reading(path, [&] { return read_file(path, kManifestLimitBytes, Links::kRefuse); });
  Checkpoint checkpoint{.folder = folder, .manifest = parse_manifest(text, path.native())};
  checkpoint.step = checkpoint.manifest.step;
  // A copy under a foreign name is fine; one that claims another step is not.
  const auto named = checkpoint_step(folder.filename().native());
  if (named && *named != checkpoint.step) {
    fail_damaged(path, fmt::format("it is the manifest of step {}", checkpoint.step));
  }
  for (const ManifestFile& file : checkpoint.manifest.files) verify_file(folder, file);
  return checkpoint;
}

Path file_of(const Checkpoint& checkpoint, std::string_view name) {
  if (std::ranges::find(checkpoint.manifest.files, name, &ManifestFile::name) ==
      checkpoint.manifest.files.end()) {
    fail_damaged(checkpoint.folder / kManifestName, fmt::format("it does not list {}", name));
  }
  return checkpoint.folder / name;
}

CheckpointVerdict judge_checkpoint(const Path& folder) {
  try {
    return {.checkpoint = verify_checkpoint(folder), .damage = ""};
  } catch (const NewerFormatError&) {
    throw;
  } catch (const IoError&) {
    throw;
  } catch (const Error& error) {
    return {.checkpoint = std::nullopt, .damage = error.what()};
  }
}

std::optional<Checkpoint> find_newest_verified(const Path& state_folder, const DamageReport& on_damaged) {
  for (const CheckpointEntry& entry : list_checkpoints(state_folder)) {
    const CheckpointVerdict verdict = judge_checkpoint(entry.folder);
    if (verdict.checkpoint) return verdict.checkpoint;
    if (on_damaged) on_damaged({.step = entry.step, .folder = entry.folder, .reason = verdict.damage});
  }
  return std::nullopt;
}

}  // namespace pretrain
