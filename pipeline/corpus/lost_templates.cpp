// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/lost_templates.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "libs/wikitext/text_fold.h"
#include "pipeline/corpus/bzip2_blocks.h"
#include "pipeline/corpus/record_reader.h"

namespace pretrain {
namespace {

constexpr size_t kMostNames = 100'000;  // bounds the memory; a wiki has fewer that appear in running text

bool begins_character(char byte) {
  return (byte & 0xC0) != 0x80;
}

/// The first `most` bytes of `text`, cut between characters.
std::string_view head_of(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && !begins_character(text[most])) --most;
  return text.substr(0, most);
}

std::string_view tail_of(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  size_t start = text.size() - most;
  while (start < text.size() && !begins_character(text[start])) ++start;
  return text.substr(start);
}

/// "... about {{foo|1}} years old": at most a line long.
std::string context_of(const wikitext::LostTemplate& lost) {
  constexpr size_t kAround = 40, kCall = 60;
  std::string_view call = head_of(lost.call, kCall);
  std::string context =
      fmt::format("{}{}{}{}", tail_of(lost.before, kAround), call,
                  call.size() < lost.call.size() ? "..." : "", head_of(lost.after, kAround));
  std::ranges::replace(context, '\n', ' ');
  return context;
}

/// Ends of sentences: a stop before a space or the end of a line, or one of Chinese and Japanese.
uint64_t count_sentences(std::string_view text) {
  uint64_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool stop = text[i] == '.' || text[i] == '!' || text[i] == '?';
    const bool ends = i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\n';
    const std::string_view rest = text.substr(i);
    const bool wide = rest.starts_with("。") || rest.starts_with("！") || rest.starts_with("？") ||
                      rest.starts_with("।") || rest.starts_with("؟");
    count += (stop && ends) || wide ? 1 : 0;
  }
  return count;
}

/// Names that differ in their first letter alone are one, in small letters but for `USA`.
std::string shown_name(std::string_view written) {
  std::string name = wikitext::page_name(written);
  const bool capitals = name.size() > 1 && name[1] >= 'A' && name[1] <= 'Z';
  const bool small = !name.empty() && name[0] >= 'a' && name[0] <= 'z';
  if (capitals && small) name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return name;
}

class Counter {
 public:
  /// The first call gives the context, so that the list is the same for each reading of the dump.
  void add(const wikitext::LostTemplate& lost) {
    ++counts_.calls;
    counts_.with_sentence += lost.with_sentence ? 1 : 0;
    const std::string name = shown_name(lost.name);
    if (by_name_.size() >= kMostNames && !by_name_.contains(name)) return;
    LostTemplateCount& count = by_name_[name];
    if (count.calls++ == 0) count.context = context_of(lost);
  }
  void add_text(std::string_view text) { counts_.sentences += count_sentences(text); }

  LostTemplateCounts take() {
    for (auto& [name, count] : by_name_) {
      count.name = name;
      counts_.templates.push_back(std::move(count));
    }
    std::ranges::stable_sort(counts_.templates, std::ranges::greater(), &LostTemplateCount::calls);
    return std::move(counts_);
  }

 private:
  std::map<std::string, LostTemplateCount> by_name_;
  LostTemplateCounts counts_;
};

}  // namespace

/// Reads the dump as a run would, with the rules that are there, and counts what they lose.
LostTemplateCounts count_lost_templates(const CorpusOptions& options, const Catalog& catalog,
                                        const std::stop_token& stop) {
  const ReadHooks hooks{stop, {}};
  Counter counter;
  for (const Shard& shard : catalog.shards) {
    if (!row_of(shard.format).is_dump) continue;
    ReadableFile file(shard.path);
    const auto source = shard.compression == Compression::kBzip2
                            ? open_bzip2_blocks(std::move(file), 0, shard.size_bytes)
                            : open_source(std::move(file), shard.compression);
    StreamBuffer stream(*source, hooks);
    const DumpOptions dump{.site = shard.site,
                           .pages = options.pages,
                           .on_lost_template = [&](const auto& lost) { counter.add(lost); }};
    const auto reader = make_record_reader(shard.format, stream, {}, dump);
    for (Record record; reader->next(record);) {
      if (stop.stop_requested()) throw Stopped();
      if (!record.fault && !record.unwanted) counter.add_text(record.text);
    }
  }
  return counter.take();
}

}  // namespace pretrain
