// SPDX-License-Identifier: Apache-2.0
#include "tests/libs/wikitext/hostile_pages.h"

namespace pretrain::test {

std::span<const HostilePattern> hostile_patterns() {
  static constexpr HostilePattern kPatterns[] = {
      {"OpenBraces", "", "{{"},
      {"OpenBracesApart", "", "{{a "},
      {"OpenBracesInLines", "", "{{a|b\n"},
      {"OpenBracesInParagraphs", "", "{{a|b\n\nc "},
      {"BracesInThrees", "", "{{{a|"},
      {"BracesInSixes", "", "{{{{{{a"},
      {"ClosingBraces", "", "}} "},
      {"TextTemplates", "", "{{nowrap|a "},
      {"TextTemplatesInLines", "", "{{nowrap|a\n"},
      {"TextTemplatesInParagraphs", "", "{{nowrap|a\n\n"},
      {"Quotations", "", "{{quote|a\n\n"},
      {"QuotationsInSections", "", "{{quote|a\n== b ==\n"},
      {"ArgumentsOfOneTemplate", "{{convert", "|5|to"},
      {"OpenLinks", "", "[["},
      {"OpenLinksApart", "", "[[a "},
      {"OpenLabels", "", "[[a|b "},
      {"OpenLabelsInLines", "", "[[a|b\n"},
      {"OpenFiles", "", "[[File:a|b "},
      {"OpenFilesInLines", "", "[[File:a|b\n"},
      {"OpenFilesInParagraphs", "", "[[File:a|b\nc\n\n"},
      {"OpenAddresses", "", "[http://a b "},
      {"OpenAddressesWithoutLabel", "", "[http://a"},
      {"OpenTables", "", "{|\n"},
      {"OpenTablesWithRows", "", "{|\n|-\n| a {{b\n"},
      {"TablesInOneLine", "", "{|\n|}"},
      {"OpenReferences", "", "<ref>"},
      {"OpenReferencesInSections", "", "<ref>a\n== b ==\n"},
      {"ReferencesBeforeOneEnd", "</ref>", "<ref name=a>b "},
      {"OpenComments", "", "<!--"},
      {"OpenCommentsInLines", "", "<!-- a\n"},
      {"OpenTags", "", "<span "},
      {"OpenNowiki", "", "<nowiki>"},
      {"OpenFormulas", "", "<math>\\frac{"},
      {"OneFormula", "<math>", "{\\frac"},
      {"Apostrophes", "", "'''''"},
      {"ApostrophesApart", "", "'''a''b "},
      {"Variants", "", "-{"},
      {"VariantsApart", "", "-{zh:a;"},
      {"Underscores", "", "__A"},
      {"Ampersands", "", "&a"},
      {"OpenHeadings", "", "== a\n"},
      {"EqualsSigns", "", "="},
      {"Headings", "", "== a ==\n"},
      {"Bullets", "", "*"},
      {"NewLines", "", "\n"},
      {"Spaces", "", " "},
      {"SpacesAndGaps", "", " {{a}} "},
      {"BracketsAndGaps", "", "( {{a}} "},
      {"SeparatorsAndGaps", "", ", {{a}} ; "},
      {"ClosedBracketsAndGaps", "((((((((", "{{a}})"},
      {"Rows", "", "|\n"},
      {"Bars", "", "|"},
  };
  return kPatterns;
}

std::string hostile_page(const HostilePattern& pattern, size_t size) {
  std::string page(pattern.head);
  page.reserve(size + pattern.body.size());
  while (page.size() < size) page += pattern.body;
  return page;
}

}  // namespace pretrain::test
