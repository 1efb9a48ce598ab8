// SPDX-License-Identifier: Apache-2.0
// What a machine that joins is given, and the numbers by which machines know that they have the same.

#include "libs/world/replica_state.h"

#include <cmath>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "libs/fabric/local_fabric.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

constexpr std::chrono::seconds kPatience(60);
/// More than two of the parts in which arrays are sent.
constexpr size_t kLarge = 2 * (size_t{4} << 20) + 3;

/// A machine whose parameters are as many as the test likes.
class Machine {
 public:
  Machine(size_t count, float first)
      : compute_(1),
        model_(compute_, {.config = test::tiny_model(), .rows = 2}),
        optimizer_(compute_, model_.layout(), make_optimizers(model_.layout(), {})),
        pass_(compute_, model_, 1) {
    for (size_t i = 0; i < count; ++i) parameters.push_back(first + static_cast<float>(i % 1000));
    float value = first;
    for (const OptimizerSet::State& state : optimizer_.state()) {
      for (float& element : state.values) element = value += 1;
    }
  }

  Replica replica() {
    return {.compute = compute_,
            .model = model_,
            .parameters = parameters,
            .optimizer = optimizer_,
            .pass = pass_};
  }
  std::vector<float> moments() const {
    std::vector<float> all;
    for (const OptimizerSet::State& state : optimizer_.state())
      all.insert(all.end(), state.values.begin(), state.values.end());
    return all;
  }

  std::vector<float> parameters;

 private:
  Compute compute_;
  Transformer model_;
  OptimizerSet optimizer_;
  GradientPass pass_;
};

TEST(ReplicaState, IsGivenWholeHoweverManyPartsItHas) {
  LocalNetwork network({.size = 2});
  Machine giver(kLarge, 1), taker(kLarge, -5000);
  std::jthread giving(
      [&, fabric = network.take_fabric(0)] { give_state(giver.replica(), *fabric, 1, kPatience); });
  const auto fabric = network.take_fabric(1);
  take_state(taker.replica(), *fabric, 0, kPatience);
  giving.join();
  EXPECT_TRUE(taker.parameters == giver.parameters);
  EXPECT_EQ(taker.moments(), giver.moments());
}

TEST(ReplicaState, HasAHashOfEachParameter) {
  Machine machine(100'000, 1);
  const uint64_t whole = hash_of_parameters(machine.replica());
  EXPECT_EQ(hash_of_parameters(machine.replica()), whole);
  for (const size_t i : {size_t{0}, size_t{1}, size_t{65'536}, size_t{99'999}}) {
    const float before = std::exchange(machine.parameters[i], std::nextafter(machine.parameters[i], 1e9F));
    EXPECT_NE(hash_of_parameters(machine.replica()), whole) << i;
    machine.parameters[i] = before;
  }
}

/// A machine that computed anything else has another id from then on.
TEST(ReplicaState, HasAnIdThatDependsOnAllOfAStep) {
  const StepResult result{.loss = 2.5, .gradient_norm = 0.75, .finite = true};
  const uint64_t next = next_state_id(7, result, 9);
  EXPECT_EQ(next_state_id(7, result, 9), next);
  EXPECT_EQ(next_state_id(7, made_step(3, result, 9)), next);
  EXPECT_NE(next_state_id(8, result, 9), next);
  EXPECT_NE(next_state_id(7, result, 10), next);
  StepResult other = result;
  other.loss = std::nextafter(other.loss, 9.0);
  EXPECT_NE(next_state_id(7, other, 9), next);
  other = result;
  other.gradient_norm = std::nextafter(other.gradient_norm, 9.0);
  EXPECT_NE(next_state_id(7, other, 9), next);
  other = result;
  other.finite = false;
  EXPECT_NE(next_state_id(7, other, 9), next);
  EXPECT_NE(next, kNoState);
}

TEST(ReplicaState, OfStepsThatAreNotFiniteHasOneIdWhateverTheirNaN) {
  const StepResult one{.loss = std::nan("1"), .gradient_norm = 1, .finite = false};
  const StepResult two{.loss = 3, .gradient_norm = std::nan("2"), .finite = false};
  EXPECT_EQ(next_state_id(7, one, 9), next_state_id(7, two, 9));
}

}  // namespace
}  // namespace pretrain
