// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which templates the cleaned text of dumps lost from running text, for `inspect --lost-templates`.

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

struct LostTemplateCount {
  std::string name;  ///< folded, without the namespace
  uint64_t calls = 0;
  std::string context;  ///< of the first call: wikitext of its line, shortened
};

struct LostTemplateCounts {
  std::vector<LostTemplateCount> templates;  ///< most frequent first
  uint64_t calls = 0;                        ///< of all templates
  uint64_t with_sentence = 0;                ///< of these, the calls whose sentence is none without them
  uint64_t sentences = 0;                    ///< in the cleaned text, about; without those that were dropped
};

/// Reads all dumps of the corpus.
/// Errors: kData when the device fails; Stopped.
LostTemplateCounts count_lost_templates(const CorpusOptions& options, const Catalog& catalog,
                                        const std::stop_token& stop);

}  // namespace pretrain
