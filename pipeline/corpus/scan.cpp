// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/scan.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "libs/base/error.h"
#include "pipeline/corpus/bzip2_blocks.h"
#include "pipeline/corpus/catalog_warnings.h"
#include "pipeline/corpus/dump_index.h"
#include "pipeline/corpus/identify.h"
#include "pipeline/corpus/known_shards.h"
#include "pipeline/corpus/listing.h"
#include "pipeline/corpus/recognize.h"
#include "pipeline/corpus/seen_files.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// An archive is read as a folder if a file can be read from it.
Recognition recognize_archive(Shard& shard, const ReadHooks& hooks) {
  shard.compression = Compression::kArchive;
  const auto source = open_source(ReadableFile(shard.path), shard.compression);
  StreamBuffer stream(*source, hooks);
  if (stream.window(1).empty())
    return rejected(source->reason().empty() ? "archive without files" : source->reason());
  return {.format = TextFormat::kMembers};
}

/// Examines one listed file.
Finding examine(const CorpusOptions& options, const KnownShards& known, const ReadHooks& hooks,
                Shard& shard) {
  ReadableFile file(shard.path);
  shard.size_bytes = file.size();
  shard.hash = identify(file);
  // Known content needs no look at it: the name may differ, since files are moved and inputs renamed.
  if (const Shard* before = known.same_content(shard)) {
    shard.compression = before->compression;
    shard.format = before->format;
    shard.site = before->site;
    return {};
  }
  std::array<char, 16> head;
  const size_t got = read_file_at(file, 0, std::as_writable_bytes(std::span(head)));
  shard.compression = recognize_compression({head.data(), got}, shard.name);
  Recognition recognition;
  // Blocks of bzip2 can be read on their own, so a dump is recognized even if its first block is damaged.
  if (shard.compression == Compression::kBzip2) {
    recognition =
        recognize_dump_blocks(*open_bzip2_blocks(ReadableFile(shard.path), 0, shard.size_bytes), hooks);
  }
  if (!recognition.format) {
    const auto source = open_source(std::move(file), shard.compression);
    recognition = recognize_format(*source, options.text(), hooks);
  }
  if (recognition.is_archive) recognition = recognize_archive(shard, hooks);
  shard.beginning = std::move(recognition.beginning);
  shard.doubt = std::move(recognition.doubt);
  shard.site = std::move(recognition.site);
  if (!recognition.format)
    return {.rejection = std::move(recognition.reason), .is_dump_index = recognition.is_dump_index};
  shard.format = *recognition.format;
  return {};
}

/// As examine(), but errors are rejections too. A file that an earlier scan has seen with the same stamp is not
/// read. The stamp is only stored if it is the same before and after the examination, so that no change in
/// between is missed.
Finding examine_or_explain(const CorpusOptions& options, const KnownShards& known, const SeenFiles& seen,
                           const ReadHooks& hooks, Shard& shard) {
  const std::optional<FileStamp> before = stamp_of(shard.path);
  if (before) {
    if (std::optional<Finding> finding = seen.recall(*before, shard)) return *std::move(finding);
  }
  const auto now = std::chrono::system_clock::now();
  try {
    Finding finding = examine(options, known, hooks, shard);
    if (before && before->is_settled(now) && before == stamp_of(shard.path)) shard.stamp = before;
    return finding;
  } catch (const Error& error) {
    std::string reason = error.what();
    repair_utf8(reason);  // it may quote a file name with any bytes, and is stored as JSON
    return {.rejection = std::move(reason)};
  }
}

/// Checks the indexes of multistream dumps against their dumps.
void doubt_dumps(const std::vector<Shard>& indexes, const std::stop_token& stop, Catalog& catalog) {
  for (const Shard& index : indexes) {
    const Shard* dump = catalog.find(dump_of_index(index.name));
    if (dump == nullptr) continue;
    std::string doubt = doubt_dump(index, *dump, stop);
    if (!doubt.empty()) catalog.warnings.push_back(std::move(doubt));
  }
}

/// Of a name below the inputs; empty at their top.
std::string_view folder_of(std::string_view name) {
  const size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? "" : name.substr(0, slash);
}

/// Sets files of a format aside for which `is_other` holds.
template <typename Test>
void set_aside(Catalog& catalog, TextFormat format, const char* reason, const Test& is_other) {
  std::erase_if(catalog.shards, [&](const Shard& shard) {
    if (shard.format != format || !is_other(shard)) return false;
    catalog.rejected.push_back({shard.name, reason});
    return true;
  });
}

/// Pages of HTML beside a dump are about it: the index of its files, its progress.
void set_pages_beside_dumps_aside(Catalog& catalog) {
  std::set<std::string, std::less<>> folders;
  for (const Shard& shard : catalog.shards) {
    if (row_of(shard.format).is_dump) folders.emplace(folder_of(shard.name));
  }
  set_aside(catalog, TextFormat::kHtml, "HTML beside a dump",
            [&](const Shard& shard) { return folders.contains(folder_of(shard.name)); });
}

/// A browser that saves a page puts its styles and scripts into a folder beside it.
void set_parts_of_pages_aside(Catalog& catalog) {
  if (std::ranges::none_of(catalog.shards, [](const Shard& s) { return s.format == TextFormat::kHtml; }))
    return;
  set_aside(catalog, TextFormat::kText, "style or script of pages of HTML",
            [](const Shard& shard) { return shard.name.ends_with(".css") || shard.name.ends_with(".js"); });
}

/// Names the first rejected files with their reasons, because one of them is probably what the user meant.
[[noreturn]] void fail_empty(const CorpusOptions& options, const Catalog& catalog) {
  constexpr size_t kShown = 3;
  std::string inputs;
  for (const Path& input : options.inputs) inputs += (inputs.empty() ? "" : ", ") + input.string();
  std::string shown;
  for (size_t i = 0; i < std::min(kShown, catalog.rejected.size()); ++i) {
    const RejectedFile& file = catalog.rejected[i];
    shown += fmt::format("{}{}: {}", i == 0 ? " (" : "; ", file.name, file.reason);
  }
  if (catalog.rejected.size() > kShown)
    shown += fmt::format("; and {} more", catalog.rejected.size() - kShown);
  shown += shown.empty() ? " (there are no files in it)" : ")";
  fail(
      ErrorKind::kData,
      "no readable text in corpus {}{}; give --corpus Wikipedia dumps, WikiExtractor output, JSON lines, HTML "
      "or plain text",
      inputs, shown);
}

/// A shard whose size changed during the scan is still being written; it is left for a later epoch.
void set_growing_aside(Catalog& catalog) {
  const auto is_growing = [](const Shard& shard) {
    const std::optional<FileStamp> now = stamp_of(shard.path);
    // A vanished file is not growing; it is reported when the epoch reaches it.
    return now && now->size_bytes != shard.size_bytes;
  };
  std::vector<Shard> settled;
  for (Shard& shard : catalog.shards) {
    if (is_growing(shard)) {
      catalog.rejected.push_back({shard.name, "still being written; it joins at a later epoch"});
    } else {
      settled.push_back(std::move(shard));
    }
  }
  catalog.shards = std::move(settled);
}

}  // namespace

/// Warnings are only collected for the first scan of a run; later scans would repeat them.
Catalog scan_corpus(const CorpusOptions& options, const Catalog* known, const ScanHooks& scan) {
  Listing listing = list_inputs(options, scan.stop, scan.on_file);
  const ReadHooks hooks{scan.stop, {}};
  const KnownShards known_shards(known);
  SeenFiles seen;
  seen.add(known);
  seen.add(scan.seen);
  Catalog catalog;
  catalog.rejected = std::move(listing.rejected);
  std::vector<Shard> indexes;
  std::map<std::string, std::string> relative_names;
  for (ListedFile& file : listing.files) {
    if (scan.stop.stop_requested()) throw Stopped();
    if (scan.on_file) scan.on_file();
    relative_names[file.name] = std::move(file.relative);
    Shard shard;
    shard.path = std::move(file.path);
    shard.name = std::move(file.name);
    Finding finding = examine_or_explain(options, known_shards, seen, hooks, shard);
    if (!finding.rejection) {
      catalog.shards.push_back(std::move(shard));
    } else {
      catalog.rejected.push_back(
          {shard.name, *std::move(finding.rejection), shard.stamp, finding.is_dump_index});
      if (finding.is_dump_index) indexes.push_back(std::move(shard));
    }
  }
  set_growing_aside(catalog);
  set_pages_beside_dumps_aside(catalog);
  set_parts_of_pages_aside(catalog);
  if (catalog.shards.empty()) fail_empty(options, catalog);
  if (known != nullptr) {
    keep_names(known_shards, relative_names, catalog);
  } else {
    catalog.warnings = std::move(listing.notes);
    doubt_dumps(indexes, scan.stop, catalog);
    add_warnings(catalog);
  }
  return catalog;
}

}  // namespace pretrain
