// SPDX-License-Identifier: Apache-2.0
// `pretrain inspect CORPUS`: what it counts, shows and refuses.

#include <csignal>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/end_to_end/run.h"
#include "tests/pipeline/corpus/corpus_testing.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{300};

ProgramResult inspect(const Words& words) {
  Words all{"inspect"};
  all.insert(all.end(), words.begin(), words.end());
  return run_program(binary(), all);
}

/// What inspect says of a corpus that it can read.
std::string description_of(const Words& words) {
  const auto result = inspect(words);
  EXPECT_EQ(result.exit_code, 0) << result.output;
  return result.output;
}

/// The number after `label`, without its commas; 0 when there is none.
uint64_t number_behind(const std::string& output, const std::string& label) {
  const size_t at = output.find(label);
  if (at == std::string::npos) return 0;
  uint64_t number = 0;
  for (size_t i = at + label.size(); i < output.size() && (isdigit(output[i]) != 0 || output[i] == ',');
       ++i) {
    if (output[i] != ',') number = number * 10 + static_cast<uint64_t>(output[i] - '0');
  }
  return number;
}

/// The pages of all namespaces.
uint64_t pages_in(const std::string& output) {
  uint64_t pages = 0;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  pages in namespace ")) pages += number_behind(line, ": ");
  }
  return pages;
}

/// A dump of two articles and of each kind of page that is skipped.
std::string sample_dump() {
  const std::string redirect = "#REDIRECT [[Lake]]";
  return multistream({page_of("Lake", "A '''lake''' is [[water]]."), page_of("Hill", "A hill is high."),
                      page_of("Mere", redirect), page_of("Hollow", "{{stub}}"),
                      page_of("Mercury", "{{disambiguation}} may be"), page_of("Talk:Lake", "Is it?", 1),
                      page_of("Talk:Mere", redirect, 1), page_of("Category:Water", "All of it.", 14)},
                     3);
}

TEST(InspectCorpus, ListsTheTemplatesThatRunningTextLost) {
  const TempFolder folder;
  const std::string lake =
      page_of("Lake", "A lake is {{foo|deep}} and {{Foo|wide}}.\n{{infobox|x}}\nIt has {{bar}} fish.");
  const auto dump =
      folder.write("wiki.xml", kDumpHead + lake + page_of("Hill", "A hill is {{nowrap|high}}.") + kDumpFoot);
  EXPECT_THAT(
      description_of({dump.string(), "--lost-templates"}),
      AllOf(HasSubstr("lost from running text: 3 calls in 4 sentences, 1 in 1; 3 with their sentence\n"
                      "        2 foo: A lake is {{foo|deep}} and {{Foo|wide}}.\n"
                      "        1 bar: It has {{bar}} fish.\n"),
            Not(HasSubstr("infobox: "))));
  const auto rules = folder.write("own.txt", "foo -> $1\nbar -> many\n");
  EXPECT_THAT(
      description_of({dump.string(), "--lost-templates", "--template-rules", rules.string(), "--show", "1"}),
      AllOf(HasSubstr("lost from running text: none in 3 sentences\n"),
            HasSubstr("A lake is deep and wide.")));
}

TEST(InspectCorpus, RefusesTemplateRulesWithAMistake) {
  const TempFolder folder;
  const auto dump = folder.write("wiki.xml", kDumpHead + page_of("Lake", "A lake.") + kDumpFoot);
  const auto rules = folder.write("own.txt", "# mine\nfoo -> {a\n");
  const auto result = inspect({dump.string(), "--template-rules", rules.string()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.output, HasSubstr("own.txt:2: a { is never closed; add the }"));
  const auto missing = inspect({dump.string(), "--template-rules", (folder / "none").string()});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.output, HasSubstr("--template-rules must be a readable file of template rules"));
}

TEST(InspectCorpus, CountsWhatADumpConsistsOf) {
  const TempFolder folder;
  folder.write("c/wiki.xml.bz2", sample_dump());
  folder.write("c/more.jsonl", "{\"text\":\"One line\\u2014only.\"}\n");
  folder.write("c/copy.part", "half");
  const std::string output = description_of({(folder / "c").string(), "--tokens-per-second", "10"});
  EXPECT_THAT(output, HasSubstr("2 files, ")) << output;
  EXPECT_THAT(output, HasSubstr(": 1 JSON lines, 1 MediaWiki XML (bzip2); 1 file skipped\n"));
  EXPECT_THAT(output, HasSubstr("  not read: copy.part: named like an unfinished copy\n"));
  EXPECT_THAT(output, HasSubstr("bzip2: 5 streams, 5 blocks\n"));
  EXPECT_THAT(output, HasSubstr("3 documents, 57 B of text, 55 characters\n"));
  EXPECT_THAT(output, HasSubstr("  pages in namespace 0 (articles): 5\n"));
  EXPECT_THAT(output, HasSubstr("  pages in namespace 1"));
  EXPECT_EQ(pages_in(output), 8U);
  EXPECT_THAT(output, HasSubstr("  redirects in all namespaces: 2\n"));
  EXPECT_THAT(output, HasSubstr("of wiki.xml.bz2\n  skipped: 3 other namespace\n"
                                "  skipped: 1 redirect\n  skipped: 1 disambiguation\n"));
  EXPECT_THAT(output, HasSubstr("about 17 tokens an epoch, estimated at 4.2 bytes each"));
  EXPECT_THAT(output, HasSubstr("an epoch takes 1.7 s at 10 tokens/s\n"));
}

TEST(InspectCorpus, ReadsTheNamespacesThatItIsAskedFor) {
  const TempFolder folder;
  const auto dump = folder.write("wiki.xml.bz2", sample_dump());
  EXPECT_THAT(description_of({dump.string(), "--namespaces", "0,1,14", "--disambiguation", "keep"}),
              AllOf(HasSubstr("5 documents"), HasSubstr("skipped: 2 redirect"),
                    Not(HasSubstr("other namespace")), Not(HasSubstr("skipped: 1 disambiguation"))));
}

TEST(InspectCorpus, CountsTokensWithAGivenTokenizer) {
  const TempFolder folder;
  const std::string model = (folder / "my.model").string();
  const Words train{"tokenizer", "train", "--corpus", sample_corpus(), "--output", model, "--vocab", "500"};
  ASSERT_EQ(run_program(binary(), train).exit_code, 0);
  const std::string text = "A lake is water, and a hill is high.";
  const auto corpus = folder.write("text.txt", text);
  const auto ids = run_program(binary(), {"tokenizer", "encode", "--model", model, "--text", text});
  const auto tokens = std::count(ids.output.begin(), ids.output.end(), ' ') + 2;  // and the end of text
  const std::string output = description_of({corpus.string(), "--tokenizer", model});
  EXPECT_THAT(output, HasSubstr(fmt::format("\n{} tokens an epoch\n", tokens)));
}

TEST(InspectCorpus, ShowsDocumentsBesideTheirWikitext) {
  const TempFolder folder;
  const auto dump = folder.write("wiki.xml.bz2", sample_dump());
  const std::string one = description_of({dump.string(), "--show", "1"});
  EXPECT_THAT(one, HasSubstr("--- wikitext of Lake:\nA '''lake''' is [[water]].\n"
                             "--- document:\nLake\nA lake is water.\n"));
  EXPECT_THAT(one, Not(HasSubstr("wikitext of Hill")));
  EXPECT_THAT(one, HasSubstr("2 documents"));
  const std::string all = description_of({dump.string(), "--show", "100"});
  EXPECT_THAT(all, AllOf(HasSubstr("wikitext of Hill"), Not(HasSubstr("wikitext of Mere"))));
  const auto text = folder.write("text.txt", "No dump.");
  EXPECT_THAT(description_of({text.string(), "--show", "1"}), HasSubstr("has no MediaWiki page"));
}

TEST(InspectCorpus, WarnsOfADumpThatEndsBeforeItsIndex) {
  const TempFolder folder;
  const std::string dump = sample_dump();
  folder.write("c/w-multistream.xml.bz2", dump.substr(0, dump.size() - 60));
  folder.write("c/w-multistream-index.txt", fmt::format("{}:7:Lake\n", dump.size()));
  EXPECT_THAT(description_of({(folder / "c").string()}),
              AllOf(HasSubstr("  warning: w-multistream.xml.bz2 ends at byte "), HasSubstr("2 documents")));
}

TEST(InspectCorpus, NamesTheFirstPlaceOfASkipAndTheFileThatIsNotUtf8) {
  const TempFolder folder;
  folder.write("c/a.jsonl", "{\"text\":\"one\"}\n{\"id\":2}\n");
  folder.write("c/b.txt", std::string(70'000, 'x') + " caf\xE9 ferm\xE9");
  const std::string output = description_of({(folder / "c").string()});
  EXPECT_THAT(output, HasSubstr("  skipped: 1 no text, the first at byte 15 of a.jsonl\n")) << output;
  EXPECT_THAT(output, HasSubstr("  not UTF-8, read as U+FFFD: 2 places in 1 file, most in b.txt\n"));
}

TEST(InspectCorpus, NamesManyUnreadFilesOfAKindInOneLine) {
  const TempFolder folder;
  folder.write("c/text.txt", "Some text.");
  for (int i = 0; i < 50; ++i) folder.write(fmt::format("c/z{}.zip", i), "PK\x03\x04");
  EXPECT_THAT(description_of({(folder / "c").string()}),
              HasSubstr("  not read: 50 files, such as z0.zip: damaged archive ("));
}

TEST(InspectCorpus, AgreesWithWhatIsKnownOfRealDumps) {
  const auto data = real_data_folder();
  if (!data) GTEST_SKIP() << "needs the real dumps";
  std::ifstream manifest(*data / "MANIFEST.tsv");
  size_t seen = 0;
  for (std::string line; std::getline(manifest, line);) {
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '\t');) cells.push_back(cell);
    if (!cells[0].starts_with("dumps/") || line.find("redirect tags ") == std::string::npos) continue;
    const auto result = inspect({(*data / cells[0]).string()});
    EXPECT_EQ(pages_in(result.output), std::stoull(cells[3])) << cells[0] << "\n" << result.output;
    // One small dump has a redirect without a tag.
    const uint64_t untagged = cells[0].find("tinywiki") != std::string::npos ? 1 : 0;
    EXPECT_EQ(number_behind(result.output, "redirects in all namespaces: "),
              number_behind(line, "redirect tags ") + untagged)
        << cells[0];
    ++seen;
  }
  EXPECT_GE(seen, 20U);
}

TEST(InspectCorpus, WithoutTextIsCountedAndRefused) {
  const TempFolder folder;
  const auto dump = folder.write("wiki.xml", kDumpHead + page_of("Category:A", "b", 14) + kDumpFoot);
  const auto result = inspect({dump.string()});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output, AllOf(HasSubstr("skipped: 1 other namespace\n"),
                                   HasSubstr("error: " + dump.string() + " has no text to train on")));
}

/// One line and exit code 3.
void expect_unusable(const ProgramResult& result, const std::string& part) {
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr(part));
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
}

TEST(InspectCorpus, RefusesWhatItCannotReadInOneLine) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "empty");
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink(folder / "loop", folder / "loop");
  folder.write("bomb.bz2", compress(std::string(45'000'000, '\0'), Compression::kBzip2));
  expect_unusable(inspect({(folder / "empty").string()}), "there are no files in it");
  expect_unusable(inspect({(folder / "none").string()}), "does not exist");
  expect_unusable(inspect({(folder / "fifo").string()}), "not a regular file");
  expect_unusable(inspect({"/dev/zero"}), "not a regular file");
  expect_unusable(inspect({(folder / "loop").string()}), "can't be reached");
  expect_unusable(inspect({(folder / "bomb.bz2").string()}), "binary data");
  expect_unusable(inspect({sample_corpus(), "--tokenizer", (folder / "none").string()}),
                  "there is no tokenizer");
}

TEST(InspectCorpus, RefusesAFileOrFolderWithoutPermissionInOneLine) {
  constexpr uid_t kNobody = 65534;
  const TempFolder folder;
  folder.write("c/secret.txt", "Some text.");
  folder.write("d/locked/text.txt", "Some text.");
  const auto inspect_as_nobody = [](const std::filesystem::path& path) {
    return run_program(binary(), {"inspect", path.string()},
                       {.before_exec = [] { return geteuid() != 0 || setuid(kNobody) == 0; }});
  };
  const auto allow = [&](const char* name, mode_t mode) { return chmod((folder / name).c_str(), mode) == 0; };
  ASSERT_TRUE(chmod(folder.path().c_str(), 0755) == 0 && allow("c", 0755) && allow("d", 0755));
  folder.write("c/open.txt", "Some text.");
  if (inspect_as_nobody(folder / "c/open.txt").exit_code != 0)
    GTEST_SKIP() << "nobody can't reach the program or the folder for temporary files";
  std::filesystem::remove(folder / "c/open.txt");
  ASSERT_TRUE(allow("c/secret.txt", 0) && allow("d/locked", 0));
  expect_unusable(inspect_as_nobody(folder / "c"), "Permission denied");
  expect_unusable(inspect_as_nobody(folder / "c/secret.txt"), "Permission denied");
  expect_unusable(inspect_as_nobody(folder / "d"), "Permission denied");
  allow("d/locked", 0700);
}

/// Text that takes many seconds to tokenize.
std::filesystem::path write_long_text(const TempFolder& folder) {
  const auto path = folder.write("long.txt", "");
  std::ofstream file(path);
  const std::string text = random_text(1, 1 << 20);
  for (int i = 0; i < 100; ++i) file << text << "\n";
  return path;
}

TEST(InspectCorpus, StopsOnRequestAndTellsWhatItSaw) {
  const TempFolder folder;
  const std::string model = (folder / "my.model").string();
  const Words train{"tokenizer", "train", "--corpus", sample_corpus(), "--output", model, "--vocab", "500"};
  ASSERT_EQ(run_program(binary(), train).exit_code, 0);
  const std::string corpus = write_long_text(folder).string();
  for (const int signal : {SIGINT, SIGTERM}) {
    Program program(binary(), {"inspect", corpus, "--tokenizer", model});
    ASSERT_TRUE(program.wait_until([&] { return program.output().find("plain text") != std::string::npos; },
                                   kPatience));
    program.signal(signal);
    const auto result = program.wait();
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(result.output, Not(HasSubstr("tokens an epoch")));
    EXPECT_THAT(result.output, HasSubstr(" of text, "));
  }
}

/// Standard error of a program as a terminal shows it.
class Terminal {
 public:
  Terminal() { EXPECT_EQ(openpty(&master_, &slave_, nullptr, nullptr, nullptr), 0); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    close(master_);
    close(slave_);
  }

  Surroundings surroundings() const {
    return {.before_exec = [slave = slave_] { return dup2(slave, STDERR_FILENO) == STDERR_FILENO; }};
  }
  /// All that was written; a few KiB at most, since nobody reads in between.
  std::string text() const {
    fcntl(master_, F_SETFL, O_NONBLOCK);
    std::string text(1 << 16, '\0');
    const ssize_t got = read(master_, text.data(), text.size());
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }

 private:
  int master_ = -1;
  int slave_ = -1;
};

TEST(InspectCorpus, ShowsItsProgressOnATerminalAndClearsIt) {
  const Terminal terminal;
  const auto result =
      run_program(binary(), {"inspect", sample_corpus(), "--documents", "files"}, terminal.surroundings());
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, Not(HasSubstr("\r")));
  const std::string shown = terminal.text();
  EXPECT_THAT(shown, testing::ContainsRegex("reading \\[[#-]+\\] +[0-9]+ %, [0-9]+ documents?, "));
  EXPECT_TRUE(shown.ends_with("\r\x1b[K")) << shown;
}

}  // namespace
}  // namespace pretrain::test
