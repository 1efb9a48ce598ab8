// SPDX-License-Identifier: Apache-2.0
// `pretrain eval` of several checkpoints, file by file, with questions, and as JSON.

#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class Eval : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    const auto run = run_program(
        binary(), tiny_run(state()) + Words{"--steps", "40", "--checkpoint-every", "20", "--keep", "5"});
    ASSERT_EQ(run.exit_code, 0) << run.output;
    for (const char* name : {"wiki_00", "wiki_03"}) {
      const std::string whole = read_file(Path(sample_corpus()) / name);
      folder_->write(fmt::format("text/{}", name), whole.substr(0, whole.find("</doc>", 4000) + 7));
    }
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static Path state() { return *folder_ / "run"; }
  /// Two files, short enough to be evaluated often.
  static std::string text() { return (*folder_ / "text").string(); }
  static std::string checkpoint(uint64_t step) {
    return (checkpoints_folder(state()) / checkpoint_name(step)).string();
  }
  static std::string tasks() { return (source_folder() / "deploy/sample-corpus/cloze.jsonl").string(); }
  static ProgramResult eval(Words words) {
    words.insert(words.begin(), "eval");
    return run_program(binary(), words);
  }
  static json scores(Words words) {
    words.push_back("--json");
    const auto run = eval(words);
    EXPECT_EQ(run.exit_code, 0) << run.output;
    return json::parse(run.output.substr(run.output.rfind("{\"models\"")));
  }

  static std::unique_ptr<TempFolder> folder_;
};

std::unique_ptr<TempFolder> Eval::folder_;

TEST_F(Eval, FilesAddUpToTheCorpus) {
  const json model =
      scores({"--checkpoint", state().string(), "--corpus", text(), "--per-file"}).at("models").at(0);
  ASSERT_EQ(model["files"].size(), 2U);
  uint64_t tokens = 0;
  double loss = 0;
  for (const json& file : model["files"]) {
    tokens += file["tokens"].get<uint64_t>();
    loss += file["loss"].get<double>() * file["tokens"].get<double>();
    const Path path = Path(text()) / file["file"].get<std::string>();
    const json alone = scores({"--checkpoint", state().string(), path.string()}).at("models").at(0);
    EXPECT_EQ(alone["text"]["loss"], file["loss"]) << path;
  }
  EXPECT_EQ(model["text"]["tokens"], tokens);
  EXPECT_NEAR(model["text"]["loss"].get<double>(), loss / static_cast<double>(tokens), 1e-9);
  EXPECT_EQ(model["text"]["is_whole"], true);
  const auto table = eval({"--checkpoint", state().string(), "--corpus", text(), "--per-file"});
  EXPECT_THAT(table.output,
              AllOf(HasSubstr("bits/byte"), HasSubstr("  wiki_00\n"), HasSubstr("  wiki_03\n")));
}

TEST_F(Eval, WindowsOfRotaryModelsCanBeShorter) {
  const std::string rotary = (source_folder() / "tests/golden/data/llama").string();
  const auto loss = [&](const Words& more) {
    Words words{"--checkpoint", rotary, "--corpus", text()};
    words.insert(words.end(), more.begin(), more.end());
    return scores(words).at("models").at(0)["text"]["loss"].get<double>();
  };
  EXPECT_EQ(loss({"--context", "32"}), loss({})) << "that of the model";
  EXPECT_NE(loss({"--context", "4"}), loss({}));
  const auto learned = eval({"--checkpoint", state().string(), "--corpus", text(), "--context", "16"});
  EXPECT_EQ(learned.exit_code, 2) << learned.output;
  EXPECT_THAT(learned.output, HasSubstr("--context 16 needs rotary positions"));
}

TEST_F(Eval, SeveralCheckpointsAreOneTable) {
  const json all = scores({"--checkpoint", state().string(), "--all-checkpoints", "--corpus", text()});
  ASSERT_EQ(all["models"].size(), 3U);
  double before = 1e9;
  for (size_t i = 0; i < 3; ++i) {
    const json& model = all["models"][i];
    EXPECT_EQ(model["step"], 20 * i);
    const json alone = scores({"--checkpoint", checkpoint(20 * i), text()});
    EXPECT_EQ(model, alone["models"][0]) << "a model does not depend on those before it";
    EXPECT_LT(model["text"]["loss"].get<double>(), before);
    before = model["text"]["loss"];
  }
  const auto table = eval(
      {"--checkpoint", checkpoint(0), "--checkpoint", checkpoint(40), "--corpus", text(), "--task", tasks()});
  EXPECT_EQ(table.exit_code, 0) << table.output;
  EXPECT_THAT(table.output, AllOf(HasSubstr("perplexity"), HasSubstr(checkpoint(0) + "\n"),
                                  HasSubstr(checkpoint(40) + "\n"), HasSubstr("normalised"),
                                  HasSubstr("cloze.jsonl, " + checkpoint(0) + "\n")));
}

TEST_F(Eval, QuestionsAreAnsweredWithoutACorpus) {
  const json model = scores({"--checkpoint", state().string(), "--task", tasks()}).at("models").at(0);
  EXPECT_FALSE(model.contains("text"));
  const json& task = model["tasks"].at(0);
  EXPECT_EQ(task["task"], "cloze.jsonl");
  EXPECT_EQ(task["questions"], 64);
  for (const char* key : {"acc", "acc_norm"}) {
    EXPECT_GT(task[key].get<double>(), 0) << key;
    EXPECT_LT(task[key].get<double>(), 1) << key;
  }
  const auto plain = eval({"--checkpoint", state().string(), "--task", tasks()});
  EXPECT_THAT(plain.output, AllOf(HasSubstr("cloze.jsonl: 64 questions, accuracy 0."),
                                  HasSubstr("normalised by length 0.")));
}

TEST_F(Eval, LogitsAreOfWholeNumbersAlone) {
  const auto logits = [&](const std::string& ids, const Words& more = {}) {
    return eval(Words{"--checkpoint", state().string(), "--logits", folder_->write("ids.txt", ids).string()} +
                more);
  };
  EXPECT_EQ(json::parse(logits("5 6\n7\n").output)["logits"].size(), 3U);
  for (const char* wrong : {"5 6.5", "5 six 7", "-1", "4294967296", "99999", "", "5,6"})
    EXPECT_EQ(logits(wrong).exit_code, 2) << wrong;
  EXPECT_THAT(logits("5 6.5").output, HasSubstr("(got 6.5)"));
  EXPECT_THAT(logits("5", {"--task", tasks()}).output, HasSubstr("leave out --task"));
  EXPECT_THAT(logits("5", {"--corpus", text()}).output, HasSubstr("leave out --corpus"));
}

/// Computing all positions of this context would take many minutes.
TEST_F(Eval, LogitsOfAFewTokensDoNotNeedALongContext) {
  const Path model = *folder_ / "long";
  std::filesystem::copy(source_folder() / "tests/golden/data/llama", model);
  json config = json::parse(read_file(model / "config.json"));
  config["max_position_embeddings"] = 65536;
  folder_->write("long/config.json", config.dump());
  const std::string ids = folder_->write("few.txt", "3 4 5 6").string();
  const auto shorter =
      eval({"--checkpoint", (source_folder() / "tests/golden/data/llama").string(), "--logits", ids});
  const auto longer = eval({"--checkpoint", model.string(), "--logits", ids});
  ASSERT_EQ(longer.exit_code, 0) << longer.output;
  EXPECT_EQ(json::parse(longer.output)["logits"], json::parse(shorter.output)["logits"]);
}

TEST_F(Eval, TellsWhatItCouldNotRead) {
  const std::string damaged =
      folder_
          ->write("damaged.jsonl", R"({"text": "A text of some length, which is whole."})"
                                   "\n{broken\n"
                                   R"({"text": ""})"
                                   "\n")
          .string();
  const auto run = eval({"--checkpoint", state().string(), "--corpus", damaged});
  EXPECT_THAT(run.output,
              AllOf(HasSubstr("skipped: 1 invalid JSON\n"), HasSubstr("what can be read of the corpus")));
  EXPECT_EQ(scores({"--checkpoint", state().string(), "--corpus", damaged})["models"][0]["text"]["damaged"],
            1);
  EXPECT_EQ(scores({"--checkpoint", state().string(), "--corpus", text()})["models"][0]["text"]["damaged"],
            0);
}

/// `eval MODEL --corpus FILE`, as other commands take it.
TEST_F(Eval, AModelIsNoText) {
  for (const std::string& model : {state().string(), checkpoint(20)}) {
    const auto run = eval({model, "--corpus", text()});
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.output, HasSubstr("give it as --checkpoint " + model));
  }
}

TEST_F(Eval, RefusesWhatItCantAnswer) {
  EXPECT_EQ(eval({"--checkpoint", state().string()}).exit_code, 2);
  EXPECT_EQ(eval({"--checkpoint", state().string(), "--task", tasks(), "--per-file"}).exit_code, 2);
  const Path bad = folder_->write("bad.jsonl", "{\"context\": \"a\"}\n");
  const auto run = eval({"--checkpoint", state().string(), "--task", bad.string()});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.output, HasSubstr("bad.jsonl, line 1: not a question"));
  const auto absent = eval({"--checkpoint", state().string(), "--task", (*folder_ / "absent").string()});
  EXPECT_EQ(absent.exit_code, 2);
  EXPECT_THAT(absent.output, AllOf(HasSubstr("--task: "), HasSubstr("check the path")));
  EXPECT_EQ(eval({"--checkpoint", checkpoint(20), "--all-checkpoints", "--corpus", text()}).exit_code, 3);
}

}  // namespace
}  // namespace pretrain::test
