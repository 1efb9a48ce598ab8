// SPDX-License-Identifier: Apache-2.0
// The gradient of one step by one model on several machines, which are threads here: with and without exchanging what a
// backward pass has completed while it still runs.

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "libs/fabric/local_fabric.h"
#include "libs/model/initialization.h"
#include "libs/train/step.h"
#include "libs/world/slot_exchange.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

constexpr std::chrono::seconds kPatience(60);

struct Setting {
  Precision precision = Precision::kFloat32;
  uint32_t slots = 6;
  int64_t micro_rows = 2;
  bool overlaps = true;
  Precision exchange = Precision::kFloat32;
};

struct Outcome {
  std::vector<float> gradients;
  double loss = 0, norm = 0;

  bool operator==(const Outcome&) const = default;
};

std::vector<Batch> batches() {
  std::vector<Batch> all;
  for (uint64_t i = 0; i < 3; ++i) all.push_back(test::random_batch(test::tiny_model(), 3, i));
  return all;
}

/// What each machine has.
class Machine {
 public:
  Machine(const Setting& setting, int threads)
      : setting_(setting),
        compute_(threads),
        model_(compute_,
               {.config = test::tiny_model(), .rows = setting.micro_rows, .precision = setting.precision}),
        parameters_(model_.layout().flat_size()),
        pass_(compute_, model_, setting.slots, setting.exchange),
        exchange_(buckets_of(model_.layout().backward_parts(), {.least = 1, .most = 256})) {
    initialize_parameters(compute_, model_.layout(), 3, parameters_.data());
    model_.use_parameters(parameters_.data());
  }

  Outcome alone() { return outcome_of(pass_.run(batches_)); }
  Outcome shared(Fabric& fabric, const std::vector<SlotRange>& ranges) {
    const GlobalBatch batch(batches_);
    exchange_.run({.fabric = fabric, .ranges = ranges, .patience = kPatience, .gradient = pass_.gradient()},
                  [&](const OnGradientPart& on_part) {
                    pass_.run_slots(batch, ranges[static_cast<size_t>(fabric.rank())], batch.targets(), {},
                                    setting_.overlaps ? on_part : OnGradientPart());
                  });
    return outcome_of(pass_.conclude(pass_.gradient().total_loss(), batch.targets()));
  }

 private:
  Outcome outcome_of(const StepResult& result) const {
    return {.gradients = {pass_.gradients(), pass_.gradients() + parameters_.size()},
            .loss = result.loss,
            .norm = result.gradient_norm};
  }

  const Setting setting_;
  std::vector<Batch> batches_ = batches();
  Compute compute_;
  Transformer model_;
  Buffer<float> parameters_;
  GradientPass pass_;
  SlotExchange exchange_;
};

/// After two steps, so that nothing of the first shows in the second. `sent_bytes`: by all of them in one step.
std::vector<Outcome> on_machines(const Setting& setting, const std::vector<SlotRange>& ranges,
                                 uint64_t* sent_bytes = nullptr) {
  const int size = static_cast<int>(ranges.size());
  LocalNetwork network({.size = size, .seed = 7, .longest_delay = std::chrono::microseconds(200)});
  std::vector<Outcome> outcomes(ranges.size());
  std::atomic<uint64_t> sent{0};
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank, fabric = network.take_fabric(rank)] {
      Machine machine(setting, 1 + rank % 2);
      for (int step = 0; step < 2; ++step)
        outcomes[static_cast<size_t>(rank)] = machine.shared(*fabric, ranges);
      sent += fabric->traffic().sent_bytes;
    });
  }
  threads.clear();
  if (sent_bytes != nullptr) *sent_bytes = sent / 2;
  return outcomes;
}

TEST(SharedStep, AnExchangeDuringTheBackwardPassChangesNoBit) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    for (const int64_t micro_rows : {1, 2}) {
      Setting setting{.precision = precision, .micro_rows = micro_rows};
      const Outcome expected = Machine(setting, 1).alone();
      for (const bool overlaps : {true, false}) {
        setting.overlaps = overlaps;
        for (const auto& ranges : std::vector<std::vector<SlotRange>>{{{0, 6}},
                                                                      {{0, 3}, {3, 6}},
                                                                      {{0, 5}, {5, 6}},
                                                                      {{0, 2}, {2, 2}, {2, 6}},
                                                                      {{0, 1}, {1, 3}, {3, 4}, {4, 6}}}) {
          for (const Outcome& outcome : on_machines(setting, ranges))
            EXPECT_EQ(outcome, expected) << ranges.size() << " machines, overlap " << overlaps;
        }
      }
    }
  }
}

TEST(SharedStep, AnExchangeInBf16SendsHalfTheBytesAndHasTheBitsOfOneMachine) {
  Setting setting;
  const Outcome exact = Machine(setting, 1).alone();
  setting.exchange = Precision::kBf16;
  const Outcome expected = Machine(setting, 1).alone();
  EXPECT_NE(expected.gradients, exact.gradients);
  EXPECT_NEAR(expected.norm, exact.norm, 0.01 * exact.norm);
  for (const auto& ranges : std::vector<std::vector<SlotRange>>{
           {{0, 3}, {3, 6}}, {{0, 5}, {5, 6}}, {{0, 2}, {2, 2}, {2, 6}}, {{0, 1}, {1, 3}, {3, 4}, {4, 6}}}) {
    SCOPED_TRACE(ranges.size());
    uint64_t in_bf16 = 0, in_f32 = 0;
    for (const bool overlaps : {true, false}) {
      setting.overlaps = overlaps;
      setting.exchange = Precision::kBf16;
      for (const Outcome& outcome : on_machines(setting, ranges, &in_bf16)) EXPECT_EQ(outcome, expected);
    }
    setting.exchange = Precision::kFloat32;
    on_machines(setting, ranges, &in_f32);
    const uint64_t losses = setting.slots * sizeof(double) * (ranges.size() - 1);
    EXPECT_EQ(2 * (in_bf16 - losses), in_f32 - losses);
  }
}

TEST(SharedStep, SlotsWithoutRowsChangeNoBit) {
  const Setting setting{.slots = 13};  // of 9 rows
  const Outcome expected = Machine(setting, 1).alone();
  for (const Outcome& outcome : on_machines(setting, {{0, 4}, {4, 13}})) EXPECT_EQ(outcome, expected);
}

}  // namespace
}  // namespace pretrain
