// SPDX-License-Identifier: Apache-2.0
// Pages of dumps, one by one: what becomes a document, what is not wanted, and what is faulty.

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/corpus/dump.h"
#include "pipeline/corpus/page_parser.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::kDumpFoot;
using test::kDumpHead;
using test::page_of;
using testing::HasSubstr;
using testing::StartsWith;

/// What the only page of a dump becomes.
Record read_page(const std::string& page, const DumpOptions& options = {}) {
  const auto records = test::read_records(kDumpHead + page + kDumpFoot, TextFormat::kMediaWiki, 0, options);
  EXPECT_EQ(records.size(), 1U) << page;
  return records.empty() ? Record{} : records[0];
}

/// A page with these elements after its title.
std::string page_with(const std::string& elements) {
  return fmt::format("<page><title>T</title>{}</page>", elements);
}

std::string revision(const std::string& time, const std::string& text) {
  return fmt::format("<revision><timestamp>{}</timestamp><text>{}</text></revision>", time, text);
}

TEST(MediaWikiPage, IsItsTitleAndItsText) {
  const Record record = read_page(page_of("A & B", "One < two &amp; three.\nFour"));
  EXPECT_EQ(record.fault, std::nullopt);
  EXPECT_EQ(record.unwanted, std::nullopt);
  EXPECT_EQ(record.title, "A & B");
  EXPECT_THAT(record.text, StartsWith("A & B\n"));
  EXPECT_THAT(record.text, HasSubstr("One < two"));
  EXPECT_EQ(record.page_namespace, 0);
}

TEST(MediaWikiPage, HasTheTextOfItsNewestRevision) {
  const std::string older = revision("2001-01-15T13:10:27Z", "older");
  const std::string newer = revision("2001-01-15T13:15:00Z", "newer");
  EXPECT_EQ(read_page(page_with("<ns>0</ns>" + older + newer)).text, "T\nnewer");
  EXPECT_EQ(read_page(page_with("<ns>0</ns>" + newer + older)).text, "T\nnewer");
  const std::string again = revision("2001-01-15T13:15:00Z", "again");
  EXPECT_EQ(read_page(page_with("<ns>0</ns>" + newer + again + older)).text, "T\nagain") << "the last of two";
}

TEST(MediaWikiPage, IsNotTheTextInsideItsContributor) {
  EXPECT_EQ(read_page(page_with("<revision><contributor><text>no</text><timestamp>9</timestamp></contributor>"
                                "<comment>no</comment><text>yes</text></revision>"))
                .text,
            "T\nyes");
}

/// What a parser says of a page that it gets in pieces of `size` bytes.
std::string parsed(std::string_view page, size_t size) {
  PageParser parser;
  parser.begin();
  bool good = true;
  for (size_t at = 0; good && at < page.size(); at += size) {
    good = parser.feed(page.substr(at, size), at + size >= page.size());
  }
  if (!good) return parser.fault();
  const Page& found = parser.page();
  return fmt::format("{}|{}|{}|{}", found.title, found.name_space.value_or(-99), found.has_text, found.text);
}

TEST(PageParser, ReadsAtOnceWhatItReadsInPieces) {
  const std::string more = std::string(300, 'x') + "&lt;";
  for (const std::string& text : {std::string("a &lt;b&gt; &amp;amp; &quot;c&quot; &apos;d&apos; e"),
                                  std::string("&amp;"),
                                  std::string(),
                                  std::string(" a\n\n b "),
                                  std::string("a\r\nb\rc"),
                                  std::string("&#228; &#x3b1;&#10;&#13;b"),
                                  std::string("a<!-- & -->b<![CDATA[ &amp; <i> ]]>c<?p i?>"),
                                  std::string("a<b x='1'>c&lt;</b>d<e/>f"),
                                  std::string("&nbsp;"),
                                  std::string("&#0;"),
                                  std::string("a & b"),
                                  std::string("a ]]> b"),
                                  std::string("a \x01 b"),
                                  std::string("&lt"),
                                  std::string("<text>a</text>"),
                                  std::string("\uFFFE"),
                                  std::string("&#xD800;"),
                                  std::string("a</b>"),
                                  std::string("a]]&gt;b ]> c"),
                                  std::string("\uFF0C\uFFE5\uFFFD \uFFFF"),
                                  std::string("a<!-- <text>b</text> -->c"),
                                  std::string("<textarea>a</textarea>"),
                                  std::string("a\x7F"),
                                  std::string("b<text/>"),
                                  std::string("\x1F"),
                                  std::string("]]>"),
                                  std::string("a</text><text>b")}) {
    for (const std::string& page :
         {page_with("<ns>0</ns>" + revision("1", text) + revision("2", "b" + text)),
          page_with("<ns> 1\n</ns><revision><text>a</text><text bytes='1'>" + text + "</text></revision>"),
          "<page><title>" + text + "</title><ns>" + text + "</ns></page>",
          page_with(revision("1", more + text) + revision("2", text + more)),
          page_with(revision("1", "<![CDATA[<text>" + more + text + "]]>")),
          page_with("<!-- <text> " + text + "<b> -->" + revision("1", text)),
          page_with("<revision><comment><text>" + text + "</text></comment><text>" + text +
                    "</text></revision>"),
          page_with("<revision><text a='b>" + text + "'>" + text + "</text></revision>"),
          page_with("<revision><text a='/>'>" + text + "</text><text  /> <sha1>" + text +
                    "</sha1></revision>"),
          page_with("<revision><text\n>" + text + "</text\n><text bytes=\"0\"/>a" + text + "</revision>"),
          page_with("<revision><text>" + text),
          page_with("<text>" + text + "</text>" + revision("1", text))}) {
      EXPECT_EQ(parsed(page, page.size()), parsed(page, 1)) << page;
      EXPECT_EQ(parsed(page, page.size()), parsed(page, 7)) << page;
    }
  }
}

TEST(PageParser, LooksOnceAtTagsThatDoNotEnd) {
  for (const std::string_view part :
       {"<text", "<text ", "<text>", "<text/>", "<text a='", "<!-- <text> ", "</text>"}) {
    std::string page = "<page><title>T</title><revision>";
    for (int i = 0; i < 600'000; ++i)
      page += part;  // minutes, if each were looked for to the end of the page
    page += "</revision></page>";
    PageParser parser;
    parser.begin();
    (void)parser.feed(page, true);
    EXPECT_EQ(parser.page().title, "T") << part;
  }
}

TEST(MediaWikiPage, OfAnotherNamespaceIsNotWantedUnlessAskedFor) {
  const std::string page = page_of("Talk:A", "words", 1);
  EXPECT_EQ(read_page(page).unwanted, SkipReason::kOtherNamespace);
  EXPECT_EQ(read_page(page).page_namespace, 1);
  EXPECT_EQ(read_page(page, {.pages = parse_namespaces("0, 1")}).text, "Talk:A\nwords");
}

TEST(MediaWikiPage, WithoutANamespaceTakesItFromItsTitle) {
  const auto namespace_of = [](const std::string& title, const DumpOptions& options = {}) {
    return read_page("<page><title>" + title + "</title>" + revision("1", "words") + "</page>", options)
        .page_namespace;
  };
  EXPECT_EQ(namespace_of("Star Trek: Voyager"), 0);
  EXPECT_EQ(namespace_of("User talk:X"), 3);
  EXPECT_EQ(namespace_of("category_talk:X"), 15);
  const DumpOptions german{.site = {.wiki = {.language = "de", .namespaces = {{0, ""}, {14, "Kategorie"}}}}};
  EXPECT_EQ(namespace_of("Kategorie:X", german), 14);
  EXPECT_EQ(namespace_of("Category:X", german), 14) << "the English name works in each wiki";
  EXPECT_EQ(namespace_of(":X", german), 0);
}

TEST(MediaWikiPage, ThatRedirectsIsNotWanted) {
  const std::string text = revision("1", "words");
  EXPECT_EQ(read_page(page_with("<redirect title=\"B\" />" + text)).unwanted, SkipReason::kRedirect);
  EXPECT_EQ(read_page(page_with(revision("1", "#REDIRECT [[B]]"))).unwanted, SkipReason::kRedirect)
      << "without the tag";
}

TEST(MediaWikiPage, ThatDisambiguatesIsWantedWhenAskedFor) {
  const std::string page = page_of("A", "'''A''' may be:\n* [[B]]\n\n{{disambig}}");
  EXPECT_EQ(read_page(page).unwanted, SkipReason::kDisambiguation);
  EXPECT_THAT(read_page(page, {.pages = {.disambiguation = Disambiguation::kKeep}}).text,
              StartsWith("A\nA may"));
}

TEST(MediaWikiPage, FaultsTellWhatIsMissing) {
  EXPECT_EQ(read_page("<page><ns>0</ns>" + revision("1", "x") + "</page>").fault, SkipReason::kUntitledPage);
  EXPECT_EQ(read_page(page_with("<revision><texts>words</texts></revision>")).fault,
            SkipReason::kPageWithoutText);
  EXPECT_EQ(read_page(page_with("")).fault, SkipReason::kPageWithoutText);
  EXPECT_EQ(read_page(page_with("<revision><text/></revision>")).fault, SkipReason::kEmpty);
  EXPECT_EQ(read_page(page_with("<revision><text bytes=\"5\" deleted=\"deleted\" /></revision>")).fault,
            SkipReason::kDeletedText);
  EXPECT_EQ(read_page(page_with(revision("1", " \n\t"))).fault, SkipReason::kEmpty);
}

TEST(MediaWikiPage, FaultsNameTheTitleAndThePlace) {
  const Record record = read_page("<page><title>Bad &amp; worse</title><ns>0</ns>&nbsp;</page>");
  EXPECT_EQ(record.fault, SkipCause(SkipReason::kInvalidXml, "invalid XML (undefined entity)"));
  EXPECT_EQ(record.title, "Bad & worse");
  EXPECT_EQ(record.offset, kDumpHead.size());
}

/// Only an element that is not a page is skipped; the pages around it are read.
void expect_costs_only_itself(const std::string& middle, const std::string& fault) {
  const std::string dump = kDumpHead + page_of("A", "first") + middle + page_of("B", "second") + kDumpFoot;
  // Whole, and in regions smaller than its pages; a giant page needs no hundred thousand of them.
  for (const uint64_t region : {uint64_t{0}, std::max<uint64_t>(97, dump.size() / 1000)}) {
    const auto records = test::read_records(dump, TextFormat::kMediaWiki, region);
    ASSERT_EQ(records.size(), 3U) << middle;
    EXPECT_EQ(records[0].text, "A\nfirst");
    EXPECT_THAT(records[1].fault->text, HasSubstr(fault)) << middle;
    EXPECT_EQ(records[2].text, "B\nsecond");
  }
}

TEST(DamagedPage, CostsOnlyItself) {
  expect_costs_only_itself("<page><title>X</title>", "unclosed page");
  expect_costs_only_itself("<page/>", "unclosed page");
  expect_costs_only_itself("<page><title>X</page>", "mismatched tag");
  expect_costs_only_itself("<page><!DOCTYPE page [<!ENTITY a \"aaa\">]><title>&a;</title></page>",
                           "invalid XML");
  expect_costs_only_itself("<page><title>&lol9;</title></page>", "undefined entity");
  expect_costs_only_itself(std::string("<page><title>a\0b</title></page>", 31), "invalid XML");
  expect_costs_only_itself("<page><title>\x01</title></page>", "invalid XML");
  expect_costs_only_itself("<page><?xml version=\"1.0\" encoding=\"UTF-16\"?><title>X</title></page>",
                           "invalid XML");
}

TEST(DamagedPage, OfTooManyTagsOrAttributesIsGivenUp) {
  std::string deep = "<page>";
  for (int i = 0; i < 40; ++i) deep += "<a>";
  expect_costs_only_itself(deep + "</page>", "nested too deeply");
  std::string wide = "<page ";
  for (int i = 0; i < 40; ++i) wide += fmt::format("a{}=\"\" ", i);
  expect_costs_only_itself(wide + "></page>", "too many attributes");
  std::string many = "<page>";
  for (int i = 0; i < 2100; ++i) many += fmt::format("<a{}/>", i);
  expect_costs_only_itself(many + "</page>", "too many unknown names");
}

TEST(MediaWikiPage, MayHoldCommentsAndCharacterData) {
  EXPECT_EQ(read_page(page_with("<!-- c --><revision><text><![CDATA[a < b]]></text></revision>")).text,
            "T\na < b");
}

TEST(MediaWikiPage, InvalidUtf8IsReplacedAndCounted) {
  const Record record = read_page(page_of("T",
                                          "a\xFF"
                                          "b\xC3"));
  EXPECT_EQ(record.text,
            "T\na\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(record.invalid_utf8, 2U);
}

TEST(MediaWikiPage, MayHaveAnyPrefix) {
  const std::string dump =
      "<mw:mediawiki "
      "xmlns:mw=\"u\"><mw:siteinfo/><mw:page><mw:title>T</mw:title><mw:ns>0</mw:ns><mw:revision>"
      "<mw:text>words</mw:text></mw:revision></mw:page></mw:mediawiki>";
  const DumpOptions options{.site = read_dump_site(dump)};
  EXPECT_EQ(options.site.prefix, "mw:");
  const auto records = test::read_records(dump, TextFormat::kMediaWiki, 0, options);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].text, "T\nwords");
}

TEST(MediaWikiReader, GivesTheSamePagesForAnyRegions) {
  std::string dump = kDumpHead;
  for (int i = 0; i < 30; ++i) {
    dump += page_of("Page " + std::to_string(i), test::random_text(static_cast<uint64_t>(i), 300),
                    i % 3 == 2 ? 1 : 0);
    if (i % 7 == 3) dump += "<page><title>Lost</title>";
    if (i % 11 == 5) dump += "</page><pages><page_props>";
  }
  dump += kDumpFoot;
  const auto describe = [](const std::vector<Record>& records) {
    std::string all;
    for (const Record& r : records) {
      all += fmt::format("{}-{} {} {} {}\n", r.offset, r.end, r.fault ? r.fault->text : "",
                         r.unwanted ? reason_text(*r.unwanted) : "", r.text);
    }
    return all;
  };
  const std::string whole = describe(test::read_records(dump, TextFormat::kMediaWiki));
  for (const uint64_t region : {1U, 2U, 7U, 100U, 1000U, 5000U}) {
    ASSERT_EQ(describe(test::read_records(dump, TextFormat::kMediaWiki, region)), whole) << region;
  }
}

TEST(MediaWikiReader, StreamsAPageOfManyRevisions) {
  std::string page = "<page><title>T</title><ns>0</ns>";
  const std::string filler(100'000, 'x');
  for (int i = 0; i < 200; ++i) page += revision(fmt::format("2001-{:03}", i), filler + std::to_string(i));
  const Record record = read_page(page + revision("2000", "oldest") + "</page>");
  EXPECT_EQ(record.fault, std::nullopt);
  EXPECT_EQ(record.text, "T\n" + filler + "199");
}

TEST(MediaWikiReader, GivesUpTextsThatAreTooLong) {
  const std::string text(kMaxPageTextBytes + 1, 'x');
  expect_costs_only_itself(page_with(revision("1", text)), "too long");
  expect_costs_only_itself("<page " + std::string(20'000'000, 'x') + "></page>", "invalid XML");
}

TEST(DumpSite, IsReadFromTheHead) {
  const DumpSite site = read_dump_site(kDumpHead);
  EXPECT_EQ(site.prefix, "");
  EXPECT_EQ(site.wiki.language, "en");
  EXPECT_EQ(site.wiki.namespaces, (std::map<int, std::string>{{0, ""}, {1, "Talk"}}));
  EXPECT_EQ(read_dump_site("<mediawiki><siteinfo><dbname>zh_yuewiki</dbname></siteinfo>").wiki.language,
            "zh-yue");
}

TEST(DumpSite, OfAnEntityBombIsEmpty) {
  std::string bomb = "<?xml version=\"1.0\"?>\n<!DOCTYPE mediawiki [<!ENTITY a0 \"lol\">";
  for (int i = 1; i < 10; ++i) {
    bomb += fmt::format("<!ENTITY a{} \"&a{};&a{};&a{};&a{};&a{};&a{};&a{};&a{};\">", i, i - 1, i - 1, i - 1,
                        i - 1, i - 1, i - 1, i - 1, i - 1);
  }
  bomb += "]>\n<mediawiki xml:lang=\"en\"><siteinfo><dbname>&a9;</dbname></siteinfo>";
  EXPECT_EQ(read_dump_site(bomb).wiki.language, "");
  EXPECT_EQ(dump_prefix(bomb), "") << "its pages can be read nevertheless";
}

TEST(DumpPrefix, TellsDumpsFromOtherText) {
  EXPECT_EQ(dump_prefix("\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<!-- c -->\n<mediawiki\nversion=\"0.3\">"), "");
  EXPECT_EQ(dump_prefix("  <page>\n<title>"), "");
  EXPECT_EQ(dump_prefix("<m:page>"), "m:");
  EXPECT_EQ(dump_prefix("<pages>"), std::nullopt);
  EXPECT_EQ(dump_prefix("<html>"), std::nullopt);
  EXPECT_EQ(dump_prefix("mediawiki"), std::nullopt);
  EXPECT_EQ(dump_prefix(""), std::nullopt);
}

TEST(ParseNamespaces, RefusesWhatIsNoListOfNumbers) {
  EXPECT_EQ(parse_namespaces("14,0,-1").namespaces, (std::vector<int>{-1, 0, 14}));
  for (const char* list : {"", ",", "0,", "x", "0 1", "1.5"}) {
    EXPECT_THROW(parse_namespaces(list), Error) << list;
  }
}

}  // namespace
}  // namespace pretrain
