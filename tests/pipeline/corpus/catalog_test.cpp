// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/catalog.h"

#include <algorithm>
#include <limits>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "libs/base/kernel_files.h"
#include "pipeline/corpus/describe.h"
#include "pipeline/corpus/identify.h"
#include "pipeline/corpus/known_shards.h"
#include "pipeline/corpus/region.h"
#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain {
namespace {

using test::compress;
using test::options_for;
using test::TempFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

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

/// ASCII in UTF-16; `zero_first` is 1 for big-endian.
std::string in_utf16(std::string_view text, size_t zero_first) {
  std::string bytes;
  for (const char c : text) bytes += zero_first == 1 ? std::string{'\0', c} : std::string{c, '\0'};
  return bytes;
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
  EXPECT_THAT(reason_for("\xFF\xFEh\0i\0"), HasSubstr("UTF-16 text; convert it to UTF-8 first"));
  EXPECT_THAT(reason_for(std::string(257, 'n') + "ustar  rest"), HasSubstr("archive"));
  EXPECT_EQ(reason_for(std::string("ab\0\0cd\0", 7)), "binary data");
  EXPECT_THAT(reason_for(std::string(1000, '\xE4')), HasSubstr("not UTF-8 text; convert it to UTF-8 first"));
  EXPECT_THAT(reason_for("PK\x03\x04 and so on"), HasSubstr("archive"));
  EXPECT_EQ(reason_for(compress(compress(kText, Compression::kGzip), Compression::kGzip)),
            "compressed twice; unpack it once");
  EXPECT_EQ(reason_for(compress(kText, Compression::kGzip).substr(0, 10)), "truncated gzip stream");
}

TEST(Catalog, NamesTheEncodingOfTextThatIsNotUtf8) {
  const std::string little = in_utf16("A lake.\nIt is deep and cold.\n", 0);
  EXPECT_EQ(reason_for(little),
            "UTF-16 text; convert it to UTF-8 first (iconv -f UTF-16LE -t UTF-8 FILE > NEW)");
  EXPECT_THAT(reason_for(in_utf16("{\"text\": \"A lake that is deep.\"}\n", 1)),
              HasSubstr("iconv -f UTF-16BE "));
  EXPECT_THAT(reason_for(std::string("\xFF\xFE\0\0A\0\0\0", 8)), HasSubstr("UTF-32 text"));
  std::string numbers;
  for (int i = 0; i < 200; ++i) numbers += {static_cast<char>(i), '\0'};
  EXPECT_EQ(reason_for(numbers), "binary data");
  std::string kana;  // of UTF-16, without a zero
  for (int i = 0; i < 50; ++i) kana += "\x42\x30\x44\x30\xAC\x4E\x01\x30";
  EXPECT_EQ(reason_for(kana), "binary data");
}

TEST(Catalog, WarnsOfTextInAnotherEncodingWithItsShare) {
  const TempFolder folder;
  std::string latin;
  std::string damaged;
  for (int i = 0; i < 50; ++i) {
    latin += "Le caf\xE9 est ferm\xE9. ";
    damaged += i % 10 == 0 ? "Le caf\xE9. " : "Le caf\xC3\xA9 est ferm\xC3\xA9. ";
  }
  folder.write("c/damaged.txt", damaged);
  folder.write("c/few.txt", test::random_text(1, 50'000) + "caf\xE9");
  folder.write("c/latin.jsonl", "{\"text\":\"" + latin + "\"}\n");
  folder.write("c/latin.html", "<html><meta charset=iso-8859-1><p>" + latin);
  folder.write("c/utf8.txt", "Le caf\xC3\xA9 est ferm\xC3\xA9.");
  EXPECT_THAT(scan_corpus(options_for(folder / "c")).warnings,
              ElementsAre(AllOf(HasSubstr("damaged.txt: "), HasSubstr("get an undamaged copy")),
                          AllOf(HasSubstr("latin.jsonl: 10.40 % of the first bytes are not UTF-8"),
                                HasSubstr("iconv -f WINDOWS-1252 -t UTF-8"))));
}

TEST(Catalog, WarnsOfTables) {
  const TempFolder folder;
  folder.write("c/a.csv", "id,text\n1,one\n");
  folder.write("c/b.tsv", "id\ttext\n1\tone\n");
  EXPECT_THAT(scan_corpus(options_for(folder / "c")).warnings,
              ElementsAre(AllOf(HasSubstr("a.csv and 1 more are tables and are read as plain text"),
                                HasSubstr("csv.DictReader"))));
}

TEST(Catalog, LeavesOutUnfinishedDownloads) {
  const TempFolder folder;
  folder.write("c/a.txt", kText);
  for (const char* name :
       {"b.part", "b.crdownload", "b.partial", "b.download", "b.aria2", "b.filepart", "b.txt~"})
    folder.write(std::string("c/") + name, kText);
  const Catalog catalog = scan_corpus(options_for(folder / "c"));
  EXPECT_THAT(names(catalog), ElementsAre("a.txt"));
  EXPECT_EQ(catalog.rejected.size(), 7U);
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

TEST(Catalog, NamesFilesOfTheSameNameByTheirInputsInAnyOrder) {
  const TempFolder folder;
  for (const char* name : {"x/en/AA/wiki_00", "x/fr/AA/wiki_00", "x/fr/AA/wiki_01", "y/fr/AA/wiki_00"})
    folder.write(name, kDoc);
  std::vector<Path> inputs{folder / "x/en", folder / "x/fr", folder / "y/fr/"};
  do {
    CorpusOptions options = options_for(folder.path());
    options.inputs = inputs;
    const Catalog catalog = scan_corpus(options);
    EXPECT_THAT(names(catalog),
                ElementsAre("AA/wiki_01", "en/AA/wiki_00", "x/fr/AA/wiki_00", "y/fr/AA/wiki_00"));
    EXPECT_EQ(catalog.shards[1].path, folder / "x/en/AA/wiki_00");
    EXPECT_EQ(catalog.shards[3].path, folder / "y/fr/AA/wiki_00");
    EXPECT_THAT(catalog.warnings, IsEmpty());
  } while (std::next_permutation(inputs.begin(), inputs.end()));
}

TEST(Catalog, ReadsWhatIsGivenTwiceOnceAndSaysSo) {
  const TempFolder folder;
  for (const char* name : {"c/AA/wiki_00", "c/AB/wiki_00", "c/top"}) folder.write(name, kDoc);
  std::filesystem::create_hard_link(folder / "c/top", folder / "c/top_again");
  std::filesystem::create_directory_symlink(folder / "c/AB", folder / "link");
  std::vector<Path> inputs{folder / "c", folder / "c/AA", folder / "link", folder / "c/top"};
  do {
    CorpusOptions options = options_for(folder.path());
    options.inputs = inputs;
    const Catalog catalog = scan_corpus(options);
    EXPECT_THAT(names(catalog), ElementsAre("AA/wiki_00", "AB/wiki_00", "top"));
    EXPECT_THAT(catalog.warnings,
                UnorderedElementsAre(HasSubstr("c/AA is given twice or lies in another one"),
                                     HasSubstr("link is given twice"), HasSubstr("c/top is given twice"),
                                     HasSubstr("a file or folder of the corpus can be reached")));
  } while (std::next_permutation(inputs.begin(), inputs.end()));
}

TEST(Catalog, ACorpusThatMayNotBeReadSaysSo) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TempFolder folder;
  folder.write("closed/wiki_00", kDoc);
  const auto refusal = [&](const Path& given) {
    CorpusOptions options = options_for(folder.path());
    options.inputs = {folder / "open", given};
    return error_of(options);
  };
  folder.write("open/wiki_00", kDoc);
  using std::filesystem::perms;
  std::filesystem::permissions(folder / "closed/wiki_00", perms::none);
  EXPECT_THAT(refusal(folder / "closed/wiki_00"),
              testing::AllOf(HasSubstr("Permission denied; check the permissions"),
                             testing::Not(HasSubstr("give --corpus"))));
  std::filesystem::permissions(folder / "closed", perms::none);
  EXPECT_THAT(refusal(folder / "closed"), HasSubstr("Permission denied; check the permissions"));
  EXPECT_THAT(refusal(folder / "closed/wiki_00"),
              HasSubstr("can't be reached: Permission denied; check the"));
  std::filesystem::permissions(folder / "closed", perms::owner_all);
}

TEST(Catalog, NamesOnlyAFewOfManyPathsThatAreGivenTwice) {
  const TempFolder folder;
  CorpusOptions options = options_for(folder.path());
  options.inputs = {folder / "c"};
  for (int i = 0; i < 100; ++i) {
    folder.write(fmt::format("c/wiki_{:02}", i), kDoc);
    options.inputs.push_back(folder / fmt::format("c/wiki_{:02}", i));
  }
  const Catalog catalog = scan_corpus(options);
  EXPECT_EQ(catalog.shards.size(), 100U);
  EXPECT_THAT(catalog.warnings,
              ElementsAre(HasSubstr("c/wiki_00 is given twice"), HasSubstr("c/wiki_01 is given twice"),
                          HasSubstr("c/wiki_02 is given twice"), HasSubstr("and 97 more of the paths")));
}

/// A catalog as a checkpoint of an earlier version holds it, with other names than today's.
Catalog renamed(Catalog catalog, const std::map<std::string, std::string>& names) {
  for (Shard& shard : catalog.shards) {
    if (const auto found = names.find(shard.name); found != names.end()) shard.name = found->second;
    shard.path.clear();
  }
  std::ranges::sort(catalog.shards, {}, &Shard::name);
  return nlohmann::json::parse(nlohmann::json(catalog).dump()).get<Catalog>();
}

TEST(Catalog, FindsTheShardsOfAnEarlierVersionAgainWhateverTheOrderOfTheInputs) {
  const TempFolder folder;
  folder.write("en/wiki_00", kDoc + std::string("<doc id=\"2\">\nanother\n</doc>\n"));
  folder.write("fr/wiki_00", kDoc);
  folder.write("de/wiki_00", kDoc + std::string("<doc id=\"3\">\nein Text\n</doc>\n"));
  CorpusOptions options = options_for(folder / "en");
  options.inputs = {folder / "en", folder / "fr"};
  Catalog stored = renamed(scan_corpus(options), {{"en/wiki_00", "wiki_00"}, {"fr/wiki_00", "2:wiki_00"}});
  // The other way round, and with a further input that has a file of the name in front.
  const std::vector<std::vector<Path>> all_inputs{{folder / "en", folder / "fr"},
                                                  {folder / "fr", folder / "en"},
                                                  {folder / "de", folder / "fr", folder / "en"}};
  for (const std::vector<Path>& inputs : all_inputs) {
    options.inputs = inputs;
    locate_shards(options, stored);
    EXPECT_EQ(stored.find("wiki_00")->path, folder / "en/wiki_00");
    EXPECT_EQ(stored.find("2:wiki_00")->path, folder / "fr/wiki_00");
    const Catalog next = scan_corpus(options, &stored);
    ASSERT_NE(next.find("wiki_00"), nullptr) << "an epoch later it has another name";
    EXPECT_EQ(next.find("wiki_00")->path, folder / "en/wiki_00");
    EXPECT_EQ(next.find("2:wiki_00")->path, folder / "fr/wiki_00");
    EXPECT_EQ(next.shards.size(), inputs.size());
  }
}

TEST(Catalog, KeepsNamesWhenAnotherInputBringsTheSameOne) {
  const TempFolder folder;
  folder.write("en/wiki_00", kDoc);
  folder.write("fr/wiki_00", kText);
  CorpusOptions options = options_for(folder / "en");
  const Catalog first = scan_corpus(options);
  options.inputs = {folder / "fr", folder / "en"};
  const Catalog second = scan_corpus(options, &first);
  EXPECT_THAT(names(second), ElementsAre("fr/wiki_00", "wiki_00"));
  EXPECT_EQ(second.find("wiki_00")->path, folder / "en/wiki_00");
}

TEST(Catalog, FindsAShardAgainThatMovedWithinTheCorpus) {
  const TempFolder folder;
  folder.write("c/a", kDoc);
  folder.write("c/b", kText);
  Catalog stored = renamed(scan_corpus(options_for(folder / "c")), {});
  std::filesystem::create_directory(folder / "c/sub");
  std::filesystem::rename(folder / "c/a", folder / "c/sub/a");
  locate_shards(options_for(folder / "c"), stored);
  EXPECT_EQ(stored.find("a")->path, folder / "c/sub/a");
  folder.write("c/b", std::string(kText) + "more");
  locate_shards(options_for(folder / "c"), stored);
  EXPECT_EQ(stored.find("b")->path, folder / "c/b") << "so that it can be said what changed";
}

/// What a run leaves in its state folder.
void write_state_folder(const TempFolder& folder, const std::string& name) {
  folder.write(name + "/lock", "");
  folder.write(name + "/metrics.jsonl", "{\"text\":\"a record\"}\n");
  folder.write(name + "/metrics-000001.jsonl", "{\"text\":\"a record\"}\n");
  folder.write(name + "/skipped.jsonl", "{\"text\":\"a record\"}\n");
  folder.write(name + "/events.jsonl", "{\"text\":\"a record\"}\n");
  folder.write(name + "/curve.jsonl", "{\"text\":\"a record\"}\n");
  folder.write(name + "/run.ini", kText);
  folder.write(name + "/checkpoints/step-000000010/notes", kText);
}

TEST(Catalog, LeavesStateFoldersOfRunsOutOnce) {
  const TempFolder folder;
  folder.write("c/text", kText);
  folder.write("c/own/metrics.jsonl", "{\"text\":\"a record\"}\n");  // of a run that has just started
  write_state_folder(folder, "c/sub/other");
  write_state_folder(folder, "elsewhere");
  std::filesystem::create_directory_symlink(folder / "elsewhere", folder / "c/link");
  std::filesystem::create_directory_symlink(folder / "elsewhere/checkpoints", folder / "c/into");
  std::filesystem::create_symlink(folder / "elsewhere/metrics.jsonl", folder / "c/record");
  std::filesystem::create_directory_symlink(folder / "c/own", folder / "own_by_another_path");
  CorpusOptions options = options_for(folder / "c");
  options.state_folders = {folder / "own_by_another_path"};
  const Catalog catalog = scan_corpus(options);
  EXPECT_THAT(names(catalog), ElementsAre("text"));
  std::vector<std::string> left_out;
  for (const RejectedFile& file : catalog.rejected) left_out.push_back(file.name);
  EXPECT_THAT(left_out, UnorderedElementsAre("into", "link", "own", "record", "sub/other"));
  EXPECT_THAT(reason_of(catalog, "own"), HasSubstr("state folder of a run"));
}

TEST(Catalog, ReadsNoFileSystemOfTheKernel) {
  if (kernel_file_system("/proc") != "proc") GTEST_SKIP() << "/proc is hidden";
  const TempFolder folder;
  EXPECT_EQ(kernel_file_system(folder.path()), "");
  EXPECT_EQ(kernel_file_system(folder / "absent"), "");
  folder.write("c/text", kText);
  std::filesystem::create_directory_symlink("/proc", folder / "c/kernel");
  std::filesystem::create_symlink("/proc/version", folder / "c/file");
  const Catalog catalog = scan_corpus(options_for(folder / "c"));
  EXPECT_THAT(names(catalog), ElementsAre("text"));
  EXPECT_EQ(catalog.rejected.size(), 2U);
  for (const char* name : {"kernel/", "file"})
    EXPECT_EQ(reason_of(catalog, name), "on proc, a file system of the kernel");
  for (const Path given : {"/proc", "/proc/version"}) {
    CorpusOptions options = options_for(folder / "c");
    options.inputs.push_back(given);
    EXPECT_THAT(error_of(options), HasSubstr(given.native() + " lies on proc, a file system of the kernel"));
  }
}

TEST(Catalog, LeavesOutOnlyWhatTheRunWroteWhereTheCorpusIsTheStateFolder) {
  const TempFolder folder;
  write_state_folder(folder, "c");
  folder.write("c/text", kText);
  folder.write("c/sub/text", kText);
  CorpusOptions options = options_for(folder / "c");
  EXPECT_THAT(names(scan_corpus(options)), ElementsAre("sub/text", "text"));
  options.inputs = {folder / "c/sub", folder / "c/metrics.jsonl", folder / "c/checkpoints"};
  EXPECT_THAT(names(scan_corpus(options)), ElementsAre("text")) << "below a state folder";
  options.inputs = {folder / "c/metrics.jsonl"};
  EXPECT_THAT(error_of(options), HasSubstr("written by a run"));
}

TEST(Catalog, ReadsFoldersThatOnlyResembleAStateFolder) {
  const TempFolder folder;
  for (const char* name :
       {"c/a/checkpoints/notes", "c/a/lock", "c/b/metrics.jsonl", "c/checkpoints/step-1/text"})
    folder.write(name, "{\"text\":\"words\"}\n");
  EXPECT_THAT(names(scan_corpus(options_for(folder / "c"))),
              ElementsAre("a/checkpoints/notes", "a/lock", "b/metrics.jsonl", "checkpoints/step-1/text"));
}

TEST(Catalog, RecognisesARunsFilesThatAnEarlierVersionTookForText) {
  const TempFolder folder;
  folder.write("c/text", kText);
  folder.write("c/run/metrics.jsonl", "{\"text\":\"a record\"}\n");
  CorpusOptions options = options_for(folder / "c");
  Catalog stored = renamed(scan_corpus(options), {});
  ASSERT_NE(stored.find("run/metrics.jsonl"), nullptr);
  options.state_folders = {folder / "c/run"};
  locate_shards(options, stored);
  EXPECT_TRUE(stored.find("run/metrics.jsonl")->left_out);
  EXPECT_FALSE(stored.find("text")->left_out);
}

TEST(Catalog, RefusesSizesAndOrdersThatNoScanGives) {
  const TempFolder folder;
  folder.write("c/a", kText);
  folder.write("c/b", kText);
  nlohmann::json stored = scan_corpus(options_for(folder / "c"));
  for (const nlohmann::json& size : std::vector<nlohmann::json>{-1, 1.5, uint64_t{1} << 61, "many"}) {
    nlohmann::json damaged = stored;
    damaged["shards"][0]["size_bytes"] = size;
    EXPECT_THROW((void)damaged.get<Catalog>(), Error) << size;
  }
  std::swap(stored["shards"][0], stored["shards"][1]);
  EXPECT_THROW((void)stored.get<Catalog>(), Error);
}

TEST(Regions, AreTheSameAsAListOfThem) {
  Catalog catalog;
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, kRegionBytes, 3 * kRegionBytes + 5}) {
    for (const TextFormat format : {TextFormat::kJsonl, TextFormat::kText})
      catalog.shards.push_back(
          {.name = std::to_string(catalog.shards.size()), .size_bytes = size, .format = format});
  }
  uint64_t index = 0;
  const Regions regions(catalog);
  for (const Region& region : make_regions(catalog)) {
    EXPECT_EQ(regions[index].begin, region.begin);
    const Shard& shard = catalog.shards[region.shard];
    const bool whole = shard.format == TextFormat::kText;
    EXPECT_EQ(region.begin % kRegionBytes, 0u);
    EXPECT_EQ(region.end, whole ? std::numeric_limits<uint64_t>::max()
                                : std::min(region.begin + kRegionBytes, shard.size_bytes));
    ++index;
  }
  EXPECT_EQ(index, 4u + 0 + 1 + 1 + 4);
  EXPECT_EQ(regions.size(), index);
}

TEST(Regions, TakeNoMemoryForBytesThatAShardOnlyClaims) {
  Catalog catalog;
  catalog.shards.push_back({.name = "huge", .size_bytes = uint64_t{1} << 60, .format = TextFormat::kJsonl});
  const Regions regions(catalog);
  EXPECT_EQ(regions.size(), uint64_t{1} << 40);
  EXPECT_EQ(regions[regions.size() - 1].end, uint64_t{1} << 60);
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
  EXPECT_THAT(error_of(options_for(folder / "c")), HasSubstr("(x.tar: damaged archive ("));
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

TEST(Catalog, ReadsTheNamesThatVersion01GaveFormatsAndWritesKeys) {
  const std::map<std::string, std::string> keys{{"doc text", "doc"},
                                                {"JSON lines", "jsonl"},
                                                {"plain text", "text"},
                                                {"paragraphs", "paragraphs"},
                                                {"MediaWiki XML", "mediawiki"}};
  ASSERT_LE(keys.size(), std::size(kTextFormats));
  for (const auto& [old_name, key] : keys) {
    const nlohmann::json shard{
        {"name", "a"}, {"size_bytes", 1U}, {"hash", "h"}, {"compression", "gzip"}, {"format", old_name}};
    const nlohmann::json old{{"shards", {shard}}, {"rejected", nlohmann::json::array()}};
    const nlohmann::json written(old.get<Catalog>());
    EXPECT_EQ(written["shards"][0]["format"], key);
    EXPECT_EQ(nlohmann::json(written.get<Catalog>()), written);
  }
}

TEST(Catalog, RefusesAFormatThatItDoesNotKnow) {
  const auto with = [](const char* compression, const char* format) {
    const nlohmann::json shard{
        {"name", "a"}, {"size_bytes", 1U}, {"hash", "h"}, {"compression", compression}, {"format", format}};
    return nlohmann::json{{"shards", {shard}}, {"rejected", nlohmann::json::array()}};
  };
  EXPECT_NO_THROW((void)with("xz", "doc").get<Catalog>());
  EXPECT_THROW((void)with("xz", "").get<Catalog>(), Error);
  EXPECT_THROW((void)with("xz", "Doc").get<Catalog>(), Error);
  EXPECT_THROW((void)with("lz4", "doc").get<Catalog>(), Error);
}

TEST(Catalog, RefusesDamagedJson) {
  EXPECT_THROW((void)nlohmann::json::parse("{\"shards\":[{}],\"rejected\":[]}").get<Catalog>(), Error);
  EXPECT_THROW((void)nlohmann::json::parse("7").get<Catalog>(), Error);
  try {
    (void)nlohmann::json::parse(
        R"({"shards":[{"name":1e9,"size_bytes":1,"hash":"h","compression":"xz","format":"doc"}],"rejected":[]})")
        .get<Catalog>();
    ADD_FAILURE() << "was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("damaged (type must be string"));
  }
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
      testing::MatchesRegex("3 files, [0-9]+ B: 2 doc text, 1 JSON lines \\(gzip\\); 1 file skipped"));
}

}  // namespace
}  // namespace pretrain
