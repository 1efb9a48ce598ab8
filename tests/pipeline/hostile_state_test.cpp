// SPDX-License-Identifier: Apache-2.0
// Malicious states of a stream are refused, or as harmless as a valid one.

#include "tests/pipeline/hostile_state.h"

#include <string>

#include <gtest/gtest.h>

#include "libs/base/rng.h"

namespace pretrain::test {
namespace {

class HostileStates : public testing::TestWithParam<Packing> {
 protected:
  const HostileState state_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Packings, HostileStates, testing::Values(Packing::kConcat, Packing::kChunk),
                         [](const auto& packing) {
                           return std::string(row_of(kPackings, packing.param).name);
                         });

TEST_P(HostileStates, ASoundOneIsTaken) {
  EXPECT_TRUE(state_.survive(state_.sound()));
}

TEST_P(HostileStates, OfRandomBytesAreHarmless) {
  constexpr uint64_t kSeed = 20'261;
  RecordProperty("seed", static_cast<int>(kSeed));
  Rng rng(kSeed);
  int refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string bytes(1, '\0');
    const uint64_t changes = 1 + rng.below(4);
    for (uint64_t i = 0; i < 4 * changes; ++i) bytes += static_cast<char>(rng.below(256));
    if (rng.below(20) == 0) bytes[2] = bytes[3] = static_cast<char>(0xff);
    refused += state_.survive(state_.changed(bytes)) ? 0 : 1;
  }
  EXPECT_GT(refused, 500) << "seed " << kSeed;
}

TEST_P(HostileStates, OfAnyScalarAreHarmless) {
  const nlohmann::json odd{0,
                           1,
                           -1,
                           uint64_t{1} << 31,
                           uint64_t{1} << 32,
                           uint64_t{1} << 63,
                           ~0ULL,
                           1e300,
                           true,
                           nullptr,
                           "text",
                           nlohmann::json::array(),
                           {1, -2, 3},
                           {{0, 0, 0, 0}},
                           {{"a", 1}},
                           {{{"number", -1}, {"epoch", 0}}}};
  for (const auto& [field, sound] : state_.sound().scalars.items()) {
    for (const nlohmann::json& value : odd) {
      const nlohmann::json change{{field, value}};
      (void)state_.survive(state_.changed(change.dump()));
    }
  }
  for (const auto& [field, sound] : state_.sound().scalars["cursor"].items()) {
    for (const nlohmann::json& value : odd) {
      nlohmann::json cursor = state_.sound().scalars["cursor"];
      cursor[field] = value;
      (void)state_.survive(state_.changed(nlohmann::json{{"cursor", cursor}}.dump()));
    }
  }
}

}  // namespace
}  // namespace pretrain::test
