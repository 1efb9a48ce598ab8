// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/include_rules.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include <fmt/format.h>

namespace pretrain::test {
namespace {

struct Layer {
  std::string_view folder;
  std::vector<std::string_view> may_include;  ///< besides itself; "libs" means each folder in libs
};

/// Downward only. A folder that is missing here may include nothing and may not be included.
const std::vector<Layer>& layers() {
  static const std::vector<Layer> kLayers{
      {"apps", {"pipeline", "pipeline/corpus", "tokenizer", "libs"}},
      {"pipeline", {"pipeline/corpus", "tokenizer", "libs/checkpoint", "libs/data", "libs/base"}},
      {"pipeline/corpus", {"libs/wikitext", "libs/base"}},
      {"tokenizer", {"libs/gguf", "libs/base"}},
      {"libs/world",
       {"libs/train", "libs/model", "libs/fabric", "libs/checkpoint", "libs/data", "libs/tensor",
        "libs/base"}},
      {"libs/train",
       {"libs/model", "libs/optim", "libs/checkpoint", "libs/data", "libs/metrics", "libs/tensor",
        "libs/base"}},
      {"libs/optim", {"libs/model", "libs/tensor", "libs/base"}},
      {"libs/model", {"libs/tensor", "libs/base"}},
      {"libs/checkpoint", {"libs/base"}},
      {"libs/metrics", {"libs/base"}},
      {"libs/gguf", {"libs/base"}},
      {"libs/data", {"libs/base"}},
      {"libs/wikitext", {"libs/base"}},
      {"libs/web", {"libs/base"}},
      {"libs/fabric", {"libs/base"}},
      {"libs/tensor", {"libs/base"}},
      {"libs/base", {}},
      {"tests", {"apps", "pipeline", "pipeline/corpus", "tokenizer", "libs"}},
  };
  return kLayers;
}

struct Home {
  std::vector<std::string_view> headers;  ///< how the included names begin
  std::string_view folder;
  std::string_view extension;  ///< of the files that may include it; "" for all
  std::string_view name;       ///< for the message
};

/// One third party, one home: replacing it touches one folder. What is used everywhere (formatting, JSON,
/// TBB's loops) is not listed.
const std::vector<Home>& homes() {
  static const std::vector<Home> kHomes{
      {{"tbb/flow_graph", "oneapi/tbb/flow_graph"}, "pipeline", "", "flow graphs live in pipeline/"},
      {{"sentencepiece"}, "tokenizer", ".cpp", "SentencePiece lives in tokenizer/*.cpp"},
      {{"pcre2", "utf8proc"}, "tokenizer", ".cpp", "PCRE2 and utf8proc live in tokenizer/*.cpp"},
      {{"hwy/"}, "libs/tensor", "", "Highway lives in libs/tensor/"},
      {{"immintrin.h", "x86intrin.h", "arm_neon.h", "arm_sve.h", "cpuid.h"},
       "libs/tensor",
       "",
       "processor features live in libs/tensor/"},
      {{"boost/program_options"}, "apps", "", "Program_options lives in apps/"},
      {{"boost/asio", "boost/beast"}, "libs/web", ".cpp", "Asio and Beast live in libs/web/*.cpp"},
      {{"gloo/"}, "libs/fabric", ".cpp", "Gloo lives in libs/fabric/*.cpp"},
      {{"mpi.h"}, "libs/fabric", ".cpp", "MPI lives in libs/fabric/*.cpp"},
      {{"sodium.h"}, "libs/fabric", ".cpp", "libsodium lives in libs/fabric/*.cpp"},
      {{"histedit.h", "editline/", "readline/"}, "apps", "", "libedit lives in apps/"},
      {{"simdjson"}, "pipeline/corpus", "", "simdjson lives in pipeline/corpus/"},
      {{"expat"}, "pipeline/corpus", "", "expat lives in pipeline/corpus/"},
      {{"libxml/"}, "pipeline/corpus", "", "libxml2 lives in pipeline/corpus/"},
      {{"zlib.h", "bzlib.h", "lzma", "zstd", "archive"},
       "pipeline/corpus",
       "",
       "decompressors live in pipeline/corpus/"},
      {{"xxh"}, "libs/base", "", "xxHash lives in libs/base/"},
      {{"spdlog/"}, "libs/base", "", "spdlog lives in libs/base/"},
      {{"sys/", "arpa/", "net/", "netinet/", "netdb.h", "ifaddrs.h", "unistd.h", "fcntl.h", "dirent.h",
        "poll.h", "sched.h", "pthread.h", "signal.h", "termios.h", "pwd.h", "glob.h", "ftw.h", "aio.h",
        "dlfcn.h"},
       "libs/base",
       "",
       "the operating system's calls live in libs/base/"},
  };
  return kHomes;
}

constexpr std::string_view kTopLevel[] = {"CMakeLists.txt", "CMakePresets.json",
                                          "README.md",      "ARCHITECTURE.md",
                                          "CHANGELOG.md",   "CONTRIBUTING.md",
                                          "SECURITY.md",    "LICENSE",
                                          "NOTICE",         "apps",
                                          "libs",           "tokenizer",
                                          "pipeline",       "tests",
                                          "deploy",         "build"};

bool lies_in(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

bool may_include(std::string_view from, std::string_view to) {
  if (from == to) return true;
  const auto layer = std::ranges::find(layers(), from, &Layer::folder);
  if (layer == layers().end()) return false;
  return std::ranges::any_of(layer->may_include, [&](std::string_view allowed) {
    return allowed == to || (allowed == "libs" && lies_in(to, "libs"));
  });
}

bool names_our_folder(std::string_view target) {
  for (const std::string_view folder : {"apps", "libs", "pipeline", "tokenizer", "tests"}) {
    if (lies_in(target, folder)) return true;
  }
  return false;
}

std::optional<std::string> layer_fault(std::string_view path, const Include& include) {
  const std::string_view from = layer_of(path);
  const std::string_view to = layer_of(include.target);
  if (from.empty()) return "this folder is not in the layer table of tests/architecture";
  if (to.empty()) return fmt::format("{} is in no folder of the layer table", include.target);
  if (!may_include(from, to)) return fmt::format("{} may not include {} ({})", from, to, include.target);
  return std::nullopt;
}

std::optional<std::string> spelling_fault(const Include& include) {
  if (include.angled && names_our_folder(include.target)) {
    return fmt::format("<{}> is ours and must be in quotes", include.target);
  }
  const bool climbs = include.target.find("./") != std::string::npos;
  if (!include.angled && (climbs || !names_our_folder(include.target))) {
    return fmt::format("\"{}\" is not written from the top of the source tree", include.target);
  }
  return std::nullopt;
}

bool is_at_home(std::string_view path, const Home& home) {
  return lies_in(path, home.folder) && path.ends_with(home.extension);
}

std::optional<std::string> home_fault(std::string_view path, const Include& include) {
  for (const Home& home : homes()) {
    const bool named = std::ranges::any_of(home.headers, [&](std::string_view header) {
      return std::string_view(include.target).starts_with(header);
    });
    if (named && !is_at_home(path, home)) return fmt::format("{}, not here ({})", home.name, include.target);
  }
  return std::nullopt;
}

std::optional<std::string> fault_of(std::string_view path, const Include& include) {
  if (auto fault = spelling_fault(include)) return fault;
  if (names_our_folder(include.target)) return layer_fault(path, include);
  if (lies_in(path, "tests")) return std::nullopt;  // tests may use what they like
  return home_fault(path, include);
}

/// Removes spaces and then `word` from the start of `text`; false when it does not start so.
bool skip_word(std::string_view& text, std::string_view word) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

std::optional<Include> parse_include(std::string_view line) {
  if (!skip_word(line, "#") || !skip_word(line, "include")) return std::nullopt;
  const bool angled = skip_word(line, "<");
  if (!angled && !skip_word(line, "\"")) return std::nullopt;
  const size_t end = line.find(angled ? '>' : '"');
  if (end == std::string_view::npos) return std::nullopt;
  return Include{.target = std::string(line.substr(0, end)), .angled = angled};
}

}  // namespace

std::vector<Include> includes_of(std::string_view content) {
  std::vector<Include> includes;
  std::istringstream lines{std::string(content)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    auto include = parse_include(line);
    if (!include) continue;
    include->line = number;
    includes.push_back(*include);
  }
  return includes;
}

std::map<std::string, std::set<std::string>> allowed_includes() {
  std::map<std::string, std::set<std::string>> allowed;
  for (const Layer& layer : layers()) {
    if (layer.folder == "tests") continue;
    std::set<std::string>& folders = allowed[std::string(layer.folder)];
    for (const Layer& other : layers()) {
      if (other.folder != layer.folder && may_include(layer.folder, other.folder))
        folders.insert(std::string(other.folder));
    }
  }
  return allowed;
}

std::string_view layer_of(std::string_view path) {
  std::string_view longest;
  for (const Layer& layer : layers()) {
    if (lies_in(path, layer.folder) && layer.folder.size() > longest.size()) longest = layer.folder;
  }
  return longest;
}

std::vector<std::string> include_faults(std::string_view path, std::string_view content) {
  std::vector<std::string> faults;
  for (const Include& include : includes_of(content)) {
    if (const auto fault = fault_of(path, include))
      faults.push_back(fmt::format("{}:{}: {}", path, include.line, *fault));
  }
  return faults;
}

std::vector<std::string> top_level_faults(const std::vector<std::string>& names) {
  std::vector<std::string> faults;
  for (const std::string& name : names) {
    if (name.starts_with('.') || std::ranges::find(kTopLevel, name) != std::end(kTopLevel)) continue;
    faults.push_back(fmt::format("{} does not belong at the top of the source tree", name));
  }
  return faults;
}

}  // namespace pretrain::test
