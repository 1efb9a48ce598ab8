// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/idle_reading.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include <fmt/format.h>

#include "libs/base/log.h"

namespace pretrain {
namespace {

/// An option, whether it has another value than its default, and the formats that it is about.
struct ReadingOption {
  std::string_view name;
  bool is_given;
  std::string_view text;  ///< what the formats are called
  std::initializer_list<TextFormat> formats;
};

bool has_any(const Catalog& catalog, std::initializer_list<TextFormat> formats) {
  return std::ranges::any_of(catalog.shards, [&](const Shard& shard) {
    return std::ranges::find(formats, shard.format) != formats.end();
  });
}

}  // namespace

std::vector<std::string> idle_reading_options(const CorpusOptions& options, const Catalog& catalog) {
  const CorpusOptions usual;
  const auto plain = {TextFormat::kText, TextFormat::kParagraphs};
  const auto lines = {TextFormat::kJsonl};
  const auto pages = {TextFormat::kMediaWiki, TextFormat::kCirrus, TextFormat::kEnterprise};
  const ReadingOption known[] = {
      {"documents", options.documents != usual.documents, "plain text", plain},
      {"text-key", options.text_key != usual.text_key, "JSON lines", lines},
      {"namespaces", options.pages.namespaces != usual.pages.namespaces, "pages of a wiki", pages},
      {"disambiguation", options.pages.disambiguation != usual.pages.disambiguation, "pages of a wiki",
       pages},
      {"template-rules", !options.pages.rules.path.empty(), "pages of a wiki", pages}};
  std::vector<std::string> found;
  if (catalog.shards.empty() || has_any(catalog, {TextFormat::kMembers})) return found;
  for (const ReadingOption& option : known) {
    if (!option.is_given || has_any(catalog, option.formats)) continue;
    found.push_back(
        fmt::format("--{} has no effect: the corpus has no {}; leave it out", option.name, option.text));
  }
  return found;
}

void report_idle_reading(const CorpusOptions& options, const Catalog& catalog) {
  for (const std::string& line : idle_reading_options(options, catalog)) log_warning("{}", line);
}

}  // namespace pretrain
