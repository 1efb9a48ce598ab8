// SPDX-License-Identifier: Apache-2.0
// What others do to the program's standard streams, and a limit on file sizes: none of it ends a run or is
// written into its files.

#include <array>
#include <csignal>
#include <fstream>
#include <regex>
#include <sstream>
#include <tuple>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/end_to_end/pseudo_terminal.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

constexpr std::chrono::seconds kPatience{120};
constexpr uint64_t kSteps = 20;

Words short_run(const std::filesystem::path& state) {
  return tiny_run(state) + Words{"--steps", std::to_string(kSteps), "--checkpoint-every", "5"};
}

/// Each line of the run's records is JSON, each checkpoint is whole, and the last step is saved.
void expect_sound(const std::filesystem::path& state, uint64_t last) {
  for (const char* name : {"metrics.jsonl", "skipped.jsonl"}) {
    std::ifstream file(state / name);
    for (std::string line; std::getline(file, line);)
      EXPECT_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded()) << name << ": " << line;
  }
  for (const CheckpointEntry& entry : list_checkpoints(state))
    EXPECT_TRUE(judge_checkpoint(entry.folder).checkpoint.has_value()) << entry.folder;
  EXPECT_EQ(last_step(state), last);
  const auto entries = list_checkpoints(state);
  EXPECT_EQ(entries.empty() ? 0 : entries.front().step, last);
}

Surroundings with_streams(std::function<bool()> before_exec) {
  return {.environment = {}, .before_exec = std::move(before_exec)};
}

TEST(Streams, ThatAreClosedAtTheStartStayOutOfTheRunsFiles) {
  for (int closed = 1; closed < 8; ++closed) {
    const TempFolder folder;
    const auto without = with_streams([&] {
      for (int stream = 0; stream < 3; ++stream) {
        if ((closed >> stream & 1) != 0) close(stream);
      }
      return true;
    });
    ASSERT_EQ(run_program(binary(), short_run(folder / "run"), without).exit_code, 0) << closed;
    expect_sound(folder / "run", kSteps);
    const Words more = short_run(folder / "run") + Words{"--steps", std::to_string(2 * kSteps)};
    ASSERT_EQ(run_program(binary(), more, without).exit_code, 0) << closed;
    expect_sound(folder / "run", 2 * kSteps);
  }
}

TEST(Streams, ThatAreFullOrReadOnlyEndNothing) {
  for (const auto& [device, mode] : {std::pair{"/dev/full", O_WRONLY}, std::pair{"/dev/null", O_RDONLY}}) {
    const TempFolder folder;
    const auto redirected = with_streams([device = device, mode = mode] {
      const int target = open(device, mode);
      return dup2(target, STDERR_FILENO) >= 0 && dup2(target, STDOUT_FILENO) >= 0;
    });
    EXPECT_EQ(run_program(binary(), short_run(folder / "run"), redirected).exit_code, 0) << device;
    expect_sound(folder / "run", kSteps);
  }
}

/// A pipe whose writing end is the program's standard output and error.
class PipedRun {
 public:
  explicit PipedRun(const Words& words)
      : ends_(make_pipe()),
        program_(binary(), words, with_streams([this] {
                   return dup2(ends_[1], STDERR_FILENO) >= 0 && dup2(ends_[1], STDOUT_FILENO) >= 0;
                 })) {
    close(ends_[1]);
  }
  ~PipedRun() { stop_reading(); }

  /// As head(1) does before it ends.
  void read_some() const {
    std::array<char, 64> some{};
    EXPECT_GT(read(ends_[0], some.data(), some.size()), 0);
  }
  void stop_reading() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  Program& program() { return program_; }

 private:
  static std::array<int, 2> make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    return ends;
  }

  std::array<int, 2> ends_;
  Program program_;
};

TEST(Streams, WhoseReaderGoesEndNothing) {
  for (const bool at_once : {true, false}) {
    const TempFolder folder;
    PipedRun run(short_run(folder / "run"));
    if (!at_once) run.read_some();
    run.stop_reading();
    EXPECT_EQ(run.program().wait().exit_code, 0);
    expect_sound(folder / "run", kSteps);
  }
}

/// A stopped tee(1), or a terminal after Ctrl-S.
TEST(Streams, WhoseReaderDoesNotReadHoldUpNothing) {
  const TempFolder folder;
  const Words chatty{"--evaluate-every", "1", "--validation-tokens", "64", "--steps", "800"};
  PipedRun run(tiny_run(folder / "run") + chatty);  // writes more than the 64 KiB that a pipe takes
  ASSERT_TRUE(run.program().ends_within(kPatience));
  EXPECT_EQ(run.program().wait().exit_code, 0);
  expect_sound(folder / "run", 800);
}

TEST(Streams, StopARunWhoseReaderHasGoneWithASave) {
  const TempFolder folder;
  PipedRun run(tiny_run(folder / "run"));
  run.stop_reading();
  ASSERT_TRUE(run.program().wait_until([&] { return is_under_way(folder / "run", 10); }, kPatience));
  run.program().signal(SIGINT);
  EXPECT_EQ(run.program().wait().exit_code, 0);
  expect_sound(folder / "run", last_step(folder / "run"));
}

TEST(Streams, GenerateEndsQuietlyWithItsReader) {
  const TempFolder folder;
  ASSERT_EQ(run_program(binary(), short_run(folder / "run")).exit_code, 0);
  const Words endless{"generate",      "--checkpoint", (folder / "run").string(), "--tokens", "100000000",
                      "--temperature", "1.5"};
  PipedRun run(endless);
  run.read_some();
  run.stop_reading();
  ASSERT_TRUE(run.program().ends_within(kPatience));
  EXPECT_EQ(run.program().wait().exit_code, 0);
}

TEST(Streams, SayThatStandardOutputIsFull) {
  const TempFolder folder;
  ASSERT_EQ(run_program(binary(), short_run(folder / "run")).exit_code, 0);
  const std::string state = (folder / "run").string();
  const auto full_output = with_streams([] { return dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO) >= 0; });
  for (const Words& words :
       {Words{"generate", "--checkpoint", state}, Words{"inspect", state}, Words{"--help"},
        Words{"--version"}, Words{"help", "train"}}) {  // the last is more than a buffer of the library holds
    const auto result = run_program(binary(), words, full_output);
    EXPECT_EQ(result.exit_code, 1) << words.front();
    EXPECT_NE(result.output.find("cannot write standard output: No space left on device; free some"),
              std::string::npos)
        << words.front() << ": " << result.output;
  }
}

TEST(Streams, ALimitOnMemoryIsReportedWithARemedy) {
#ifdef PRETRAIN_SANITIZED
  GTEST_SKIP() << "a sanitizer needs more addresses";
#endif
  const auto limited = with_streams([] {
    const rlimit limit{.rlim_cur = 400'000'000, .rlim_max = 400'000'000};
    return setrlimit(RLIMIT_AS, &limit) == 0;
  });
  const auto result = run_program(binary(), {"bench", "--model", "large", "--threads", "1"}, limited);
  EXPECT_EQ(result.exit_code, 1) << result.output;
  EXPECT_NE(result.output.find("out of memory; use fewer --threads"), std::string::npos) << result.output;
}

Surroundings limited_to(decltype(RLIMIT_FSIZE) resource, rlim_t value) {
  return with_streams([=] {
    const rlimit limit{.rlim_cur = value, .rlim_max = value};
    return setrlimit(resource, &limit) == 0;
  });
}

TEST(Streams, ALimitOnFileSizesThatAppliesLaterIsReportedLikeAFullDisk) {
  const TempFolder folder;
  const auto state = folder / "run";
  Program program(binary(), tiny_run(state) + Words{"--checkpoint-every", "20"});
  ASSERT_TRUE(program.wait_until([&] { return !list_checkpoints(state).empty(); }, kPatience));
  const rlimit limit{.rlim_cur = 100'000, .rlim_max = 100'000};
  ASSERT_EQ(prlimit(program.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  ASSERT_TRUE(program.wait_until([&] { return program.output().find("File too large") != std::string::npos; },
                                 kPatience));
  program.signal(SIGTERM);
  const auto result = program.wait();
  EXPECT_EQ(result.exit_code, 1) << result.output;
  for (const CheckpointEntry& entry : list_checkpoints(state))
    EXPECT_TRUE(judge_checkpoint(entry.folder).checkpoint.has_value()) << entry.folder;
  const std::string last = std::to_string(list_checkpoints(state).front().step + 20);
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", last}).exit_code, 0);
  expect_sound(state, std::stoull(last));
}

TEST(Streams, LimitsThatPreventSavesAreToldAtTheStartAndByTheCheck) {
  const TempFolder folder;
  const auto state = folder / "run";
  for (const auto& [resource, value, name] :
       {std::tuple{RLIMIT_FSIZE, 500'000, "ulimit -f"}, std::tuple{RLIMIT_NOFILE, 20, "ulimit -n"}}) {
    Words check = short_run(state);
    check.emplace_back("--check");
    for (const Words& words : {short_run(state), check}) {
      const auto result = run_program(binary(), words, limited_to(resource, static_cast<rlim_t>(value)));
      EXPECT_EQ(result.exit_code, 2) << result.output;
      EXPECT_NE(result.output.find(name), std::string::npos) << result.output;
      EXPECT_TRUE(list_checkpoints(state).empty());
    }
  }
  EXPECT_EQ(run_program(binary(), short_run(state)).exit_code, 0);
}

TEST(Streams, ASmallStackIsEnlargedOrToldAndNeverCrashes) {
#ifdef PRETRAIN_SANITIZED
  GTEST_SKIP() << "a sanitizer needs more stack";
#endif
  const TempFolder folder;
  constexpr rlim_t kSmall = 64 << 10;
  const auto told = run_program(binary(), short_run(folder / "run"), limited_to(RLIMIT_STACK, kSmall));
  EXPECT_EQ(told.exit_code, 2) << told.output;
  EXPECT_NE(told.output.find("(ulimit -s)"), std::string::npos) << told.output;
  const auto soft = with_streams([] {
    const rlimit limit{.rlim_cur = kSmall, .rlim_max = 8 << 20};
    return setrlimit(RLIMIT_STACK, &limit) == 0;
  });
  const auto enlarged = run_program(binary(), short_run(folder / "run"), soft);
  EXPECT_EQ(enlarged.exit_code, 0) << enlarged.output;
  expect_sound(folder / "run", kSteps);
}

TEST(Streams, ADashIsStandardOutputForCommandsThatWriteOneFile) {
  const TempFolder folder;
  const std::string state = (folder / "run").string();
  ASSERT_EQ(run_program(binary(), short_run(state)).exit_code, 0);
  const auto here = with_streams([&] { return chdir(folder.path().c_str()) == 0; });
  const auto output_of = [&](const Words& words) {
    const auto result = run_program(binary(), words, here);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.output;
  };
  const std::string table = output_of({"export-metrics", state, "--csv", "-"});
  EXPECT_TRUE(table.starts_with("kind,step,steps,")) << table.substr(0, 100);
  EXPECT_EQ(table.find("wrote"), std::string::npos);
  output_of({"export-metrics", state, "--csv", "./-"});
  EXPECT_EQ(read_file(folder / "-"), table);
  std::filesystem::remove(folder / "-");
  EXPECT_TRUE(output_of({"export-metrics", state, "--prometheus", "-"}).starts_with("# HELP pretrain_"));
  EXPECT_TRUE(output_of({"report", state, "--output", "-"}).starts_with("<!doctype html>"));
  const auto discard_log = with_streams([&] {
    return chdir(folder.path().c_str()) == 0 && dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) >= 0;
  });
  const auto model = run_program(
      binary(), {"tokenizer", "train", "--corpus", sample_corpus(), "--output", "-"}, discard_log);
  EXPECT_EQ(model.exit_code, 0);
  folder.write("piped.model", model.output);
  output_of({"tokenizer", "encode", "--model", "piped.model", "--text", "A"});
  EXPECT_FALSE(std::filesystem::exists(folder / "-"));
}

TEST(Streams, ADashIsRefusedWhereStandardOutputMakesNoSense) {
  const TempFolder folder;
  const std::string state = (folder / "run").string();
  ASSERT_EQ(run_program(binary(), short_run(state)).exit_code, 0);
  const auto here = with_streams([&] { return chdir(folder.path().c_str()) == 0; });
  const std::vector<Words> all{{"export-metrics", state, "--tensorboard", "-"},
                               {"export-metrics", state, "--prometheus", "-", "--follow"},
                               {"report", state, "--output", "-", "--every", "1min"},
                               {"export", state, "--output", "-"},
                               {"help", "--output", "-"},
                               {"dashboard", "--new-token", "-"},
                               {"join", "--new-secret", "-"},
                               short_run(folder / "new") + Words{"--metrics-file", "-"}};
  for (const Words& words : all) {
    const auto result = run_program(binary(), words, here);
    EXPECT_EQ(result.exit_code, 2) << result.output;
    EXPECT_NE(result.output.find("(got -, which means standard output)"), std::string::npos) << result.output;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "-"));
}

/// Arenas of the allocator alone would reserve more.
TEST(Streams, ALimitOnAddressesThatHoldsATinyRunDoesNotEndIt) {
#ifdef PRETRAIN_SANITIZED
  GTEST_SKIP() << "a sanitizer needs more addresses";
#endif
  const TempFolder folder;
  const auto result =
      run_program(binary(), short_run(folder / "run"), limited_to(RLIMIT_AS, rlim_t{300} << 20));
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(result.output.find("bad_alloc"), std::string::npos) << result.output;
  expect_sound(folder / "run", kSteps);
}

/// With as many files as the message asks for.
TEST(Streams, ALimitOnOpenFilesThatIsRaisedAsToldIsEnough) {
  const TempFolder folder;
  constexpr rlim_t kFew = 20;
  const auto refused = run_program(binary(), short_run(folder / "run"), limited_to(RLIMIT_NOFILE, kFew));
  std::smatch more;
  ASSERT_TRUE(std::regex_search(refused.output, more, std::regex("raise it by ([0-9]+)"))) << refused.output;
  const auto result =
      run_program(binary(), short_run(folder / "run"), limited_to(RLIMIT_NOFILE, kFew + std::stoul(more[1])));
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(result.output.find("Too many open files"), std::string::npos) << result.output;
  expect_sound(folder / "run", kSteps);
}

TEST(Streams, OfTheTokenizerTakeAnEmptyTextForOneAndEndlessInputForAFault) {
  const TempFolder folder;
  ASSERT_EQ(run_program(binary(), short_run(folder / "run")).exit_code, 0);
  const std::string model = (list_checkpoints(folder / "run").front().folder).string();
  const auto zeros = with_streams([] { return dup2(open("/dev/zero", O_RDONLY), STDIN_FILENO) >= 0; });
  const auto empty = run_program(binary(), {"tokenizer", "encode", "--model", model, "--text", ""}, zeros);
  EXPECT_EQ(empty.exit_code, 0) << empty.output;
  EXPECT_EQ(empty.output, "\n");
  const auto no_ids = run_program(binary(), {"tokenizer", "decode", "--model", model, "--ids", ""}, zeros);
  EXPECT_EQ(no_ids.exit_code, 0) << no_ids.output;
  EXPECT_EQ(no_ids.output, "\n");
  const auto endless = run_program(binary(), {"tokenizer", "encode", "--model", model}, zeros);
  EXPECT_EQ(endless.exit_code, 2) << endless.output;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream all(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(all, line);) lines.push_back(line);
  return lines;
}

TEST(Streams, HaveDateAndLevelInEachLineOfAFile) {
  const TempFolder folder;
  const auto result = run_program(binary(), short_run(folder / "run") + Words{"--sample-tokens", "100"});
  EXPECT_EQ(result.exit_code, 0);
  const std::regex beginning("\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d (info|warning|error): .*");
  for (const std::string& line : lines_of(result.output))
    EXPECT_TRUE(std::regex_match(line, beginning)) << line;
}

TEST(Streams, HaveAPriorityAndNoClockInEachLineOfTheJournal) {
  const TempFolder folder;
  const auto journal = with_streams([] {
    struct stat status {};
    if (fstat(STDERR_FILENO, &status) != 0) return false;
    const std::string stream = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
    return setenv("JOURNAL_STREAM", stream.c_str(), 1) == 0;
  });
  const auto result =
      run_program(binary(), short_run(folder / "run") + Words{"--sample-tokens", "100"}, journal);
  EXPECT_EQ(result.exit_code, 0);
  const std::regex beginning("<(6>|4>warning: |3>error: )(?!\\d\\d:\\d\\d:\\d\\d).*");
  for (const std::string& line : lines_of(result.output))
    EXPECT_TRUE(std::regex_match(line, beginning)) << line;
}

TEST(Streams, AreNoJournalWhenTheyWereRedirectedSince) {
  const TempFolder folder;
  const auto result = run_program(binary(), {"resume", "--state", (folder / "none").string()},
                                  {.environment = {{"JOURNAL_STREAM", "8:12345"}}});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_TRUE(std::regex_search(result.output, std::regex("^\\d{4}-"))) << result.output;
}

TEST(Streams, ATerminalShowsWhatCtrlCDoesOnALineOfItsOwn) {
  const TempFolder folder;
  PseudoTerminal terminal;
  Program program(binary(), tiny_run(folder / "run") + Words{"--evaluate-every", "0"},
                  terminal.surroundings());
  ASSERT_TRUE(program.wait_until(
      [&] {
        return terminal.screen().find("\033[Kstep ") != std::string::npos && last_step(folder / "run") > 2;
      },
      kPatience));
  terminal.type("\x03");
  ASSERT_TRUE(program.wait_until(
      [&] {
        terminal.screen();  // a full terminal would hold lines back
        return terminal.screen().find("stopped on request") != std::string::npos;
      },
      kPatience));
  EXPECT_EQ(program.wait().exit_code, 0);
  const std::string& screen = terminal.screen();
  const size_t typed = screen.find("^C");
  ASSERT_NE(typed, std::string::npos);
  const size_t answer = screen.find("stopping: finishing step ", typed);
  ASSERT_NE(answer, std::string::npos) << screen.substr(typed);
  EXPECT_NE(screen.find("(Ctrl-C again", answer), std::string::npos) << "the rest may be on the next line";
  const std::string between = screen.substr(typed, answer - typed);
  EXPECT_TRUE(between.find("\r\033[K") != std::string::npos || between.find('\n') != std::string::npos)
      << between;
  expect_sound(folder / "run", last_step(folder / "run"));
}

TEST(Streams, ATerminalThatIsClosedEndsARunWithASave) {
  const TempFolder folder;
  PseudoTerminal terminal;
  Program program(binary(), tiny_run(folder / "run"), terminal.surroundings());
  ASSERT_TRUE(program.wait_until(
      [&] {
        terminal.screen();
        return is_under_way(folder / "run", 10);
      },
      kPatience));
  terminal.hang_up();
  EXPECT_EQ(program.wait().exit_code, 0);
  EXPECT_GE(last_step(folder / "run"), 10U);
  expect_sound(folder / "run", last_step(folder / "run"));
}

TEST(Streams, ATerminalThatIsClosedDoesNotEndARunUnderNohup) {
  const TempFolder folder;
  PseudoTerminal terminal;
  Surroundings surroundings = terminal.surroundings();
  surroundings.before_exec = [take_terminal = surroundings.before_exec] {
    std::signal(SIGHUP, SIG_IGN);
    return take_terminal();
  };
  Program program(binary(), tiny_run(folder / "run"), surroundings);
  const auto reaches = [&](uint64_t step) {
    return program.wait_until([&] { return last_step(folder / "run") >= step; }, kPatience);
  };
  ASSERT_TRUE(reaches(10));
  terminal.hang_up();
  program.signal(SIGHUP);
  ASSERT_TRUE(reaches(last_step(folder / "run") + 100));
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().exit_code, 0);
  expect_sound(folder / "run", last_step(folder / "run"));
}

}  // namespace
}  // namespace pretrain::test
