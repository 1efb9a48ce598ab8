// SPDX-License-Identifier: Apache-2.0
// Files as people have them beside dumps and plain text: archives, HTML, JSON of several makers, whole dump folders.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "pipeline/corpus/html_text.h"
#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::compress;
using test::documents_of;
using test::in_tar;
using test::read_epoch;
using test::tar;
using test::TempFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

std::string dump_of(const std::string& pages) {
  return test::kDumpHead + pages + test::kDumpFoot;
}

std::string sample_tar() {
  return tar({in_tar("a.txt", "One text.\n"),
              in_tar("sub/b.jsonl", "{\"text\":\"two\"}\n{\"text\":\"three\"}\n"),
              in_tar("sub/c.xml", dump_of(test::page_of("Four", "'''Four''' is a number."))),
              in_tar("._a.txt", "of the system"), in_tar("d.bin", std::string("\0\1\0\2", 4)),
              in_tar("e.html", "<html><body><p>Five <b>words</b> here.</p></body></html>")});
}

TEST(Archives, AreReadLikeFoldersInEveryCompression) {
  for (const Compression compression : test::kAllCompressions) {
    const TempFolder folder;
    folder.write("c/x.tar", compress(sample_tar(), compression));
    const auto tickets = read_epoch(test::options_for(folder / "c"));
    EXPECT_THAT(documents_of(tickets),
                ElementsAre("One text.\n", "two", "three", "Four\nFour is a number.", "Five words here."))
        << compression_name(compression);
    const auto skips = test::skips_of(tickets);
    ASSERT_EQ(skips.size(), 1U);
    EXPECT_EQ(skips[0].title, "d.bin");
    EXPECT_EQ(skips[0].cause.reason, SkipReason::kUnreadableMember);
  }
}

/// Reads on after each third ticket and expects the same tickets as without the break.
void expect_exact_resumes(const CorpusOptions& options, size_t least_tickets) {
  const std::vector<Ticket> whole = read_epoch(options);
  ASSERT_GT(whole.size(), least_tickets);
  for (size_t i = 0; i + 1 < whole.size(); i += 3) {
    CorpusReader reader(options, *whole[i].catalog, whole[i].after, Role::kTraining);
    const std::vector<Ticket> rest = read_epoch(reader);
    ASSERT_EQ(rest.size(), whole.size() - i - 1) << i;
    for (size_t k = 0; k < rest.size(); ++k) {
      ASSERT_EQ(test::fingerprint(rest[k]), test::fingerprint(whole[i + 1 + k])) << i << " and " << k;
    }
  }
}

constexpr Compression kPacked[] = {Compression::kGzip, Compression::kBzip2, Compression::kXz,
                                   Compression::kZstd};

TEST(Archives, ContinueExactlyAfterEachTicket) {
  constexpr TextFormat kFormats[] = {TextFormat::kText, TextFormat::kJsonl, TextFormat::kDoc};
  std::vector<std::string> files;
  for (size_t i = 0; i < 12; ++i) {
    files.push_back(in_tar(fmt::format("f{}", i), test::random_shard(kFormats[i % 3], i, 30, 2000)));
  }
  const TempFolder folder;
  folder.write("c/x.tar.gz", compress(tar(files), Compression::kGzip));
  expect_exact_resumes(test::options_for(folder / "c", 0.1), 15);
}

TEST(Archives, CompressedFilesInThemAreReadLikeOthers) {
  for (const Compression compression : kPacked) {
    const auto packed = [&](std::string_view text) { return compress(std::string(text), compression); };
    const TempFolder folder;
    folder.write("c/x.tar",
                 tar({in_tar("a.txt", "One text.\n"), in_tar("b", packed("Two.\n")),
                      in_tar("c", packed("{\"text\": \"three\"}\n")), in_tar("d", packed("")),
                      in_tar("e.xml", packed(dump_of(test::page_of("Four", "Four is a ''number''.")))),
                      in_tar("f.txt", "Five.\n")}));
    const auto tickets = read_epoch(test::options_for(folder / "c"));
    EXPECT_THAT(documents_of(tickets),
                ElementsAre("One text.\n", "Two.\n", "three", "Four\nFour is a number.", "Five.\n"))
        << compression_name(compression);
    EXPECT_THAT(test::skips_of(tickets), IsEmpty()) << compression_name(compression);
  }
}

TEST(Archives, ContinueExactlyInCompressedFilesInThem) {
  constexpr TextFormat kFormats[] = {TextFormat::kText, TextFormat::kJsonl, TextFormat::kDoc};
  std::vector<std::string> files;
  for (size_t i = 0; i < 24; ++i) {
    std::string packed = compress(test::random_shard(kFormats[i % 3], i, 30, 2000), kPacked[i % 4]);
    if (i % 5 == 1) packed.resize(packed.size() / 2);  // damaged, with text or without
    if (i % 7 == 2)
      packed =
          "\x7F"
          "ELF" +
          packed;  // not read
    if (i % 7 == 3) packed += "garbage";
    files.push_back(in_tar(fmt::format("f{}.bz2", i), packed));
    files.push_back(in_tar(fmt::format("g{}", i), test::random_shard(TextFormat::kJsonl, i, 3, 500)));
  }
  const TempFolder folder;
  folder.write("c/x.tar", tar(files));
  expect_exact_resumes(test::options_for(folder / "c", 0.1), 15);
}

TEST(Archives, NameWhatIsDamagedInThem) {
  const std::string packed = compress(test::random_text(1, 300'000), Compression::kGzip);
  const TempFolder folder;
  folder.write("c/x.tar",
               tar({in_tar("a.gz", packed.substr(0, packed.size() / 2)), in_tar("b.gz", packed.substr(0, 12)),
                    in_tar("c.gz", compress("Text.\n", Compression::kGzip) + "garbage"),
                    in_tar("d.gz", compress(packed, Compression::kGzip)),
                    in_tar("e.tgz", compress(tar({in_tar("x", "y")}), Compression::kGzip)),
                    in_tar("f.txt", "Last.\n")}));
  const auto tickets = read_epoch(test::options_for(folder / "c"));
  const auto texts = documents_of(tickets);
  ASSERT_EQ(texts.size(), 3U);
  EXPECT_GT(texts[0].size(), 100'000U);
  EXPECT_EQ(texts[1], "Text.\n");
  EXPECT_EQ(texts[2], "Last.\n");
  std::vector<std::string> causes;
  for (const auto& skipped : test::skips_of(tickets)) causes.push_back(skipped.cause.text);
  EXPECT_THAT(causes, ElementsAre("a.gz: truncated gzip stream", "b.gz: truncated gzip stream",
                                  "c.gz: garbage after the compressed stream", "d.gz: compressed twice",
                                  "e.tgz: an archive in an archive; unpack it first"));
}

TEST(Archives, ThatAreCutDeliverWhatTheyHold) {
  const std::string whole = tar({in_tar("a.txt", "One text.\n"), in_tar("b.txt", std::string(5000, 'x'))});
  const TempFolder folder;
  folder.write("c/x.tar", whole.substr(0, 2000));
  const auto tickets = read_epoch(test::options_for(folder / "c"));
  EXPECT_EQ(documents_of(tickets).at(0), "One text.\n");
  const auto skips = test::skips_of(tickets);
  ASSERT_FALSE(skips.empty());
  EXPECT_THAT(skips.back().cause.text, HasSubstr("damaged archive"));
}

TEST(Html, BecomesLinesLikeThoseOfADump) {
  const HtmlText page = html_text(
      "<!DOCTYPE html><html><head><title> Lake </title><style>p{}</style></head><body><h1>Lake</h1>"
      "<table class=\"infobox\"><tr><td>Area</td></tr></table><p>A <b>lake</b> is water"
      "<sup class=\"reference\">[1]</sup>,\n10<sup>6</sup>&nbsp;m&sup2; &amp; more.<p>Next<br>line."
      "<ul><li>one<li>two</ul><h2>Notes</h2><div class=\"reflist\">x</div>"
      "<script>if (a < b) {}</script></body></html>");
  EXPECT_EQ(page.title, "Lake");
  EXPECT_EQ(page.text, "Lake\nA lake is water, 10⁶ m² & more.\n\nNext\nline.\none\ntwo");
}

TEST(Html, OfAnyBytesIsAPageAndDeepOnesAreRefused) {
  EXPECT_EQ(html_text("").text, "");
  EXPECT_EQ(html_text("<p>caf\xE9 <<<>>> &bogus; &#0; x").text.substr(0, 3), "caf");
  std::string deep = "<p>a";
  for (int i = 0; i < 5000; ++i) deep += "<div>";
  EXPECT_TRUE(html_text(deep).too_deep);
  std::string attributes = "<p>a<p";
  for (int i = 0; i < 100'000; ++i) attributes += fmt::format(" a{}", i);
  EXPECT_THAT(html_text(attributes + ">b").text, HasSubstr("b"));
}

TEST(Html, FilesAreDocuments) {
  const TempFolder folder;
  folder.write("c/one.html",
               "<!-- x --><HTML><head><title>One</title></head><body><p>Some text.</body></HTML>");
  folder.write("c/two.html", "<!DOCTYPE html><h1>Two</h1><p>More text.");
  EXPECT_THAT(documents_of(read_epoch(test::options_for(folder / "c"))),
              UnorderedElementsAre("One\nSome text.", "Two\nMore text."));
}

TEST(Html, FragmentsArePagesAndWikitextIsText) {
  const TempFolder folder;
  folder.write("c/a", "<div class=\"mw-parser-output\"><p>A <b>lake</b>.</p></div>");
  folder.write("c/b", "<P>Two</P>\n<P>more</P>");
  folder.write("c/c", "<div>See [[Lake]]</div> and <b>more</b>");
  EXPECT_THAT(documents_of(read_epoch(test::options_for(folder / "c"))),
              UnorderedElementsAre("A lake.", "Two\n\nmore", "<div>See [[Lake]]</div> and <b>more</b>"));
}

TEST(Html, StylesAndScriptsOfPagesAreNotRead) {
  const TempFolder folder;
  folder.write("c/page.html", "<html><p>A lake.</p></html>");
  folder.write("c/page_files/a.css", "p { color: red }");
  folder.write("c/page_files/a.js", "f();");
  folder.write("c/page_files/a.txt", "More.");
  EXPECT_THAT(documents_of(read_epoch(test::options_for(folder / "c"))),
              UnorderedElementsAre("A lake.", "More."));
}

std::vector<std::string> documents_in(const std::string& bytes, const std::string& key = "text") {
  const TempFolder folder;
  folder.write("c/x", bytes);
  CorpusOptions options = test::options_for(folder / "c");
  options.text_key = key;
  return documents_of(read_epoch(options));
}

std::string refusal(const std::string& bytes) {
  const TempFolder folder;
  folder.write("c/x", bytes);
  try {
    (void)scan_corpus(test::options_for(folder / "c"));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(JsonLines, TakeTheKeyThatHoldsTheText) {
  const std::string bytes = "{\"id\":1,\"content\":\"one\"}\n{\"id\":2,\"content\":\"two\"}\n";
  EXPECT_THAT(documents_in(bytes, "content"), ElementsAre("one", "two"));
  EXPECT_THAT(refusal(bytes), AllOf(HasSubstr("JSON without the key \"text\""),
                                    HasSubstr("\"id\", \"content\""), HasSubstr("--text-key")));
}

TEST(JsonLines, OfASearchIndexCountOnceWithTheirTitle) {
  const std::string index = "{\"index\":{\"_type\":\"page\",\"_id\":\"1\"}}\n";
  const std::string bytes = index + "{\"title\":\"Lake\",\"namespace\":0,\"text\":\"A lake.\"}\n" + index +
                            "{\"title\":\"Talk:Lake\",\"namespace\":1,\"text\":\"No.\"}\n";
  const TempFolder folder;
  folder.write("c/x", bytes);
  const auto tickets = read_epoch(test::options_for(folder / "c"));
  EXPECT_THAT(documents_of(tickets), ElementsAre("Lake\nA lake."));
  EXPECT_THAT(test::skips_of(tickets), IsEmpty());
  EXPECT_EQ(tickets[0].unwanted.at(SkipReason::kOtherNamespace), 1U);
}

TEST(JsonLines, OfWikimediaEnterpriseAreReadFromTheirHtml) {
  const std::string bytes =
      "{\"name\":\"Lake\",\"namespace\":{\"identifier\":0},"
      "\"article_body\":{\"html\":\"<p>A <i>lake</i>.</p>\"}}\n"
      "{\"name\":\"Talk:X\",\"namespace\":{\"identifier\":1},\"article_body\":{\"html\":\"<p>No</p>\"}}\n";
  EXPECT_THAT(documents_in(bytes), ElementsAre("Lake\nA lake."));
  EXPECT_THAT(documents_in(compress(tar({in_tar("x_0.ndjson", bytes)}), Compression::kGzip)),
              ElementsAre("Lake\nA lake."));
}

TEST(DocText, OfWikiExtractor3IsUnescapedOnce) {
  const std::string head = "<doc id=\"1\" url=\"u\" title=\"A\">\nA\n\n";
  EXPECT_THAT(documents_in(head + "R&amp;B &lt;1 mm &amp;lt;\n</doc>\n"), ElementsAre("A\n\nR&B <1 mm &lt;"));
  EXPECT_THAT(documents_in(head + "R&B and &lt;\n</doc>\n"), ElementsAre("A\n\nR&B and &lt;"));
}

TEST(Pages, OfAnotherModelThanWikitextAreSkippedByName) {
  std::string page = test::page_of("Item", "{\"labels\":{}}");
  page.insert(page.find("<text"), "<model>wikibase-item</model><format>application/json</format>");
  const TempFolder folder;
  folder.write("c/x.xml", dump_of(page + test::page_of("Lake", "A lake.")));
  const auto tickets = read_epoch(test::options_for(folder / "c"));
  EXPECT_THAT(documents_of(tickets), ElementsAre("Lake\nA lake."));
  EXPECT_EQ(tickets[0].unwanted.at(SkipReason::kOtherModel), 1U);
}

TEST(DumpFolder, TrainsOnItsArticlesAlone) {
  const TempFolder folder;
  const std::string sum = "d41d8cd98f00b204e9800998ecf8427e  w.xml\n";
  const std::string stub =
      "<page><title>Lake</title><ns>0</ns><revision><text bytes=\"7\" id=\"1\" /></revision></page>\n";
  folder.write("c/w-pages-articles.xml", dump_of(test::page_of("Lake", "A lake.")));
  folder.write("c/md5sums.txt", sum + sum);
  folder.write("c/index.html", "<!DOCTYPE html><html><body><p>w dump progress</p></body></html>");
  folder.write("c/page.sql.gz",
               compress("-- MySQL dump 10.19\nINSERT INTO page VALUES (1);\n", Compression::kGzip));
  folder.write("c/geo_tags.sql", "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n");
  folder.write("c/dumpruninfo.txt", "name:metahistory; status:done; updated:2024-01-01 00:00:00\n");
  folder.write("c/status.html", "<li class=\"done\">2024-01-01 Dump complete</li>\n");
  folder.write("c/all-titles-in-ns0.gz", compress("page_title\nLake\nMere\n", Compression::kGzip));
  folder.write("c/abstract.xml", "<feed>\n<doc>\n<title>W: Lake</title>\n</doc>\n</feed>\n");
  folder.write("c/w-rss.xml", "<rss version=\"2.0\"><channel></channel></rss>");
  folder.write("c/stub-articles.xml", dump_of(stub + stub + stub));
  const auto tickets = read_epoch(test::options_for(folder / "c"));
  EXPECT_THAT(documents_of(tickets), ElementsAre("Lake\nA lake."));
  std::map<std::string, std::string> reasons;
  for (const RejectedFile& file : tickets[0].catalog->rejected) reasons[file.name] = file.reason;
  EXPECT_EQ(reasons.size(), 10U);
  EXPECT_EQ(reasons["md5sums.txt"], "checksums");
  EXPECT_EQ(reasons["index.html"], "HTML beside a dump");
  EXPECT_THAT(reasons["page.sql.gz"], HasSubstr("SQL"));
  EXPECT_THAT(reasons["geo_tags.sql"], HasSubstr("SQL"));
  EXPECT_EQ(reasons["dumpruninfo.txt"], "state of a dump");
  EXPECT_EQ(reasons["status.html"], "state of a dump");
  EXPECT_EQ(reasons["all-titles-in-ns0.gz"], "list of titles");
  EXPECT_EQ(reasons["abstract.xml"], "abstracts of articles");
  EXPECT_EQ(reasons["w-rss.xml"], "RSS feed");
  EXPECT_THAT(reasons["stub-articles.xml"], HasSubstr("stubs"));
}

TEST(Copies, OfATextUnderAnotherNameAreNamed) {
  const TempFolder folder;
  const std::string text = test::random_text(1, 100'000);
  folder.write("c/a.txt", text);
  folder.write("c/b.txt.gz", compress(text, Compression::kGzip));
  folder.write("c/other.txt", test::random_text(2, 100'000));
  EXPECT_THAT(scan_corpus(test::options_for(folder / "c")).warnings,
              ElementsAre(AllOf(HasSubstr("a.txt and b.txt.gz begin with the same text"),
                                Not(HasSubstr("other.txt")))));
}

}  // namespace
}  // namespace pretrain
