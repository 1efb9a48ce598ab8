#include "pipeline/corpus/describe.h"

#include <map>
#include <utility>

#include "libs/base/units.h"

namespace pretrain {
namespace {

std::string kind_name(TextFormat format, Compression compression) {
  std::string name(format_name(format));
  if (compression != Compression::kNone) name += fmt::format(" ({})", compression_name(compression));
  return name;
}

std::string files(uint64_t count) {
  return fmt::format("{} {}", format_count(count), count == 1 ? "file" : "files");
}

}  // namespace

std::string describe_corpus(const Catalog& catalog) {
  std::map<std::pair<TextFormat, Compression>, uint64_t> kinds;
  uint64_t bytes = 0;
  for (const Shard& shard : catalog.shards) {
    ++kinds[{shard.format, shard.compression}];
    bytes += shard.size_bytes;
  }
  std::string text = fmt::format("{}, {}", files(catalog.shards.size()), format_bytes(bytes));
  const char* separator = ": ";
  for (const auto& [kind, count] : kinds) {
    text += separator;
    if (kinds.size() > 1) text += format_count(count) + " ";
    text += kind_name(kind.first, kind.second);
    separator = ", ";
  }
  if (!catalog.rejected.empty()) text += fmt::format("; {} passed over", files(catalog.rejected.size()));
  return text;
}

}  // namespace pretrain
