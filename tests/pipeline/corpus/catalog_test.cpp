#include "pipeline/corpus/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "pipeline/corpus/describe.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::compress;
using test::options_for;
using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kDoc = "<doc id=\"1\" url=\"u\" title=\"A\">\nA\n\nSome text.\n</doc>\n";
const std::string kJsonl = "{\"text\":\"Some text.\"}\n";
const std::string kText = "Some plain text.\n";

std::vector<std::string> names(const Catalog& catalog) {
  std::vector<std::string> result;
  for (const Shard& shard : catalog.shards) result.push_back(shard.name);
  return result;
}

std::string reason_of(const Catalog& catalog, const std::string& name) {
  for (const RejectedFile& file : catalog.rejected) {
    if (file.name == name) return file.reason;
  }
  return "not rejected";
}

/// Why a file of these bytes is rejected, or "".
std::string reason_for(const std::string& bytes, DocumentMode mode = DocumentMode::kFiles) {
  const TempFolder folder;
  folder.write("corpus/a", kText);
  folder.write("corpus/file", bytes);
  CorpusOptions options = options_for(folder / "corpus");
  options.documents = mode;
  const Catalog catalog = scan_corpus(options);
  return catalog.find("file") != nullptr ? "" : reason_of(catalog, "file");
}

std::string error_of(const CorpusOptions& options) {
  try {
    (void)scan_corpus(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
  return "no error";
}

TEST(Catalog, RecognisesEveryFormatInEveryCompressionByContent) {
  for (const Compression compression : test::kAllCompressions) {
    const TempFolder folder;
    folder.write("c/doc", compress("\n" + kDoc, compression));
    folder.write("c/jsonl", compress("\xEF\xBB\xBF" + kJsonl, compression));
    folder.write("c/text.gz", compress(kText, compression));
    const Catalog catalog = scan_corpus(options_for(folder / "c"));
    ASSERT_THAT(names(catalog), ElementsAre("doc", "jsonl", "text.gz")) << compression_name(compression);
    EXPECT_EQ(catalog.shards[0].format, TextFormat::kDoc);
    EXPECT_EQ(catalog.shards[1].format, TextFormat::kJsonl);
    EXPECT_EQ(catalog.shards[2].format, TextFormat::kText);
    for (const Shard& shard : catalog.shards) EXPECT_EQ(shard.compression, compression);
  }
}

TEST(Catalog, TakesPlainTextAsParagraphsWhenAskedTo) {
  const TempFolder folder;
  folder.write("c/text", kText);
  CorpusOptions options = options_for(folder / "c");
  options.documents = DocumentMode::kParagraphs;
  EXPECT_EQ(scan_corpus(options).shards[0].format, TextFormat::kParagraphs);
}

TEST(Catalog, RejectsWhatIsNoTextWithAReason) {
  EXPECT_EQ(reason_for(""), "empty");
  EXPECT_EQ(reason_for(" \n\n"), "empty");
  EXPECT_EQ(reason_for("<?xml version=\"1.0\"?>"), "XML, but no MediaWiki dump");
  EXPECT_EQ(reason_for("\xFF\xFEh\0i\0"), "UTF-16 text; convert it to UTF-8 first");
  EXPECT_EQ(reason_for(std::string(257, 'n') + "ustar  rest"), "tar archive; unpack it first");
  EXPECT_EQ(reason_for(std::string("ab\0\0cd\0", 7)), "binary data");
  EXPECT_EQ(reason_for(std::string(1000, '\xE4')), "not UTF-8 text; convert it to UTF-8 first");
  EXPECT_EQ(reason_for("PK\x03\x04 and so on"), "zip archive; unpack it first");
  EXPECT_EQ(reason_for(compress(compress(kText, Compression::kGzip), Compression::kGzip)),
            "compressed twice; unpack it once");
  EXPECT_EQ(reason_for(compress(kText, Compression::kGzip).substr(0, 10)), "truncated gzip stream");
}

TEST(Catalog, TellsJsonLinesFromOtherJson) {
  const std::string reason = "JSON, but not JSON lines: each line must be an object with the key \"text\"";
  EXPECT_EQ(reason_for("{\"articles\":[{\"text\":\"a\"}]}"), reason);
  EXPECT_EQ(reason_for("{\"articles\":[{\"text\":\"" + std::string(200'000, 'x') + "\"}]}"), reason);
  EXPECT_EQ(reason_for("{\n  \"text\": \"a\",\n  \"b\": {\n  }\n}\n"), reason);
  EXPECT_EQ(reason_for("[\n  {\n \"text\": \"a\"}]\n"), reason);
  EXPECT_EQ(reason_for("{\"text\":\"" + std::string(200'000, 'x') + "\"}"), "");
  EXPECT_EQ(reason_for("{\"id\":1}\n{\"text\":\"a\"}\n"), "");
  EXPECT_EQ(reason_for("{\"cut\n{\"text\":\"a\"}\n"), "");
  EXPECT_EQ(reason_for("{\"id\":1}\n{\"text\":\"" + std::string(300'000, 'x') + "\"}\n"), "");
  EXPECT_EQ(reason_for("{\"text\":\"caf\xE9\"}\n"), "");
  EXPECT_EQ(reason_for("[[File:x.png]] is text"), "");
}

TEST(Catalog, FindsFilesInSubfoldersInTheOrderOfTheirNames) {
  const TempFolder folder;
  for (const char* name : {"c/AB/wiki_00", "c/AA/wiki_10", "c/AA/wiki_01", "c/top"}) folder.write(name, kDoc);
  EXPECT_THAT(names(scan_corpus(options_for(folder / "c"))),
              ElementsAre("AA/wiki_01", "AA/wiki_10", "AB/wiki_00", "top"));
}

TEST(Catalog, CountsAFileGivenTwiceOnceAndSurvivesLinkLoops) {
  const TempFolder folder;
  folder.write("c/sub/one", kDoc);
  std::filesystem::create_directory_symlink(folder / "c", folder / "c/sub/loop");
  std::filesystem::create_symlink(folder / "c/sub/one", folder / "c/two");
  CorpusOptions options = options_for(folder / "c");
  options.inputs = {folder / "c", folder / "c/sub/one", folder / "c/../c"};
  EXPECT_THAT(names(scan_corpus(options)), ElementsAre("sub/one"));
}

TEST(Catalog, KeepsFilesOfTheSameNameInDifferentInputsApart) {
  const TempFolder folder;
  folder.write("a/wiki_00", kDoc);
  folder.write("b/wiki_00", kDoc);
  folder.write("b/wiki_01", kDoc);
  CorpusOptions options = options_for(folder / "a");
  options.inputs.push_back(folder / "b");
  const Catalog catalog = scan_corpus(options);
  EXPECT_THAT(names(catalog), ElementsAre("2:wiki_00", "wiki_00", "wiki_01"));
  EXPECT_EQ(catalog.shards[0].path, folder / "b/wiki_00");
}

TEST(Catalog, RejectsHiddenUnfinishedAndSpecialFiles) {
  const TempFolder folder;
  folder.write("c/a", kText);
  folder.write("c/.hidden", kText);
  folder.write("c/.git/file", kText);
  folder.write("c/b.part", kText);
  folder.write("c/b.tmp", kText);
  std::filesystem::create_symlink("/nowhere/at/all", folder / "c/broken");
  std::filesystem::create_symlink("/dev/zero", folder / "c/device");
  ASSERT_EQ(mkfifo((folder / "c/fifo").c_str(), 0600), 0);
  const Catalog catalog = scan_corpus(options_for(folder / "c"));
  EXPECT_THAT(names(catalog), ElementsAre("a"));
  EXPECT_EQ(reason_of(catalog, ".hidden"), "hidden file");
  EXPECT_EQ(reason_of(catalog, ".git"), "hidden folder");
  EXPECT_EQ(reason_of(catalog, "b.part"), "named like an unfinished copy");
  EXPECT_EQ(reason_of(catalog, "b.tmp"), "named like an unfinished copy");
  for (const char* name : {"broken", "device", "fifo"})
    EXPECT_EQ(reason_of(catalog, name), "not a regular file");
}

TEST(Catalog, NamesWhatIsWrongWithInputsThatGiveNothing) {
  const TempFolder folder;
  EXPECT_THAT(error_of(options_for(folder / "absent")), HasSubstr("absent does not exist"));
  folder.write("c/x.tar", std::string(257, 'n') + "ustar");
  EXPECT_THAT(error_of(options_for(folder / "c")), HasSubstr("(x.tar: tar archive; unpack it first)"));
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(error_of(options_for(folder / "fifo")), HasSubstr("fifo: not a regular file"));
}

TEST(Catalog, IdentityFollowsContentAndNotPlaceOrTime) {
  const TempFolder folder;
  const std::string bytes = test::random_text(1, 700'000);
  const auto identity = [&](const std::string& content) {
    return identify(ReadableFile(folder.write("file", content)));
  };
  const std::string before = identity(bytes);
  EXPECT_EQ(identify(ReadableFile(folder.write("elsewhere/copy", bytes))), before);
  EXPECT_NE(identity(bytes + "x"), before);
  for (const size_t at : {size_t{0}, size_t{65'535}, bytes.size() / 9, bytes.size() - 1}) {
    std::string changed = bytes;
    changed[at] ^= 1;
    EXPECT_NE(identity(changed), before) << "byte " << at;
  }
}

TEST(Catalog, SurvivesJsonAndAMoveOfTheCorpus) {
  const TempFolder folder;
  folder.write("old/AA/doc.gz", compress(kDoc, Compression::kGzip));
  folder.write("old/text \xFF\"name", kText);
  folder.write("old/.hidden", kText);
  const Catalog catalog = scan_corpus(options_for(folder / "old"));
  const std::string stored = nlohmann::json(catalog).dump();
  std::filesystem::rename(folder / "old", folder / "new");
  auto loaded = nlohmann::json::parse(stored).get<Catalog>();
  locate_shards(options_for(folder / "new"), loaded);
  ASSERT_THAT(names(loaded), ElementsAre("AA/doc.gz", "text %FF\"name"));
  EXPECT_EQ(loaded.shards[0].path, folder / "new/AA/doc.gz");
  EXPECT_EQ(loaded.shards[0].hash, catalog.shards[0].hash);
  EXPECT_EQ(loaded.shards[0].compression, Compression::kGzip);
  EXPECT_EQ(loaded.shards[0].format, TextFormat::kDoc);
  EXPECT_EQ(nlohmann::json(loaded).dump(), stored);
  std::filesystem::remove_all(folder / "new/AA");
  locate_shards(options_for(folder / "new"), loaded);
  EXPECT_EQ(loaded.shards[0].path, "");
}

TEST(Catalog, RefusesDamagedJson) {
  EXPECT_THROW((void)nlohmann::json::parse("{\"shards\":[{}],\"rejected\":[]}").get<Catalog>(), Error);
  EXPECT_THROW((void)nlohmann::json::parse("7").get<Catalog>(), Error);
}

TEST(DescribeCorpus, CountsFilesByKind) {
  const TempFolder folder;
  folder.write("c/a", kDoc);
  EXPECT_EQ(describe_corpus(scan_corpus(options_for(folder / "c"))), "1 file, 52 B: doc text");
  folder.write("c/b.gz", compress(kJsonl, Compression::kGzip));
  folder.write("c/d", kDoc);
  folder.write("c/.e", kDoc);
  EXPECT_THAT(
      describe_corpus(scan_corpus(options_for(folder / "c"))),
      testing::MatchesRegex("3 files, [0-9]+ B: 2 doc text, 1 JSON lines \\(gzip\\); 1 file passed over"));
}

}  // namespace
}  // namespace pretrain
