// SPDX-License-Identifier: Apache-2.0
#pragma once
// Options for commands other than train that read a corpus. They mean the same as the keys of a run.

#include "apps/pretrain/option.h"
#include "pipeline/corpus/catalog.h"
#include "pipeline/corpus/own_rules.h"

namespace pretrain {

/// A file of template rules of the user's own, with the hash of its text.
template <typename T, typename Member>
OptionValue<T> own_rules_of(Member m) {
  return option_detail::single<T>({.placeholder = "FILE", .is_literal = true}, m, read_own_rules,
                                  own_rules_text);
}

/// Rows documents, text-key, namespaces, disambiguation and template-rules for a member of T.
template <typename T>
OptionTable<T> corpus_options(CorpusOptions T::*corpus) {
  const OptionValue<T> namespaces{
      {"LIST"},
      [corpus](T& object, std::span<const std::string> texts) {
        (object.*corpus).pages.namespaces = parse_namespaces(texts.front()).namespaces;
      },
      [corpus](const T& object) -> std::vector<std::string> {
        return {fmt::format("{}", fmt::join((object.*corpus).pages.namespaces, ","))};
      }};
  return {{{"documents", "what counts as one document in plain text: files or paragraphs"},
           choice_of<T>(at(corpus, &CorpusOptions::documents), kDocumentModes)},
          {{"text-key", "key of the text in JSON lines"}, text_of<T>(at(corpus, &CorpusOptions::text_key))},
          {{"namespaces", "MediaWiki namespaces to read, such as 0 or 0,14"}, namespaces},
          {{"disambiguation", "MediaWiki disambiguation pages: keep or drop"},
           choice_of<T>(at(corpus, &CorpusOptions::pages, &PageSelection::disambiguation), kDisambiguations)},
          {{"template-rules", "file of rules for what templates of MediaWiki pages show"},
           own_rules_of<T>(at(corpus, &CorpusOptions::pages, &PageSelection::rules))}};
}

/// Row on-changed for a member of T.
template <typename T>
Option<T> on_changed_option(CorpusOptions T::*corpus) {
  return {{"on-changed", "if a corpus file changes while it is read: fail, or skip the rest of it"},
          choice_of<T>(at(corpus, &CorpusOptions::on_changed), kChangeActions)};
}

/// Row threads; 0 means all cores.
template <typename T>
Option<T> threads_option(int T::*threads) {
  return {{"threads", "number of threads", "", KeyKind::kChangeable, "all cores"},
          optional_count_of<T>(threads, 1024)};
}

template <typename T>
OptionTable<T> operator+(OptionTable<T> table, const OptionTable<T>& more) {
  table.insert(table.end(), more.begin(), more.end());
  return table;
}

}  // namespace pretrain
