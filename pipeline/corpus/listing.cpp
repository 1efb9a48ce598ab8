#include "pipeline/corpus/listing.h"

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

namespace fs = std::filesystem;

/// A file name as JSON can hold it: bytes that are not UTF-8, and the escape character, become %XX.
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

bool is_half_copied(const std::string& name) {
  return name.ends_with(".part") || name.ends_with(".tmp");
}

class Walker {
 public:
  Walker(const std::stop_token& stop, const std::function<void()>& on_entry)
      : stop_(stop), on_entry_(on_entry) {}

  void add_input(const Path& input, size_t index) {
    index_ = index;
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (!fs::exists(status)) {
      fail(ErrorKind::kData,
           "corpus {} does not exist or can't be reached; check the path, or get text first: "
           "deploy/fetch-wikipedia.sh downloads Wikipedia",
           input.string());
    }
    if (fs::is_directory(status)) {
      walk(input, "");
    } else {
      add_file(input, input.filename().string(), fs::is_regular_file(status));
    }
  }

  Listing take() {
    std::ranges::sort(listing_.files, {}, &ListedFile::name);
    return std::move(listing_);
  }

 private:
  void walk(const Path& folder, const std::string& prefix) {
    if (stop_.stop_requested()) throw Stopped();
    std::error_code error;
    if (!seen_.insert(fs::weakly_canonical(folder, error)).second) return;
    try {
      for (const FolderEntry& entry : list_folder(folder)) add_entry(folder, prefix, entry);
    } catch (const IoError& problem) {
      reject(prefix.empty() ? folder.string() : prefix, problem.what());
    }
  }

  void add_entry(const Path& folder, const std::string& prefix, const FolderEntry& entry) {
    if (stop_.stop_requested()) throw Stopped();
    if (on_entry_) on_entry_();
    const std::string name = prefix + entry.name;
    if (entry.name.starts_with('.')) {
      reject(name, entry.is_folder ? "hidden folder" : "hidden file");
    } else if (entry.is_folder) {
      walk(folder / entry.name, name + "/");
    } else {
      add_file(folder / entry.name, name, entry.is_regular);
    }
  }

  void add_file(const Path& path, const std::string& name, bool is_regular) {
    if (!is_regular) return reject(name, "not a regular file");
    if (is_half_copied(name)) return reject(name, "named like an unfinished copy");
    std::error_code error;
    if (!seen_.insert(fs::weakly_canonical(path, error)).second) return;
    std::string identity = printable(name);
    if (!names_.insert(identity).second) {
      identity = fmt::format("{}:{}", index_ + 1, identity);
      names_.insert(identity);
    }
    listing_.files.push_back({fs::absolute(path), std::move(identity)});
  }

  void reject(const std::string& name, std::string reason) {
    repair_utf8(reason);
    listing_.rejected.push_back({printable(name), std::move(reason)});
  }

  std::stop_token stop_;
  std::function<void()> on_entry_;
  size_t index_ = 0;
  std::set<Path> seen_;
  std::set<std::string> names_;
  Listing listing_;
};

}  // namespace

Listing list_inputs(const std::vector<Path>& inputs, const std::stop_token& stop,
                    const std::function<void()>& on_entry) {
  Walker walker(stop, on_entry);
  for (size_t i = 0; i < inputs.size(); ++i) walker.add_input(inputs[i], i);
  return walker.take();
}

}  // namespace pretrain
