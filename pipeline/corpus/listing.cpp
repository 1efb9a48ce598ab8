// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/listing.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "libs/base/file_identity.h"
#include "libs/base/io_advice.h"
#include "libs/base/kernel_files.h"
#include "pipeline/corpus/input_names.h"
#include "pipeline/corpus/run_files.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

namespace fs = std::filesystem;

/// A file name for JSON: bytes that are not UTF-8, and the escape character, become %XX.
std::string printable(const std::string& name) {
  std::string repaired = name;
  if (repair_utf8(repaired) == 0) return name;
  std::string escaped;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    escaped += byte < 0x80 && c != '%' ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return escaped;
}

/// Names that download and copy programs use for unfinished files.
/// They change while they are read, and would then count as changed files.
bool is_half_copied(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kEnds{
      ".part", ".tmp", ".partial", ".crdownload", ".download", ".filepart", ".aria2", ".!qB", ".!ut"};
  return std::ranges::any_of(kEnds, [&](std::string_view end) { return name.ends_with(end); });
}

/// An input. Inputs are walked in an order that does not depend on the order in which they are given.
struct Input {
  Path path;       ///< absolute
  Path canonical;  ///< folders come before what lies in them
  bool is_folder = false;
  bool is_regular = false;

  /// The folder that names below it are relative to.
  Path folder() const { return is_folder ? path : path.parent_path(); }
};

/// What is given itself must be readable; below it, what is not is left out and listed. Never opens a FIFO or a device.
void require_readable(const Path& given, const fs::file_status& status) {
  try {
    if (fs::is_directory(status)) (void)OpenFolder(given);
    if (fs::is_regular_file(status)) (void)ReadableFile(given);
  } catch (const IoError& error) {
    const bool is_forbidden = error.code() == EACCES || error.code() == EPERM;
    if (fs::is_regular_file(status) && !is_forbidden) return;  // one of many may be damaged
    fail(ErrorKind::kData, "corpus {}: {}", given.string(), with_io_advice(error.what(), error.code()));
  }
}

Input examine_input(const Path& given) {
  std::error_code error;
  const fs::file_status status = fs::status(given, error);
  if (status.type() == fs::file_type::none)
    fail(ErrorKind::kData, "{}",
         with_io_advice(fmt::format("corpus {} can't be reached: {}", given.string(), error.message()),
                        error.value()));
  if (!fs::exists(status))
    fail(ErrorKind::kData,
         "corpus {} does not exist or can't be reached; check the path, or get text first: "
         "deploy/fetch-wikipedia.sh downloads Wikipedia",
         given.string());
  if (const auto kernel = kernel_file_system(given); !kernel.empty())
    fail(ErrorKind::kData,
         "corpus {} lies on {}, a file system of the kernel, which holds no text; give folders of text, or "
         "copies on a disk",
         given.string(), kernel);
  require_readable(given, status);
  Path path = fs::absolute(given).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  return {.path = path,
          .canonical = fs::weakly_canonical(path, error),
          .is_folder = fs::is_directory(status),
          .is_regular = fs::is_regular_file(status)};
}

/// A folder comes before what lies in it, so a file that is given, too, is found under the folder's name.
std::vector<Input> in_walking_order(const std::vector<Path>& given) {
  std::vector<Input> inputs;
  std::ranges::transform(given, std::back_inserter(inputs), examine_input);
  std::ranges::sort(inputs, {}, [](const Input& input) { return std::tie(input.canonical, input.path); });
  return inputs;
}

/// The files found, with the input they belong to.
struct FoundFile {
  ListedFile file;
  Path input_folder;
};

/// Gives files of the same relative name, and only those, the name of their input.
void name_files(std::vector<FoundFile>& found) {
  std::map<std::string, size_t> uses;
  std::set<Path> folders;
  for (const FoundFile& f : found) {
    ++uses[f.file.relative];
    folders.insert(f.input_folder);
  }
  const auto is_unique = [&](const FoundFile& f) { return uses.at(f.file.relative) == 1; };
  std::map<Path, std::string> names;
  if (!std::ranges::all_of(found, is_unique)) {
    const std::vector<Path> all(folders.begin(), folders.end());
    const std::vector<std::string> distinct = distinct_names(all);
    for (size_t i = 0; i < all.size(); ++i) names[all[i]] = printable(distinct[i]);
  }
  std::set<std::string> taken;
  for (FoundFile& f : found) {
    const std::string name = is_unique(f) ? f.file.relative : names[f.input_folder] + "/" + f.file.relative;
    f.file.name = name;
    for (int i = 2; !taken.insert(f.file.name).second; ++i) f.file.name = fmt::format("{}#{}", name, i);
  }
}

/// Walks all inputs. Each file is listed once, even if inputs overlap or links lead to it again: canonical
/// paths identify files and folders, and inode numbers identify hard links.
class Walker {
 public:
  Walker(const std::vector<Path>& state_folders, const std::stop_token& stop,
         const std::function<void()>& on_entry)
      : run_files_(state_folders), stop_(stop), on_entry_(on_entry) {}

  void add_input(const Input& input) {
    const std::string name = input.path.filename().string();
    input_folder_ = input.folder();
    if (run_files_.hold(input.canonical)) return leave_out(input.path.string(), kRunEntry);
    if (seen_.contains(input.canonical)) {
      if (++given_twice_ <= kFew)
        listing_.notes.push_back(fmt::format(
            "corpus {} is given twice or lies in another one; it is read once", input.path.string()));
    } else if (input.is_folder) {
      walk(input.path, "", run_files_.is_state_folder(input.path));
    } else {
      add_file(input.path, name, input.is_regular);
    }
  }

  Listing take() {
    name_files(found_);
    for (FoundFile& f : found_) listing_.files.push_back(std::move(f.file));
    std::ranges::sort(listing_.files, {}, &ListedFile::name);
    if (given_twice_ > kFew) {
      listing_.notes.push_back(
          fmt::format("and {} more of the paths of --corpus, which are given twice or lie in another one",
                      given_twice_ - kFew));
    }
    if (repeated_ > 0) {
      listing_.notes.push_back(
          fmt::format("{} of the corpus can be reached by more than one path, such as {}; each is read once",
                      repeated_ == 1 ? "a file or folder" : fmt::format("{} files and folders", repeated_),
                      repeated_name_));
    }
    return std::move(listing_);
  }

 private:
  static constexpr size_t kFew = 3;  // inputs that are named
  static constexpr const char* kStateFolder = "the state folder of a run, which is no text";
  static constexpr const char* kRunEntry = "written by a run, which is no text";

  /// `of_run`: the folder is both an input and a run's state folder; its text is read, but not the run's
  /// files.
  void walk(const Path& folder, const std::string& prefix, bool of_run) {
    if (stop_.stop_requested()) throw Stopped();
    std::error_code error;
    if (!seen_.insert(fs::weakly_canonical(folder, error)).second) return repeat(prefix);
    if (rejects_kernel_file(folder, prefix)) return;
    try {
      for (const FolderEntry& entry : list_folder(folder)) {
        if (of_run && RunFiles::is_run_entry(entry.name)) {
          leave_out(prefix + entry.name, kRunEntry);
        } else {
          add_entry(folder, prefix, entry);
        }
      }
    } catch (const IoError& problem) {
      reject(prefix.empty() ? folder.string() : prefix, problem.what());
    }
  }

  void add_entry(const Path& folder, const std::string& prefix, const FolderEntry& entry) {
    if (stop_.stop_requested()) throw Stopped();
    if (on_entry_) on_entry_();
    const std::string name = prefix + entry.name;
    const Path path = folder / entry.name;
    std::error_code error;
    if (entry.name.starts_with('.')) {
      reject(name, entry.is_folder ? "hidden folder" : "hidden file");
    } else if (entry.is_link && run_files_.hold(fs::weakly_canonical(path, error))) {
      leave_out(name, kRunEntry);
    } else if (!entry.is_folder) {
      if (!entry.is_link || !rejects_kernel_file(path, name)) add_file(path, name, entry.is_regular);
    } else if (run_files_.is_state_folder(path)) {
      leave_out(name, kStateFolder);
    } else {
      walk(path, name + "/", false);
    }
  }

  bool rejects_kernel_file(const Path& path, const std::string& name) {
    const auto kernel = kernel_file_system(path);
    if (kernel.empty()) return false;
    reject(name, fmt::format("on {}, a file system of the kernel", kernel));
    return true;
  }

  /// Only regular files: reading a FIFO or a device could block.
  void add_file(const Path& path, const std::string& name, bool is_regular) {
    if (!is_regular) return reject(name, "not a regular file");
    if (is_half_copied(name)) return reject(name, "named like an unfinished copy");
    if (name.ends_with('~')) return reject(name, "named like an editor's copy");
    std::error_code error;
    if (!seen_.insert(fs::weakly_canonical(path, error)).second || !is_first_link(path)) return repeat(name);
    const std::string relative = printable(name);
    const uint64_t size = fs::file_size(path, error);
    found_.push_back({{.path = path, .name = relative, .relative = relative, .size_bytes = error ? 0 : size},
                      input_folder_});
  }

  /// Hard links are further names of the same file.
  bool is_first_link(const Path& path) {
    std::error_code error;
    if (fs::hard_link_count(path, error) < 2 || error) return true;
    const auto identity = identity_of(path);
    return !identity || linked_.insert(*identity).second;
  }

  void repeat(const std::string& name) {
    if (repeated_++ == 0) repeated_name_ = printable(name);
  }

  void leave_out(const std::string& name, const char* reason) {
    listing_.left_out.push_back(printable(name));
    reject(name, reason);
  }

  void reject(const std::string& name, std::string reason) {
    repair_utf8(reason);
    listing_.rejected.push_back({printable(name), std::move(reason)});
  }

  RunFiles run_files_;
  std::stop_token stop_;
  std::function<void()> on_entry_;
  Path input_folder_;
  std::set<Path> seen_;  // canonical
  std::set<FileIdentity> linked_;
  size_t repeated_ = 0, given_twice_ = 0;
  std::string repeated_name_;
  std::vector<FoundFile> found_;
  Listing listing_;
};

}  // namespace

Listing list_inputs(const CorpusOptions& options, const std::stop_token& stop,
                    const std::function<void()>& on_entry) {
  check_own_rules(options.pages.rules);
  Walker walker(options.state_folders, stop, on_entry);
  for (const Input& input : in_walking_order(options.inputs)) walker.add_input(input);
  return walker.take();
}

bool is_left_out(const Listing& listing, const std::string& name) {
  return std::ranges::any_of(listing.left_out, [&](const std::string& out) {
    return name == out || (name.starts_with(out) && name[out.size()] == '/');
  });
}

}  // namespace pretrain
