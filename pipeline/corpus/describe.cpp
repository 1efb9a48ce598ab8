#include "pipeline/corpus/describe.h"

#include <algorithm>
#include <map>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/units.h"
#include "pipeline/corpus/bzip2_blocks.h"
#include "pipeline/corpus/bzip2_marks.h"

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

Bzip2Counts count_bzip2(const ReadableFile& file, const std::stop_token& stop) {
  constexpr uint64_t kAtOnce = 64_MiB * 8;
  Bzip2Marks marks(file);
  Bzip2Counts counts;
  for (uint64_t from = 0; from < marks.file_bits();) {
    if (stop.stop_requested()) throw Stopped();
    const uint64_t limit = from + kAtOnce;
    while (const auto mark = marks.next(from, limit)) {
      ++(mark->begins_block ? counts.blocks : counts.streams);
      from = mark->bit + kBzip2MarkBits;
    }
    from = std::max(from, limit);
  }
  return counts;
}

void show_pages(const CorpusOptions& options, const Catalog& catalog, uint64_t count,
                const std::stop_token& stop, const std::function<void(const Record&)>& show) {
  const ReadHooks hooks{stop, {}};
  for (const Shard& shard : catalog.shards) {
    if (shard.format != TextFormat::kMediaWiki) continue;
    ReadableFile file(shard.path);
    const auto source = shard.compression == Compression::kBzip2
                            ? open_bzip2_blocks(std::move(file), 0, shard.size_bytes)
                            : open_source(std::move(file), shard.compression);
    StreamBuffer stream(*source, hooks);
    const auto reader = make_record_reader(shard.format, stream, {}, {shard.site, options.pages, true});
    for (Record record; count > 0 && reader->next(record);) {
      if (!record.fault.empty() || !record.unwanted.empty()) continue;
      show(record);
      --count;
    }
  }
}

}  // namespace pretrain
