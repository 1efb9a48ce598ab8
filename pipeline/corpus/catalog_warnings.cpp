// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/catalog_warnings.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace pretrain {
namespace {

constexpr size_t kShown = 3;

/// The first doubtful files by name, the others by number.
void warn_of_doubts(Catalog& catalog) {
  size_t doubtful = 0;
  for (const Shard& shard : catalog.shards) {
    if (!shard.doubt.empty() && ++doubtful <= kShown)
      catalog.warnings.push_back(fmt::format("{}: {}", shard.name, shard.doubt));
  }
  if (doubtful > kShown)
    catalog.warnings.push_back(fmt::format("{} more files have text that is not UTF-8", doubtful - kShown));
}

bool is_table(const Shard& shard) {
  const std::string_view name = shard.name;
  return shard.format == TextFormat::kText && (name.ends_with(".csv") || name.ends_with(".tsv") ||
                                               name.ends_with(".csv.gz") || name.ends_with(".tsv.gz"));
}

void warn_of_tables(Catalog& catalog) {
  const auto tables = std::ranges::count_if(catalog.shards, is_table);
  if (tables == 0) return;
  const Shard& first = *std::ranges::find_if(catalog.shards, is_table);
  catalog.warnings.push_back(fmt::format(
      "{} read as plain text, with separators; convert to JSON lines first: python3 -c 'import csv,json,sys; "
      "[print(json.dumps(r)) for r in csv.DictReader(sys.stdin{})]' < FILE > FILE.jsonl",
      tables == 1 ? first.name + " is a table and is"
                  : fmt::format("{} and {} more are tables and are", first.name, tables - 1),
      first.name.find(".tsv") == std::string::npos ? "" : ",delimiter=\"\\t\""));
}

/// Names files that begin with the same text under two names, which is probably one text twice: a dump in two
/// compressions, or whole and in parts.
void warn_of_copies(Catalog& catalog) {
  std::map<std::string_view, const Shard*> first;
  size_t copies = 0;
  for (const Shard& shard : catalog.shards) {
    if (shard.beginning.empty()) continue;
    const auto [known, is_new] = first.try_emplace(shard.beginning, &shard);
    if (is_new || ++copies > kShown) continue;
    catalog.warnings.push_back(fmt::format(
        "{} and {} begin with the same text; if one is a copy of the other, give only one of them",
        known->second->name, shard.name));
  }
  if (copies > kShown) {
    catalog.warnings.push_back(fmt::format("{} more files begin with the text of another", copies - kShown));
  }
}

}  // namespace

void add_warnings(Catalog& catalog) {
  warn_of_doubts(catalog);
  warn_of_tables(catalog);
  warn_of_copies(catalog);
}

}  // namespace pretrain
