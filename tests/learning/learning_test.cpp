// SPDX-License-Identifier: Apache-2.0
// The parts of the rig: recipes, batches, spreads and the table.

#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "tests/learning/recipe.h"
#include "tests/learning/results.h"
#include "tests/learning/trial.h"
#include "tests/support/temp_folder.h"

namespace pretrain::learning {
namespace {

using testing::HasSubstr;

std::string sample_corpus() {
  return (test::source_folder() / "deploy/sample-corpus/shards").string();
}

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

constexpr std::string_view kTwo =
    R"({"common": {"model": "tiny", "seed": "1"},
        "recipes": [{"name": "a", "options": {}},
                    {"name": "b", "options": {"optimizer": "muon", "seed": "2"}}]})";

TEST(Recipes, AreTheCommonOptionsAndTheirOwn) {
  const RecipeBook book = parse_recipes(kTwo, "f.json");
  ASSERT_EQ(book.recipes.size(), 2U);
  EXPECT_EQ(book.recipes[0].options, (KeyValues{{"model", "tiny"}, {"seed", "1"}}));
  EXPECT_EQ(book.recipes[1].options, (KeyValues{{"model", "tiny"}, {"optimizer", "muon"}, {"seed", "2"}}));
  const RunConfiguration run = configuration_of(book.recipes[1], "/text", 70);
  EXPECT_EQ(run.trainer.optimizer.kind, OptimizerKind::kMuon);
  EXPECT_EQ(run.trainer.schedule.total_steps, 70U);
}

TEST(Recipes, OfTheProjectAreComparable) {
  for (const char* name : {"recipes.json", "quick.json", "optimizers.json"}) {
    const Path file = test::source_folder() / "tests/learning" / name;
    const RecipeBook book = parse_recipes(read_file(file), file.native());
    EXPECT_GE(book.recipes.size(), 8U);
    EXPECT_NO_THROW(check_comparable(book.recipes, "/text")) << name;
  }
}

TEST(Recipes, ThatCanNotBeComparedAreRefusedByName) {
  RecipeBook book = parse_recipes(kTwo, "f.json");
  for (const auto& [key, value] :
       KeyValues{{"context", "16"}, {"vocab", "900"}, {"validation-tokens", "64"}}) {
    std::vector<Recipe> recipes = book.recipes;
    recipes[1].options[key] = value;
    EXPECT_THAT(error_of([&] { check_comparable(recipes, "/text"); }), HasSubstr("recipe b has another"))
        << key;
  }
  book.recipes[1].options["optimizer"] = "sgd";
  EXPECT_THAT(error_of([&] { configuration_of(book.recipes[1], "/text", 1); }),
              testing::AllOf(HasSubstr("recipe b"), HasSubstr("--optimizer")));
}

TEST(Recipes, ThatAreNoneAreRefusedWithTheirFile) {
  for (const char* text : {R"({"recipes": []})", R"({"common": {}, "recipes": [{"name": "a"}]})",
                           R"({"common": {}, "recipes": [{"name": "a", "options": {"batch": 8}}]})",
                           R"({"common": {}, "recipes": [{"name": "a", "options": {}},
                                                         {"name": "a", "options": {}}]})"}) {
    EXPECT_THAT(error_of([&] { parse_recipes(text, "f.json"); }), HasSubstr("f.json")) << text;
  }
}

std::vector<uint32_t> counting(uint32_t count) {
  std::vector<uint32_t> tokens(count);
  for (uint32_t i = 0; i < count; ++i) tokens[i] = i;
  return tokens;
}

TEST(TokenRows, GiveEachRowOnceAnEpochInAnOrderOfTheSeed) {
  const TokenRows text(counting(41), 4);
  EXPECT_EQ(text.rows(), 10U);
  const auto first_tokens = [&](uint64_t seed, uint64_t begin) {
    std::vector<uint32_t> first;
    for (uint64_t step = begin; step < begin + 5; ++step) {
      const Batch batch = text.batch(seed, step, 2);
      EXPECT_EQ(batch.target_count, 8U);
      for (size_t i = 0; i < batch.inputs.size(); ++i)
        EXPECT_EQ(batch.targets[i], static_cast<int32_t>(batch.inputs[i] + 1));
      first.push_back(batch.inputs[0]);
      first.push_back(batch.inputs[4]);
    }
    return first;
  };
  const auto one = first_tokens(1, 0);
  EXPECT_EQ(std::set<uint32_t>(one.begin(), one.end()).size(), 10U);
  EXPECT_EQ(first_tokens(1, 0), one);
  EXPECT_NE(first_tokens(2, 0), one);
  EXPECT_NE(first_tokens(1, 5), one) << "another epoch, another order";
}

/// Recipes with other batch sizes see the same rows in the same order.
TEST(TokenRows, DoNotDependOnTheSizeOfABatch) {
  const TokenRows text(counting(101), 4);
  std::vector<uint32_t> small, large;
  for (uint64_t step = 0; step < 6; ++step) {
    const Batch batch = text.batch(3, step, 2);
    small.insert(small.end(), batch.inputs.begin(), batch.inputs.end());
  }
  for (uint64_t step = 0; step < 2; ++step) {
    const Batch batch = text.batch(3, step, 6);
    large.insert(large.end(), batch.inputs.begin(), batch.inputs.end());
  }
  EXPECT_EQ(small, large);
}

TEST(QuietSeconds, AreThoseOfStepsThatNothingDisturbs) {
  std::vector<double> seconds(20, 5.0);
  EXPECT_EQ(quiet_seconds(seconds), 5.0);
  for (const size_t quiet : {3U, 7U, 12U}) seconds[quiet] = 1.0;
  EXPECT_EQ(quiet_seconds(seconds), 1.0);
  seconds[3] = 0.5;  // one alone may be a fault of the clock
  EXPECT_EQ(quiet_seconds(seconds), 1.0);
}

TEST(RelativeSeconds, StayWhatTheyAreOnAMachineThatIsSlowForAWhile) {
  std::vector<std::vector<double>> rounds;
  for (int i = 0; i < 9; ++i) {
    const double slow = 1.0 + i % 4;
    rounds.push_back({slow, 1.5 * slow, 0.5 * slow});
  }
  rounds[3][1] = 40.0;  // one step that was interrupted
  EXPECT_EQ(relative_seconds(rounds), (std::vector<double>{1.0, 1.5, 0.5}));
  for (std::vector<double>& round : rounds) round[2] = round[1];
  EXPECT_EQ(relative_seconds(rounds), (std::vector<double>{1.0, 1.5, 1.5}));
}

TEST(StepsWithin, CountTheSmallStepsOfARampForLess) {
  EXPECT_EQ(steps_within(10, {2, 2}, {}), 5U);
  EXPECT_EQ(steps_within(0.1, {2, 2}, {}), 1U);
  const BatchRamp ramp{.steps = 4, .most = 3};    // 1, 1, 2, 2, then 3 batches
  EXPECT_EQ(steps_within(10, {3, 1}, ramp), 5U);  // 1 + 1 + 2 + 2 + 3
  EXPECT_EQ(steps_within(8.9, {3, 1}, ramp), 4U);
  EXPECT_EQ(steps_within(3.9, {3, 1}, ramp), 2U);
}

std::vector<Outcome> outcomes(const std::vector<std::pair<std::string, double>>& bits) {
  std::vector<Outcome> all;
  uint64_t seed = 1;
  for (const auto& [recipe, value] : bits) all.push_back({recipe, seed++, 60, 100, 0.6, 1000, 7, value});
  return all;
}

TEST(Results, ComeBackFromTheirFile) {
  const std::vector<Outcome> all = outcomes({{"a", 1.25}, {"b", 2.0 / 3}});
  const auto back = parse_csv(csv_header() + to_csv(all[0]) + to_csv(all[1]), "t.csv");
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(back[1].bits_per_byte, 2.0 / 3);
  EXPECT_EQ(back[0].recipe, "a");
  EXPECT_EQ(back[1].steps, 100U);
  EXPECT_THAT(error_of([] { parse_csv(csv_header() + "a,1,2\n", "t.csv"); }), HasSubstr("t.csv, line 2"));
}

TEST(Results, AreClearBeyondTwiceTheSpreadOnly) {
  const auto verdict = [](double b1, double b2) {
    const auto s = summarize(outcomes({{"a", 2.00}, {"a", 2.01}, {"b", b1}, {"b", b2}}));
    return differs_clearly(s.at(0), s.at(1));
  };
  EXPECT_TRUE(verdict(1.950, 1.955));
  EXPECT_FALSE(verdict(1.990, 1.995)) << "within twice the spread of a";
  EXPECT_FALSE(verdict(1.90, 1.97)) << "within twice the spread of b";
  const auto single = summarize(outcomes({{"a", 2.0}, {"b", 1.0}}));
  EXPECT_FALSE(differs_clearly(single.at(0), single.at(1))) << "no spread is known";
}

TEST(Results, TheTableNamesMeansSpreadsAndClearDifferences) {
  const std::string table =
      to_table(summarize(outcomes({{"a", 2.00}, {"a", 2.01}, {"b", 1.9}, {"b", 1.902}, {"c", 2.0}})), "a");
  EXPECT_THAT(table, HasSubstr("| 60 | a | 100 | 600.00 | 2.0050 | 0.0100 | 2 |  |"));
  EXPECT_THAT(table, HasSubstr("| 1.9010 | 0.0020 | 2 | -0.1040, clear |"));
  EXPECT_THAT(table, HasSubstr("| 2.0000 |  | 1 | -0.0050 |"));
}

TEST(Trial, LearnsAndIsRepeatable) {
  const test::TempFolder folder;
  const RecipeBook book = parse_recipes(
      R"({"common": {"model": "tiny", "vocab": "400", "tokenizer-type": "bpe", "validation-fraction": "0.1",
                     "validation-tokens": "2000", "warmup": "5"},
          "recipes": [{"name": "a", "options": {"optimizer": "muon", "schedule": "linear", "accumulate": "2",
                                                "batch-ramp": "20"}}]})",
      "f.json");
  const RunConfiguration config = configuration_of(book.recipes[0], sample_corpus(), 40);
  const Text text = read_text(config, 1'000'000, folder.path());
  const auto train = [&](uint64_t seed) {
    Compute compute(1);
    Trial trial(compute, config, text, seed);
    const double before = trial.evaluate().bits_per_byte;
    while (trial.steps() < 40) trial.step();
    EXPECT_EQ(trial.step_seconds().size(), 40U);
    EXPECT_EQ(trial.tokens(), 60U * static_cast<uint64_t>(config.batch * config.model.context));
    const double after = trial.evaluate().bits_per_byte;
    EXPECT_LT(after, 0.9 * before);
    return after;
  };
  const double first = train(1);
  EXPECT_EQ(train(1), first);
  EXPECT_NE(train(2), first);
}

}  // namespace
}  // namespace pretrain::learning
