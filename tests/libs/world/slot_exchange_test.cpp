// SPDX-License-Identifier: Apache-2.0
#include "libs/world/slot_exchange.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/base/rng.h"
#include "libs/fabric/local_fabric.h"

namespace pretrain {
namespace {

constexpr size_t kSize = 1000;  // no multiple of the cuts
const std::vector<ElementRange> kParts{{700, 1000}, {300, 700}, {0, 300}};
constexpr std::chrono::seconds kPatience(60);

/// The gradient of a slot: full mantissas of many sizes, so that each order of additions gives another sum.
void write_slot(uint32_t slot, float* values) {
  Rng rng(slot + 1);
  for (size_t i = 0; i < kSize; ++i) {
    const auto mantissa = static_cast<float>(rng.below(1U << 24)) / static_cast<float>(1U << 23) - 1.0F;
    values[i] = std::ldexp(mantissa, static_cast<int>(rng.below(12)));
  }
}

void compute_slots(StepGradient& gradient, Compute& compute, const SlotRange& slots,
                   const OnGradientPart& on_part = {}) {
  gradient.begin(slots);
  for (uint32_t slot = slots.first; slot < slots.last; ++slot) {
    write_slot(slot, gradient.next().gradients);
    if (on_part && slot + 1 == slots.last) {
      for (const ElementRange& part : kParts) {
        gradient.complete_part(compute, part);
        on_part(part);
      }
    }
    gradient.add_loss(1.0 / (slot + 1));
    gradient.end_slot(compute);
  }
}

struct Sum {
  std::vector<float> values;
  double loss = 0;

  bool operator==(const Sum&) const = default;
};

Sum sum_in(const StepGradient& gradient) {
  return {{gradient.values(), gradient.values() + gradient.size()}, gradient.total_loss()};
}

Sum sum_of_one_machine(uint32_t slots) {
  Compute compute(1);
  StepGradient gradient(kSize, slots);
  compute_slots(gradient, compute, {0, slots});
  gradient.finish(compute);
  return sum_in(gradient);
}

/// A machine's part in a step. With `overlaps`, what is complete is exchanged before the rest.
void share_step(SlotExchange& exchange, Fabric& fabric, const std::vector<SlotRange>& ranges,
                StepGradient& gradient, Compute& compute, bool overlaps = true) {
  exchange.run({.fabric = fabric, .ranges = ranges, .patience = kPatience, .gradient = gradient},
               [&](const OnGradientPart& on_part) {
                 const SlotRange& slots = ranges[static_cast<size_t>(fabric.rank())];
                 compute_slots(gradient, compute, slots, overlaps ? on_part : OnGradientPart());
               });
}

/// One machine after another's fault.
struct Fault {
  enum class Kind { kNone, kFlipsABitItReceives, kAddsItsPartTwice } kind = Kind::kNone;
  int rank = 1;
};

/// Changes what its rank receives.
class FlippingFabric : public Fabric {
 public:
  explicit FlippingFabric(std::unique_ptr<Fabric> inner)
      : Fabric({inner->rank(), inner->size(), inner->generation()}), inner_(std::move(inner)) {}
  void close() override { inner_->close(); }

 private:
  void start_send(int to, uint32_t tag, std::span<const std::byte> data) override {
    inner_->send(to, tag, data);
  }
  void start_receive(int from, uint32_t tag, std::span<std::byte> data) override {
    inner_->receive(from, tag, data);
    if (data.size() > sizeof(double)) last_ = data;
  }
  void wait_for_all(std::chrono::milliseconds patience) override {
    inner_->wait(patience);
    if (!last_.empty()) last_[2] ^= std::byte{1};
    last_ = {};
  }

  std::unique_ptr<Fabric> inner_;
  std::span<std::byte> last_;
};

/// The sums that machines have after sharing steps; each entry of `steps` has the slots of all ranks.
std::vector<Sum> sums_of_machines(uint32_t slots, const std::vector<std::vector<SlotRange>>& steps,
                                  uint64_t seed, const Fault& fault = {},
                                  const BucketSizes& sizes = {1, 128}) {
  const int size = static_cast<int>(steps.front().size());
  LocalNetwork network({.size = size, .seed = seed, .longest_delay = std::chrono::microseconds(200)});
  std::vector<Sum> sums(static_cast<size_t>(size));
  std::vector<std::jthread> machines;
  for (int rank = 0; rank < size; ++rank) {
    machines.emplace_back([&, rank, fabric = network.take_fabric(rank)]() mutable {
      const bool faulty = rank == fault.rank;
      if (faulty && fault.kind == Fault::Kind::kFlipsABitItReceives)
        fabric = std::make_unique<FlippingFabric>(std::move(fabric));
      Compute compute(1);
      StepGradient gradient(kSize, slots);
      SlotExchange exchange(buckets_of(kParts, sizes));
      for (const auto& ranges : steps) {
        if (!faulty || fault.kind != Fault::Kind::kAddsItsPartTwice) {
          // Some machines overlap, some do not: the others can't see it.
          share_step(exchange, *fabric, ranges, gradient, compute,
                     (seed + static_cast<uint64_t>(rank)) % 3 > 0);
          continue;
        }
        exchange.run({.fabric = *fabric, .ranges = ranges, .patience = kPatience, .gradient = gradient},
                     [&](const OnGradientPart&) {
                       compute_slots(gradient, compute, ranges[static_cast<size_t>(rank)]);
                       for (const auto& sum : gradient.partial_sums())
                         for (size_t i = 0; i < kSize; ++i) sum.values[i] += sum.values[i];
                     });
      }
      sums[static_cast<size_t>(rank)] = sum_in(gradient);
    });
  }
  machines.clear();
  return sums;
}

/// Random cuts, machines without a slot included.
std::vector<SlotRange> random_ranges(Rng& rng, uint32_t slots, size_t machines) {
  std::vector<uint32_t> cuts{0, slots};
  while (cuts.size() < machines + 1) cuts.push_back(static_cast<uint32_t>(rng.below(slots + 1)));
  std::ranges::sort(cuts);
  std::vector<SlotRange> ranges;
  for (size_t i = 0; i < machines; ++i) ranges.push_back({cuts[i], cuts[i + 1]});
  return ranges;
}

TEST(SlotExchange, AnyMachinesHaveTheSumOfOne) {
  for (const uint32_t slots : {1U, 2U, 3U, 4U, 6U, 8U, 13U}) {
    const Sum expected = sum_of_one_machine(slots);
    for (size_t machines = 2; machines <= std::min<size_t>(slots + 1, 5); ++machines) {
      const std::vector<double> equal(machines, 1.0);
      for (const Sum& sum : sums_of_machines(slots, {ranges_of(slots, equal)}, slots))
        EXPECT_EQ(sum, expected) << slots << " slots, " << machines << " machines";
    }
  }
}

TEST(SlotExchange, UnevenSlotsThatChangeWithEachStepHaveTheSumOfOne) {
  Rng rng(5);
  for (const uint32_t slots : {3U, 6U, 8U, 12U}) {
    const Sum expected = sum_of_one_machine(slots);
    for (size_t machines = 2; machines <= 4; ++machines) {
      std::vector<std::vector<SlotRange>> steps;
      for (int i = 0; i < 4; ++i) steps.push_back(random_ranges(rng, slots, machines));
      for (const Sum& sum : sums_of_machines(slots, steps, rng.next())) EXPECT_EQ(sum, expected) << slots;
    }
  }
}

TEST(SlotExchange, AFlippedBitInAReceivedPieceIsFound) {
  const std::vector<std::vector<SlotRange>> steps{ranges_of(4, std::vector<double>{1, 1, 1})};
  const auto sums = sums_of_machines(4, steps, 1, {.kind = Fault::Kind::kFlipsABitItReceives});
  EXPECT_NE(sums[1], sum_of_one_machine(4));
}

TEST(SlotExchange, APartThatIsAddedTwiceIsFound) {
  const std::vector<std::vector<SlotRange>> steps{ranges_of(4, std::vector<double>{1, 1, 1})};
  const auto sums = sums_of_machines(4, steps, 1, {.kind = Fault::Kind::kAddsItsPartTwice});
  for (const Sum& sum : sums) EXPECT_NE(sum, sum_of_one_machine(4));
}

TEST(SlotExchange, BucketsDoNotChangeTheSum) {
  const Sum expected = sum_of_one_machine(6);
  const std::vector<std::vector<SlotRange>> steps{{{0, 1}, {1, 4}, {4, 6}}};
  for (const BucketSizes& sizes :
       {BucketSizes{}, BucketSizes{1, 64}, BucketSizes{1, 1000}, BucketSizes{400, 450}}) {
    for (uint64_t seed = 0; seed < 3; ++seed) {
      for (const Sum& sum : sums_of_machines(6, steps, seed, {}, sizes)) EXPECT_EQ(sum, expected);
    }
  }
}

TEST(SlotExchange, WhatIsCompleteIsExchangedWhileTheRestIsComputed) {
  LocalNetwork network({.size = 2, .seed = 1});
  std::vector<Sum> sums(2);
  std::vector<std::jthread> machines;
  for (size_t rank = 0; rank < 2; ++rank) {
    machines.emplace_back([&, rank, fabric = network.take_fabric(static_cast<int>(rank))] {
      Compute compute(1);
      StepGradient gradient(kSize, 2);
      SlotExchange exchange(buckets_of(kParts, {1, 1000}));
      const std::vector<SlotRange> ranges{{0, 1}, {1, 2}};
      const ExchangeTimes times =
          exchange.run({.fabric = *fabric, .ranges = ranges, .patience = kPatience, .gradient = gradient},
                       [&](const OnGradientPart& on_part) {
                         compute_slots(gradient, compute, ranges[rank], [&](const ElementRange& part) {
                           on_part(part);
                           // Until the other machine's sums of the part are here.
                           while (fabric->traffic().received_bytes < (1000 - part.first) * sizeof(float) / 2)
                             std::this_thread::yield();
                         });
                       });
      EXPECT_GT(times.hidden_seconds, 0);
      EXPECT_LE(times.hidden_seconds, times.seconds);
      sums[rank] = sum_in(gradient);
    });
  }
  machines.clear();
  for (const Sum& sum : sums) EXPECT_EQ(sum, sum_of_one_machine(2));
}

/// What is not complete yet holds other numbers until all that is complete has come from the other machine.
TEST(SlotExchange, WhatIsNotCompleteIsNotSent) {
  LocalNetwork network({.size = 2, .seed = 1});
  std::vector<Sum> sums(2);
  std::vector<std::jthread> machines;
  for (uint32_t rank = 0; rank < 2; ++rank) {
    machines.emplace_back([&, rank, fabric = network.take_fabric(static_cast<int>(rank))] {
      Compute compute(1);
      StepGradient gradient(kSize, 2);
      SlotExchange exchange(buckets_of(kParts, {1, 1000}));
      const std::vector<SlotRange> ranges{{0, 1}, {1, 2}};
      std::vector<float> right(kSize);
      write_slot(rank, right.data());
      exchange.run({.fabric = *fabric, .ranges = ranges, .patience = kPatience, .gradient = gradient},
                   [&](const OnGradientPart& on_part) {
                     gradient.begin(ranges[rank]);
                     float* values = gradient.next().gradients;
                     std::fill_n(values, kSize, 1e9F);
                     for (const ElementRange& part : kParts) {
                       std::copy_n(right.data() + part.first, part.size(), values + part.first);
                       gradient.complete_part(compute, part);
                       on_part(part);
                       while (fabric->traffic().received_bytes < (1000 - part.first) * sizeof(float) / 2)
                         std::this_thread::yield();
                       for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // time to send too much
                     }
                     gradient.add_loss(1.0 / (rank + 1));
                     gradient.end_slot(compute);
                   });
      sums[rank] = sum_in(gradient);
    });
  }
  machines.clear();
  for (const Sum& sum : sums) EXPECT_EQ(sum, sum_of_one_machine(2));
}

TEST(SlotExchange, AFaultOfTheComputingMachineReachesTheOthers) {
  LocalNetwork network({.size = 2, .seed = 1});
  const std::vector<SlotRange> ranges{{0, 1}, {1, 2}};
  std::jthread other([&, fabric = network.take_fabric(1)] {
    Compute compute(1);
    StepGradient gradient(kSize, 2);
    SlotExchange exchange(buckets_of(kParts, {1, 1000}));
    EXPECT_THROW(share_step(exchange, *fabric, ranges, gradient, compute), PeerLost);
  });
  Compute compute(1);
  StepGradient gradient(kSize, 2);
  SlotExchange exchange(buckets_of(kParts, {1, 1000}));
  const auto fabric = network.take_fabric(0);
  const auto fails = [&](const OnGradientPart& on_part) {
    compute_slots(gradient, compute, ranges[0], [&](const ElementRange& part) {
      on_part(part);
      if (part.first == 300) throw Stopped();
    });
  };
  EXPECT_THROW(exchange.run({*fabric, ranges, kPatience, gradient}, fails), Stopped);
}

TEST(SlotExchange, PiecesCoverTheBucket) {
  for (const size_t elements : {size_t{1}, size_t{63}, size_t{64}, size_t{1000}, size_t{65536}}) {
    for (int machines = 1; machines <= 9; ++machines) {
      size_t next = 100;
      for (int owner = 0; owner < machines; ++owner) {
        const ElementRange piece = piece_of({100, 100 + elements}, machines, owner);
        EXPECT_EQ(piece.first, next);
        EXPECT_TRUE(owner + 1 == machines || piece.last % 64 == 100 % 64);
        next = piece.last;
      }
      EXPECT_EQ(next, 100 + elements);
    }
  }
}

TEST(SlotExchange, BucketsHaveTheSizesThatAreAskedFor) {
  const auto buckets = [](size_t least, size_t most) { return buckets_of(kParts, {least, most}); };
  using Ranges = std::vector<ElementRange>;
  EXPECT_EQ(buckets(1, 1000), Ranges(kParts.begin(), kParts.end()));
  EXPECT_EQ(buckets(500, 1000), (Ranges{{300, 1000}, {0, 300}}));
  EXPECT_EQ(buckets(2000, 1000), (Ranges{{0, 1000}}));
  EXPECT_EQ(buckets(400, 400), (Ranges{{300, 620}, {620, 1000}, {0, 300}}));
}

TEST(SlotExchange, ALostMachineIsTold) {
  for (uint64_t operation = 0; operation < 24; ++operation) {
    LocalNetwork network({.size = 2, .seed = 3, .losses = {{.rank = 1, .operation = operation}}});
    bool died = false, told = false;
    std::jthread other([&, fabric = network.take_fabric(1)] {
      Compute compute(1);
      StepGradient gradient(kSize, 2);
      SlotExchange exchange(buckets_of(kParts, {1, 500}));
      try {
        for (;;) share_step(exchange, *fabric, {{0, 1}, {1, 2}}, gradient, compute);
      } catch (const LocalDeath&) {
        died = true;
      }
    });
    Compute compute(1);
    StepGradient gradient(kSize, 2);
    SlotExchange exchange(buckets_of(kParts, {1, 500}));
    const auto fabric = network.take_fabric(0);
    try {
      for (;;) {
        share_step(exchange, *fabric, {{0, 1}, {1, 2}}, gradient, compute);
        ASSERT_EQ(sum_in(gradient), sum_of_one_machine(2));
      }
    } catch (const PeerLost&) {
      told = true;
    }
    other.join();
    EXPECT_TRUE(died && told) << operation;
  }
}

}  // namespace
}  // namespace pretrain
