// SPDX-License-Identifier: Apache-2.0
// Whether a run fits into memory and disk is told before it starts.

#include <regex>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/pretrain/report.h"
#include "libs/base/error.h"
#include "libs/checkpoint/verify.h"
#include "libs/optim/optimizer_set.h"
#include "libs/world/slot_exchange.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Resources : public testing::Test {
 protected:
  /// What is said when the run is refused, else "".
  std::string refusal(const KeyValues& more, uint64_t available_bytes) const {
    KeyValues given{{"corpus", "/wiki"}, {"model", "tiny"}, {"state", folder_.path().string()}};
    for (const auto& [key, value] : more) given[key] = value;
    const RunConfiguration config = to_configuration(resolve(given));
    try {
      check_resources(config, ParameterLayout(config.model),
                      {.processor = "one for tests",
                       .cores = 64,
                       .memory_bytes = available_bytes,
                       .available_bytes = available_bytes});
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.what();
    }
    return "";
  }

  /// The least memory that the check takes as enough.
  uint64_t needs(const KeyValues& more) const {
    uint64_t too_little = 0, enough = uint64_t{1} << 40;
    testing::internal::CaptureStdout();  // the log, again and again
    while (enough - too_little > 1) {
      const uint64_t middle = too_little + (enough - too_little) / 2;
      (refusal(more, middle).empty() ? enough : too_little) = middle;
    }
    testing::internal::GetCapturedStdout();
    return enough;
  }

  static RunConfiguration configuration(const KeyValues& more) {
    KeyValues given{{"corpus", "/wiki"}, {"model", "tiny"}, {"state", "/run"}};
    for (const auto& [key, value] : more) given[key] = value;
    return to_configuration(resolve(given));
  }

  static constexpr uint64_t kMuch = uint64_t{1} << 60;
  const test::TempFolder folder_;
};

TEST_F(Resources, ThatSufficeAreNoFault) {
  EXPECT_EQ(refusal({{"shuffle-buffer", "100"}}, 1'000'000'000), "");
}

TEST_F(Resources, OfTooLittleMemoryAreRefusedWithBothNumbers) {
  EXPECT_THAT(refusal({{"shuffle-buffer", "100"}}, 1'000'000),
              AllOf(HasSubstr("of memory"), HasSubstr("1.00 MB"), HasSubstr("a smaller --model")));
}

/// The options that a refusal names, as keys and values.
KeyValues options_in(const std::string& text) {
  const std::regex option("--([a-z-]+) ([a-z0-9]+)");
  KeyValues found;
  for (auto at = std::sregex_iterator(text.begin(), text.end(), option); at != std::sregex_iterator(); ++at)
    found[(*at)[1]] = (*at)[2];
  return found;
}

TEST_F(Resources, OfTooLittleMemoryAreRefusedWithOptionsThatAreEnough) {
  const std::vector<std::pair<const char*, KeyValues>> hungry{
      {"queue", {{"queue", "100000"}}},
      {"micro-batch-tokens", {{"batch", "4096"}, {"micro-batch-tokens", "1000000"}, {"queue", "2"}}},
      {"recompute",
       {{"layers", "32"}, {"d-model", "128"}, {"recompute", "none"}, {"micro-batch-tokens", "1024"}}},
      {"shuffle-buffer", {{"shuffle-buffer", "3000000"}}},
      {"optimizer", {{"d-model", "1024"}, {"layers", "12"}, {"recompute", "layers"}}}};
  for (const auto& [key, values] : hungry) {
    const uint64_t enough = needs(values);
    const std::string text = refusal(values, enough - enough / 12);
    const KeyValues remedy = options_in(text);
    ASSERT_EQ(remedy.count(key), 1U) << text;
    EXPECT_EQ(remedy.size(), 1U) << "one is enough: " << text;
    KeyValues better = values;
    for (const auto& [name, value] : remedy) better[name] = value;
    EXPECT_EQ(refusal(better, enough - enough / 12), "") << text;
  }
}

TEST_F(Resources, OfFarTooLittleMemoryAreRefusedWithASmallerModel) {
  const KeyValues large{{"d-model", "1024"},           {"layers", "12"},           {"recompute", "layers"},
                        {"optimizer", "muon"},         {"shuffle-buffer", "1000"}, {"queue", "2"},
                        {"micro-batch-tokens", "1024"}};
  EXPECT_THAT(refusal(large, 500'000'000),
              AllOf(HasSubstr("available; use a smaller --model or --context"), Not(HasSubstr("with "))));
}

TEST_F(Resources, OfARunThatHasBegunAreRefusedWithOptionsThatItMayChange) {
  folder_.write("checkpoints/" + checkpoint_name(5) + "/manifest.json", "{}");
  const KeyValues deep{{"layers", "32"}, {"d-model", "128"}, {"recompute", "none"}, {"batch", "64"}};
  EXPECT_THAT(refusal(deep, needs(deep) - 1'000'000), HasSubstr("use --recompute layers, which needs"));
  const KeyValues shuffled{{"shuffle-buffer", "3000000"}, {"queue", "2"}};
  EXPECT_THAT(refusal(shuffled, 500'000'000),
              AllOf(HasSubstr("use a machine with more memory"), Not(HasSubstr("--shuffle-buffer"))));
}

TEST_F(Resources, CountTheBuffersAndTheQueueOfTheLoader) {
  EXPECT_EQ(refusal({{"shuffle-buffer", "1000"}, {"queue", "32"}}, 500'000'000), "");
  // Three million sequences of 33 tokens in 16 bits, with lengths and origins, in place and in a checkpoint.
  EXPECT_THAT(refusal({{"shuffle-buffer", "3000000"}}, 500'000'000), HasSubstr("of memory"));
  EXPECT_THAT(refusal({{"queue", "100000"}}, 500'000'000), HasSubstr("of memory"));
}

TEST_F(Resources, CountTheSumsOfSlots) {
  const KeyValues rows{{"micro-batch-tokens", "32"}};  // one row at a time, whatever the slots
  KeyValues slots = rows;
  slots["slots"] = "4";
  const uint64_t sum = ParameterLayout(configuration(rows).model).flat_size() * sizeof(float);
  EXPECT_EQ(needs(slots) - needs(rows), 2 * sum) << "three sums at once instead of one";
}

TEST_F(Resources, CountTheExchangeBetweenMachines) {
  const KeyValues slots{{"slots", "4"}};
  KeyValues shared = slots;
  shared.insert({{"listen", "127.0.0.1"}, {"secret-file", "/secret"}});
  EXPECT_EQ(needs(shared) - needs(slots),
            exchange_bytes(ParameterLayout(configuration(slots).model).flat_size()));
}

TEST_F(Resources, CountTheOptimizerThatTheRunHas) {
  const auto of_optimizer = [](const KeyValues& more) {
    const RunConfiguration config = configuration(more);
    const Optimizers optimizers = make_optimizers(ParameterLayout(config.model), config.trainer.optimizer);
    return static_cast<int64_t>(optimizer_memory_bytes(optimizers, config.threads));
  };
  const KeyValues muon{{"optimizer", "muon"}};
  ASSERT_NE(of_optimizer(muon), of_optimizer({}));
  EXPECT_EQ(static_cast<int64_t>(needs(muon) - needs({})), of_optimizer(muon) - of_optimizer({}));
}

TEST_F(Resources, CountWhatIsKeptForTheBackwardPass) {
  const KeyValues deep{{"layers", "8"}};
  const auto with = [&](const char* recompute) {
    KeyValues values = deep;
    values["recompute"] = recompute;
    return needs(values);
  };
  EXPECT_GT(with("none"), with("cheap"));
  EXPECT_GT(with("cheap"), with("layers"));
}

TEST_F(Resources, CountTheDocumentsToRemember) {
  const KeyValues many{{"deduplicate", "exact"}, {"deduplicate-documents", "10M"}};
  EXPECT_GE(needs(many) - needs({}), 2 * 40'000'000U) << "four bytes each, in place and in a checkpoint";
}

TEST_F(Resources, OfTheDiskCountTheShuffleBuffer) {
  const auto megabytes_of_a_checkpoint = [&](const char* sequences) {
    const std::string text = refusal({{"keep", "1000000"}, {"shuffle-buffer", sequences}}, kMuch);
    std::smatch found;
    EXPECT_TRUE(std::regex_search(text, found, std::regex("checkpoints of ([0-9.]+) MB need"))) << text;
    return found.empty() ? 0 : std::stod(found[1]);
  };
  // A million sequences of 33 tokens in 16 bits, with lengths and origins: 66, 4 and 12 bytes.
  EXPECT_NEAR(megabytes_of_a_checkpoint("1M") - megabytes_of_a_checkpoint("1"), 82, 0.2);
}

TEST_F(Resources, OfTooLittleDiskAreRefusedForANewRunOnly) {
  const KeyValues many{{"shuffle-buffer", "100"}, {"keep", "1000000"}, {"d-model", "1024"}, {"layers", "8"}};
  EXPECT_THAT(refusal(many, kMuch), AllOf(HasSubstr("free"), HasSubstr("1000001 checkpoints"),
                                          HasSubstr("--state"), Not(HasSubstr("of memory"))));
  std::filesystem::create_directories(checkpoints_folder(folder_.path()) / checkpoint_name(5));
  folder_.write("checkpoints/" + checkpoint_name(5) + "/manifest.json", "{}");
  EXPECT_EQ(refusal(many, kMuch), "") << "what is there counts towards what is kept";
}

TEST_F(Resources, OfTooLittleDiskAreToldForARunThatContinues) {
  const KeyValues many{{"shuffle-buffer", "100"}, {"keep", "1000000"}, {"d-model", "1024"}, {"layers", "8"}};
  folder_.write("checkpoints/" + checkpoint_name(5) + "/manifest.json", "{}");
  testing::internal::CaptureStdout();
  EXPECT_EQ(refusal(many, kMuch), "");
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              AllOf(HasSubstr("room for 1,000,000 more checkpoints"), HasSubstr("or saves may fail")));
}

TEST_F(Resources, AreComparedWithTheThreads) {
  testing::internal::CaptureStdout();  // where the log goes before the program has set it up
  EXPECT_EQ(refusal({{"threads", "65"}, {"workers", "64"}}, kMuch), "");
  const std::string output = testing::internal::GetCapturedStdout();
  EXPECT_THAT(output,
              AllOf(HasSubstr("--threads 65 is more than the 64 cores"), Not(HasSubstr("--workers"))));
}

}  // namespace
}  // namespace pretrain
