// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/describe.h"

#include <algorithm>
#include <map>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/units.h"
#include "pipeline/corpus/bzip2_blocks.h"
#include "pipeline/corpus/bzip2_marks.h"
#include "pipeline/corpus/compression.h"

namespace pretrain {
namespace {

std::string kind_name(TextFormat format, Compression compression) {
  std::string name(format_name(format));
  if (compression == Compression::kArchive) return name + " in archives";
  if (compression != Compression::kNone) name += fmt::format(" ({})", compression_name(compression));
  return name;
}

}  // namespace

std::string count_of(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", format_count(count), noun, count == 1 ? "" : "s");
}

/// "3 files, 1.2 GB: 2 MediaWiki dump (bzip2), 1 plain text; 4 files skipped".
std::string describe_corpus(const Catalog& catalog) {
  std::map<std::pair<TextFormat, Compression>, uint64_t> kinds;
  uint64_t bytes = 0;
  for (const Shard& shard : catalog.shards) {
    ++kinds[{shard.format, shard.compression}];
    bytes += shard.size_bytes;
  }
  std::string text = fmt::format("{}, {}", count_of(catalog.shards.size(), "file"), format_bytes(bytes));
  const char* separator = ": ";
  for (const auto& [kind, count] : kinds) {
    text += separator;
    if (kinds.size() > 1) text += format_count(count) + " ";
    text += kind_name(kind.first, kind.second);
    separator = ", ";
  }
  if (!catalog.rejected.empty())
    text += fmt::format("; {} skipped", count_of(catalog.rejected.size(), "file"));
  return text;
}

std::vector<std::string> describe_rejected(const Catalog& catalog) {
  constexpr size_t kNamed = 3;
  std::map<std::string_view, std::vector<std::string_view>> names_of;
  for (const RejectedFile& file : catalog.rejected) names_of[file.reason].push_back(file.name);
  std::vector<std::string> lines;
  for (const auto& [reason, names] : names_of) {
    if (names.size() > kNamed) {
      lines.push_back(
          fmt::format("not read: {}, such as {}: {}", count_of(names.size(), "file"), names.front(), reason));
      continue;
    }
    for (const std::string_view name : names) lines.push_back(fmt::format("not read: {}: {}", name, reason));
  }
  return lines;
}

/// Searches the file for marks, 16 MiB at a time so that a stop is quick. A truncated last stream has no end
/// mark, but its last mark begins a block, so it counts too.
Bzip2Counts count_bzip2(const ReadableFile& file, const ReadHooks& hooks) {
  constexpr uint64_t kAtOnce = 16_MiB * 8;
  Bzip2Marks marks(file);
  Bzip2Counts counts;
  bool unfinished = false;
  for (uint64_t from = 0; from < marks.file_bits();) {
    if (hooks.stop.stop_requested()) throw Stopped();
    if (hooks.progress) hooks.progress(from / 8, file.size());
    const uint64_t limit = from + kAtOnce;
    while (const auto mark = marks.next(from, limit)) {
      ++(mark->begins_block ? counts.blocks : counts.streams);
      unfinished = mark->begins_block;
      from = mark->bit + kBzip2MarkBits;
    }
    from = std::max(from, limit);
  }
  counts.streams += unfinished ? 1 : 0;
  return counts;
}

/// One page after the other, from the beginning of each file: what is shown first is what a run would read there.
uint64_t show_pages(const CorpusOptions& options, const Catalog& catalog, uint64_t count,
                    const std::stop_token& stop, const std::function<void(const Record&)>& show) {
  const ReadHooks hooks{stop, {}};
  uint64_t shown = 0;
  for (const Shard& shard : catalog.shards) {
    if (!row_of(shard.format).is_dump) continue;
    ReadableFile file(shard.path);
    const auto source = shard.compression == Compression::kBzip2
                            ? open_bzip2_blocks(std::move(file), 0, shard.size_bytes)
                            : open_source(std::move(file), shard.compression);
    StreamBuffer stream(*source, hooks);
    const auto reader = make_record_reader(shard.format, stream, {}, {shard.site, options.pages, true});
    for (Record record; shown < count && reader->next(record);) {
      if (stop.stop_requested()) throw Stopped();
      if (record.fault || record.unwanted) continue;
      show(record);
      ++shown;
    }
  }
  return shown;
}

}  // namespace pretrain
