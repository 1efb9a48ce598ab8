// SPDX-License-Identifier: Apache-2.0
// `pretrain generate`: samples, prompts, stop texts, contexts, and interactive sessions on a terminal and from a pipe.

#include <memory>
#include <set>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/end_to_end/pseudo_terminal.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{120};

/// A run that all tests use, trained once.
class Generate : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    const auto run =
        run_program(binary(), tiny_run(state()) + Words{"--steps", "40", "--checkpoint-every", "20"});
    ASSERT_EQ(run.exit_code, 0) << run.output;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static Path state() { return *folder_ / "state/pretrain"; }
  static Words words(const Words& more) {
    Words all{"generate", "--checkpoint", state().string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static ProgramResult generate(const Words& more, const Surroundings& surroundings = {}) {
    return run_program(binary(), words(more), surroundings);
  }
  /// The objects that --json prints.
  static std::vector<json> samples(Words more) {
    more.push_back("--json");
    const auto run = generate(more);
    EXPECT_EQ(run.exit_code, 0) << run.output;
    std::vector<json> objects;
    std::istringstream lines(run.output);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("{")) objects.push_back(json::parse(line));
    }
    return objects;
  }
  static std::string text(const Words& more) { return samples(more).at(0)["text"]; }

  static std::unique_ptr<TempFolder> folder_;
};

std::unique_ptr<TempFolder> Generate::folder_;

Surroundings reading(const Path& file) {
  return {.environment = {}, .before_exec = [file] { return dup2(open(file.c_str(), O_RDONLY), 0) == 0; }};
}

TEST_F(Generate, SamplesAreTheTextsOfTheirSeeds) {
  const Words prompt{"--prompt", "The ", "--tokens", "60"};  // beyond the context of 32
  const auto together = samples(prompt + Words{"--samples", "3", "--seed", "5"});
  ASSERT_EQ(together.size(), 3U);
  for (size_t s = 0; s < 3; ++s) {
    EXPECT_EQ(together[s]["seed"], 5 + s);
    EXPECT_EQ(together[s]["text"], text(prompt + Words{"--seed", std::to_string(5 + s)})) << s;
  }
  EXPECT_NE(together[0]["text"], together[1]["text"]);
  const auto plain = generate(prompt + Words{"--samples", "3", "--seed", "5"});
  EXPECT_THAT(plain.output,
              AllOf(HasSubstr("--- sample 1, seed 5\nThe "), HasSubstr("\n--- sample 3, seed 7\nThe ")));
}

TEST_F(Generate, APromptIsATextAFileOrStandardInput) {
  const Words tokens{"--tokens", "20"};
  const std::string expected = text(tokens + Words{"--prompt", "The sea"});
  const Path file = folder_->write("prompt", "The sea\n");
  EXPECT_EQ(text(tokens + Words{"--prompt-file", file.string()}), expected);
  const auto piped = generate(tokens + Words{"--prompt", "-"}, reading(file));
  EXPECT_EQ(piped.output, "The sea" + expected + "\n");
  const auto empty = generate(tokens + Words{"--prompt", "-"}, reading(folder_->write("empty", "")));
  EXPECT_EQ(empty.exit_code, 0);
  EXPECT_THAT(empty.output, HasSubstr("standard input is empty: begins a new document"));
  const auto closed = generate(tokens + Words{"--prompt", "-"},
                               {.environment = {}, .before_exec = [] { return close(0) == 0; }});
  EXPECT_EQ(closed.exit_code, 0) << closed.output;
}

TEST_F(Generate, RefusesPromptsThatItCantRead) {
  const auto longer = generate({"--prompt", std::string(40, 'e')});
  EXPECT_EQ(longer.exit_code, 2);
  EXPECT_THAT(longer.output, HasSubstr("the prompt has 40 tokens, but the model reads at most 31"));
  EXPECT_EQ(generate({"--prompt-file", (*folder_ / "none").string()}).exit_code, 2);
  EXPECT_EQ(generate({"--prompt", "a", "--prompt-file", "b"}).exit_code, 2);
  EXPECT_EQ(generate({"--interactive", "--prompt", "a"}).exit_code, 2);
  const auto invalid = generate({"--prompt", "a\xFFz", "--tokens", "3"});
  EXPECT_EQ(invalid.exit_code, 0);
  EXPECT_THAT(invalid.output, AllOf(HasSubstr("not UTF-8 in 1 place"), HasSubstr("a\xEF\xBF\xBDz")));
}

TEST_F(Generate, StopsBeforeAStopText) {
  const std::string all = text({"--tokens", "60", "--seed", "3"});
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  size_t at = 10;  // of two letters: a stop text is whole characters
  while (at + 1 < all.size() && !(is_letter(all[at]) && is_letter(all[at + 1]))) ++at;
  const std::string stop = all.substr(at, 2);
  ASSERT_EQ(stop.size(), 2U) << all;
  const auto stopped =
      samples({"--tokens", "60", "--seed", "3", "--stop", "never there", "--stop", stop}).at(0);
  EXPECT_EQ(stopped["text"], all.substr(0, all.find(stop)));
  EXPECT_EQ(stopped["end"], "stop text");
  EXPECT_EQ(generate({"--stop", ""}).exit_code, 2);
}

TEST_F(Generate, SamplingFollowsItsOptions) {
  const Words base{"--tokens", "30", "--seed", "1"};
  const std::string greedy = text(base + Words{"--temperature", "0"});
  EXPECT_EQ(text(base + Words{"--min-p", "1"}), greedy);
  EXPECT_EQ(text(base + Words{"--top-k", "1"}), greedy);
  EXPECT_NE(text(base), greedy);
  const std::string varied = text(base + Words{"--temperature", "0", "--repetition-penalty", "2"});
  EXPECT_GT(std::set<char>(varied.begin(), varied.end()).size(),
            std::set<char>(greedy.begin(), greedy.end()).size())
      << varied << "\n"
      << greedy;
  EXPECT_EQ(samples({"--tokens", "5", "--precision", "bf16"}).at(0)["tokens"], 5);
}

TEST_F(Generate, LearnedPositionsEndAndRotaryOnesContinueWithAWarning) {
  const auto refused = generate({"--context", "33"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.output,
              HasSubstr("--context must be at most 32, the positions that this model has learned (got 33)"));
  EXPECT_EQ(generate({"--context", "16", "--tokens", "40"}).exit_code, 0);
  const Path llama = *folder_ / "llama";
  ASSERT_EQ(run_program(binary(), tiny_run(llama) + Words{"--arch", "llama", "--steps", "2"}).exit_code, 0);
  const Words more{"generate", "--checkpoint", llama.string(), "--prompt", std::string(40, 'e'), "--tokens",
                   "30"};
  EXPECT_THAT(run_program(binary(), more).output, HasSubstr("shorten it or raise --context"));
  const auto longer = run_program(binary(), more + Words{"--context", "64"});
  EXPECT_EQ(longer.exit_code, 0);
  EXPECT_THAT(longer.output, HasSubstr("--context 64 is beyond the 32 positions"));
}

TEST_F(Generate, AnExportedGgufWritesTheTextOfItsCheckpoint) {
  const Words prompt{"--prompt", "The sea", "--tokens", "50", "--seed", "2"};
  const std::string expected = "The sea" + text(prompt) + "\n";
  for (const char* type : {"f32", "q8_0"}) {
    const Path output = *folder_ / type;
    const auto made = run_program(binary(), {"export", "--checkpoint", state().string(), "--output",
                                             output.string(), "--format", "gguf", "--type", type});
    ASSERT_EQ(made.exit_code, 0) << made.output;
    const std::string file = (output / (output.filename().string() + ".gguf")).string();
    const auto run = run_program(binary(), Words{"generate", "--checkpoint", file} + prompt);
    EXPECT_EQ(run.exit_code, 0) << run.output;
    if (std::string_view(type) == "f32") {
      EXPECT_EQ(run.output, expected);
    }
  }
}

TEST_F(Generate, TakesTheNewestCheckpointOfTheDefaultStateFolder) {
  const Words plain{"generate", "--tokens", "20"};
  const auto found =
      run_program(binary(), plain, {.environment = {{"XDG_STATE_HOME", (*folder_ / "state").string()}}});
  EXPECT_EQ(found.exit_code, 0);
  EXPECT_THAT(found.output, HasSubstr(text({"--tokens", "20"})));
  const auto none =
      run_program(binary(), plain, {.environment = {{"XDG_STATE_HOME", (*folder_ / "no").string()}}});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.output, AllOf(HasSubstr("--checkpoint is missing"), HasSubstr("holds no run")));
}

TEST_F(Generate, AnInteractiveSessionFromAFileAnswersEachLine) {
  const std::string first = text({"--prompt", "The ", "--tokens", "20", "--temperature", "0"});
  const Path lines =
      folder_->write("lines",
                     "/temperature 0\n/tokens 20\nThe \n/temprature 1\n/top-p 7\n/reload\n//x\n"
                     "two\\\nlines\n/continue\n/settings\n/quit\nnever\n");
  const auto run = generate({"--interactive"}, reading(lines));
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output,
              AllOf(HasSubstr("The " + first + "\n"),
                    HasSubstr("/temprature is not a command; did you mean /temperature?"),
                    HasSubstr("/top-p must be a number between"), HasSubstr("still checkpoint of step 40"),
                    HasSubstr("\n/x"), HasSubstr("\ntwo\nlines"), HasSubstr("temperature         0\n")));
  EXPECT_THAT(run.output, AllOf(Not(HasSubstr("never")), Not(HasSubstr("type the beginning"))));
  EXPECT_EQ(generate({"--interactive"}, reading("/dev/null")).exit_code, 0);
}

/// A terminal with an interactive session, and what is on it.
class Session {
 public:
  Session(const Words& words, const Path& xdg_state) : surroundings_(terminal_.surroundings()) {
    surroundings_.environment.emplace_back("XDG_STATE_HOME", xdg_state.string());
    program_ = std::make_unique<Program>(binary(), words, surroundings_);
  }
  /// Whether the text comes after what was there at the last call that found one.
  bool shows(const std::string& text) {
    return program_->wait_until(
        [&] {
          const size_t at = terminal_.screen().find(text, seen_);
          if (at != std::string::npos) seen_ = at + text.size();
          return at != std::string::npos;
        },
        kPatience);
  }
  void type(const std::string& keys) { terminal_.type(keys); }
  std::string rest() { return terminal_.screen().substr(seen_); }
  bool ends() { return program_->ends_within(kPatience); }
  int exit_code() { return program_->wait().exit_code; }
  const Program& program() const { return *program_; }
  PseudoTerminal& terminal() { return terminal_; }

 private:
  PseudoTerminal terminal_;
  Surroundings surroundings_;
  std::unique_ptr<Program> program_;
  size_t seen_ = 0;
};

TEST_F(Generate, OnATerminalCtrlCStopsATextAndCtrlDEnds) {
  const Path history = *folder_ / "history";
  {
    Session session(words({"--interactive", "--tokens", "12"}), history);
    ASSERT_TRUE(session.shows("checkpoint of step 40")) << session.rest();
    ASSERT_TRUE(session.shows("> ")) << session.rest();
    session.type("The sea\r");
    ASSERT_TRUE(session.shows("seed 0, number of tokens]")) << session.rest();
    session.type("discarded\x03");
    ASSERT_TRUE(session.shows("^C")) << session.rest();
    session.type("/tokens 100000000\r");
    session.type("Again\r");
    ASSERT_TRUE(session.shows("\nAgain")) << session.rest();
    session.type("\x03");
    ASSERT_TRUE(session.shows("seed 1, stopped]")) << session.rest();
    session.type("/reload\r");
    ASSERT_TRUE(session.shows("still checkpoint of step 40")) << session.rest();
    session.type("\x04");
    ASSERT_TRUE(session.ends()) << session.rest();
    EXPECT_EQ(session.exit_code(), 0);
  }
  EXPECT_EQ(read_file(history / "pretrain_history"), "The sea\n/tokens 100000000\nAgain\n/reload\n");
  // The next session brings lines back: /reload, Again, then the one before.
  Session session(words({"--interactive", "--tokens", "5"}), history);
  ASSERT_TRUE(session.shows("> ")) << session.rest();
  session.type("\x1b[A\x1b[A\r");
  ASSERT_TRUE(session.shows("seed 0, number of tokens]")) << session.rest();
  session.program().signal(SIGTERM);
  ASSERT_TRUE(session.ends()) << session.rest();
  EXPECT_EQ(session.exit_code(), 0);
}

TEST_F(Generate, ASessionReloadsARunThatContinues) {
  const Path state = *folder_ / "continued";
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "2"}).exit_code, 0);
  const std::string checkpoint = (checkpoints_folder(state) / checkpoint_name(2)).string();
  Session session({"generate", "--checkpoint", checkpoint, "--interactive", "--tokens", "5"},
                  *folder_ / "history2");
  ASSERT_TRUE(session.shows("checkpoint of step 2")) << session.rest();
  ASSERT_EQ(run_program(binary(), {"resume", "--state", state.string(), "--steps", "4"}).exit_code, 0);
  std::filesystem::remove_all(checkpoint);  // the session has it in memory
  session.type("A\r");
  ASSERT_TRUE(session.shows("seed 0, ")) << session.rest();
  session.type("/reload\r");
  ASSERT_TRUE(session.shows("checkpoint of step 4 (before: checkpoint of step 2)")) << session.rest();
  std::filesystem::remove_all(state);
  session.type("/reload\r");
  ASSERT_TRUE(session.shows("no such folder")) << session.rest();
  session.type("A\r");
  ASSERT_TRUE(session.shows("seed 1, ")) << session.rest();
  session.terminal().hang_up();
  ASSERT_TRUE(session.ends());
}

TEST_F(Generate, NoTextOfAModelControlsTheTerminalOfASession) {
  const Path state = *folder_ / "noise";
  ASSERT_EQ(run_program(binary(), tiny_run(state) + Words{"--steps", "1"}).exit_code, 0);
  Session session({"generate", "--checkpoint", state.string(), "--interactive", "--tokens", "200"},
                  *folder_ / "h3");
  size_t shown = 0;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(session.shows("> ")) << session.rest();
    session.type("QQ\r");
    ASSERT_TRUE(session.shows(" tokens/s, seed ")) << session.rest();
    const std::string screen = session.terminal().screen();
    const size_t end = screen.rfind("\n[");
    const size_t begin = screen.rfind("\nQQ", end);
    ASSERT_LT(begin, end) << screen;
    const std::string answer = screen.substr(begin, end - begin);
    shown += answer.size();
    EXPECT_TRUE(std::ranges::none_of(answer, [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return (byte < 0x20 && c != '\n' && c != '\t' && c != '\r') || byte == 0x7f;
    })) << answer;
  }
  EXPECT_GT(shown, 100U);
  session.type("/quit\r");
  EXPECT_TRUE(session.ends());
}

}  // namespace
}  // namespace pretrain::test
