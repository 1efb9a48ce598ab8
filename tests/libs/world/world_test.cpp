// SPDX-License-Identifier: Apache-2.0
// Runs on several machines, which are threads here: the head is the trainer of the other tests with a step maker, control
// connections are real ones over the loopback device, the fabric is one of threads with delays and losses.

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/checkpoint/start_point.h"
#include "libs/fabric/channel.h"
#include "libs/fabric/channel_listener.h"
#include "libs/fabric/local_fabric.h"
#include "libs/model/transformer.h"
#include "libs/optim/optimizer_set.h"
#include "libs/world/checkpoint_copy.h"
#include "libs/world/copy_fetch.h"
#include "libs/world/head.h"
#include "libs/world/member.h"
#include "libs/world/replica_state.h"
#include "tests/libs/train/train_testing.h"

namespace pretrain {
namespace {

using test::TestRun;

constexpr const char* kSecret = "a secret for tests only";

/// The fabrics of all generations, with the losses that a test has chosen.
class Network {
 public:
  uint64_t seed = 1;
  std::map<uint64_t, std::vector<LocalLoss>> losses;  ///< by generation

  /// A new head counts its generations from 1.
  void begin_session() {
    const std::lock_guard lock(mutex_);
    networks_.clear();
  }

  std::unique_ptr<Fabric> fabric(const Fabric::Place& place) {
    const std::lock_guard lock(mutex_);
    auto& network = networks_[place.generation];
    if (!network) {
      network =
          std::make_unique<LocalNetwork>(LocalNetworkOptions{.size = place.size,
                                                             .generation = place.generation,
                                                             .seed = seed + place.generation,
                                                             .longest_delay = std::chrono::microseconds(100),
                                                             .losses = losses[place.generation]});
    }
    return network->take_fabric(place.rank);
  }

 private:
  std::mutex mutex_;
  std::map<uint64_t, std::unique_ptr<LocalNetwork>> networks_;
};

/// Changes a bit of what its rank receives, from some wait on.
class FlippingFabric : public Fabric {
 public:
  FlippingFabric(std::unique_ptr<Fabric> inner, int healthy_waits)
      : Fabric({inner->rank(), inner->size(), inner->generation()}),
        inner_(std::move(inner)),
        healthy_waits_(healthy_waits) {}
  void close() override { inner_->close(); }

 private:
  void start_send(int to, uint32_t tag, std::span<const std::byte> data) override {
    inner_->send(to, tag, data);
  }
  void start_receive(int from, uint32_t tag, std::span<std::byte> data) override {
    inner_->receive(from, tag, data);
    if (data.size() > 64) last_ = data;
  }
  void wait_for_all(std::chrono::milliseconds patience) override {
    inner_->wait(patience);
    if (--healthy_waits_ < 0 && !last_.empty()) last_[2] ^= std::byte{1};
    last_ = {};
  }

  std::unique_ptr<Fabric> inner_;
  int healthy_waits_;
  std::span<std::byte> last_;
};

class LocalMeeting : public Meeting {
 public:
  LocalMeeting(Network& network, const Fabric::Place& place) : network_(network), place_(place) {}
  std::string ports() override { return std::to_string(place_.rank); }
  std::unique_ptr<Fabric> connect(const std::vector<std::string>& all) override {
    EXPECT_EQ(all.size(), static_cast<size_t>(place_.size));
    return network_.fabric(place_);
  }

 private:
  Network& network_;
  Fabric::Place place_;
};

struct MemberPlan {
  bool returns = false;         ///< after it died
  bool waits_for_head = false;  ///< when it is lost, with its state
  int flips_after = -1;         ///< waits; then it gets wrong sums
  bool miscalculates = false;
  uint64_t spoils_after = 0;  ///< this step; then one of its parameters changes. 0: never
  int threads = 1;
  Path copies = {};  ///< keeps copies of checkpoints here
};

/// A machine that joins.
class TestMember {
 public:
  TestMember(Network& network, const TcpAddress& head, const ModelConfig& model,
             const TrainerOptions& options, const MemberPlan& plan)
      : network_(network), head_(head), model_(model), options_(options), plan_(plan) {
    thread_ = std::jthread([this, end = std::move(end_)]() mutable {
      run();
      end.set_value();
    });
  }

  void ask_to_leave() { stop_.request_stop(); }
  /// Waits for its end. One that came too late to take part, or to hear of the end, is asked to leave.
  void join() {
    constexpr std::chrono::seconds kLate(10);
    if (ended_.wait_for(kLate) != std::future_status::ready) ask_to_leave();
    thread_.join();
  }

  // After join():
  std::optional<Member::Outcome> outcome;
  std::string error;
  std::vector<float> parameters;
  int deaths = 0;
  std::atomic<uint64_t> steps{0};

 private:
  void run() {
    do {
      try {
        serve();
      } catch (const LocalDeath&) {
        ++deaths;
        if (plan_.returns) continue;
      } catch (const std::exception& failure) {
        error = failure.what();
      }
      return;
    } while (true);
  }

  /// Until the end, with one state over all connections if the plan says so.
  void serve() {
    Compute compute(plan_.threads);
    Transformer transformer(compute,
                            {model_, options_.micro_rows, true, options_.recompute, options_.precision});
    if (plan_.miscalculates) {
      transformer.set_probe([](std::string_view, std::span<float> tensor) {
        if (!tensor.empty()) tensor.front() *= 1.0001F;
      });
    }
    Buffer<float> values(transformer.layout().flat_size());
    std::ranges::fill(values.span(), 0.0F);
    OptimizerSet optimizer(compute, transformer.layout(),
                           make_optimizers(transformer.layout(), options_.optimizer));
    GradientPass pass(compute, transformer, options_.slots, options_.exchange);
    const Replica replica{.compute = compute,
                          .model = transformer,
                          .parameters = values.span(),
                          .optimizer = optimizer,
                          .pass = pass,
                          .gradient_clip = options_.optimizer.gradient_clip};
    MemberMemory memory;
    while (!outcome) {
      try {
        outcome = serve_once(replica, memory);
      } catch (const ChannelError&) {
        if (!plan_.waits_for_head) throw;
      }
    }
    parameters.assign(values.data(), values.data() + values.size());
  }

  Member::Outcome serve_once(const Replica& replica, MemberMemory& memory) {
    const auto channel = join_channel(
        {.head = head_,
         .channel = {.secret = kSecret,
                     .introduction = {.name = "member",
                                      .version = "1",
                                      .more = {{"threads", 1}, {"keeps_copies", !plan_.copies.empty()}}},
                     .limits = messages_of_head()}},
        {});
    CopyKeeper copies(real_file_system(), plan_.copies, SameRun(),
                      [&](const CopyAnswer& answer) { channel->send(kCopied, answer.pack()); });
    Member member({.replica = replica,
                   .memory = memory,
                   .channel = *channel,
                   .open_meeting =
                       [this](const MeetingPlan& plan) {
                         return std::make_unique<PlannedMeeting>(network_, plan.place, plan_);
                       },
                   .vocabulary = model_.vocabulary,
                   .positions = 1000,
                   .stop = stop_.get_token(),
                   .on_step =
                       [&](const MemberStatus& status) {
                         steps = status.step;
                         if (status.step == plan_.spoils_after) spoil(replica);
                       },
                   .copies = plan_.copies.empty() ? nullptr : &copies});
    return member.serve();
  }

  /// The next step still computes with the packed copy of the matrix.
  static void spoil(const Replica& replica) {
    const ParameterInfo* matrix = replica.model.layout().find("transformer.h.0.mlp.c_fc.weight");
    replica.parameters[matrix->offset] += 0.5F;
  }

  class PlannedMeeting : public LocalMeeting {
   public:
    PlannedMeeting(Network& network, const Fabric::Place& place, const MemberPlan& plan)
        : LocalMeeting(network, place), plan_(plan) {}
    std::unique_ptr<Fabric> connect(const std::vector<std::string>& all) override {
      auto fabric = LocalMeeting::connect(all);
      if (plan_.flips_after < 0) return fabric;
      return std::make_unique<FlippingFabric>(std::move(fabric), plan_.flips_after);
    }

   private:
    const MemberPlan& plan_;
  };

  Network& network_;
  TcpAddress head_;
  ModelConfig model_;
  TrainerOptions options_;
  MemberPlan plan_;
  std::stop_source stop_;
  std::promise<void> end_;
  std::future<void> ended_ = end_.get_future();
  std::jthread thread_;
};

/// A run on a head and members.
class World {
 public:
  explicit World(const TrainerOptions& options) : options_(options), listener_(listener_options()) {
    run.source.rows = 4;
  }

  TestRun run;
  Network network;
  HeadOptions head;
  std::vector<std::unique_ptr<TestMember>> members;

  void add(const MemberPlan& plan = {}) {
    members.push_back(std::make_unique<TestMember>(network, listener_.address(), run.model, options_, plan));
  }

  /// The member's end of a connection to the head, for what no member does.
  std::unique_ptr<Channel> connect() const {
    return join_channel({.head = listener_.address(),
                         .channel = {.secret = kSecret,
                                     .introduction = {.name = "stranger", .version = "1"},
                                     .limits = messages_of_head()}},
                        {});
  }

  /// Trains until the end of the run, and waits for all members.
  RunSummary train(uint32_t machines) {
    network.begin_session();
    head.least = machines;
    head.most = std::max(machines, head.most);
    run.open_step_maker = [this](const Replica& replica, OnMachine on_machine) {
      return std::make_unique<Head>(Head::Parts{.replica = replica,
                                                .source = listener_,
                                                .open_meeting =
                                                    [this](const MeetingPlan& plan) {
                                                      return std::make_unique<LocalMeeting>(network,
                                                                                            plan.place);
                                                    },
                                                .on_machine = std::move(on_machine),
                                                .stop = run.stop.get_token()},
                                    head);
    };
    RunSummary summary = run.train(options_);
    for (auto& member : members) member->join();
    return summary;
  }

  /// Trains up to this step, after which the head is lost: nothing is saved, and nobody is told of an end.
  void lose_head_after(uint64_t step, uint32_t machines) {
    run.observer.after_step = [&](uint64_t made) {
      if (made == step) throw Diverged("the head is lost", {});
    };
    EXPECT_THROW(train(machines), Diverged);
    run.observer.after_step = {};
    run.observer.steps.clear();
  }

  /// The next train() continues up to here.
  void continue_until(const TrainerOptions& options) { options_ = options; }

  size_t events(const std::string& kind) const {
    size_t count = 0;
    for (const auto& record : run.log()) count += record.value("kind", "") == kind ? 1 : 0;
    return count;
  }

  static ChannelListenerOptions listener_options() {
    return {.address = {.host = "127.0.0.1", .port = 0},
            .channel = {.secret = kSecret,
                        .introduction = {.name = "head", .version = "1"},
                        .limits = messages_of_member()}};
  }

 private:
  TrainerOptions options_;
  ChannelListener listener_;
};

TrainerOptions options_of(uint64_t steps, uint32_t slots, Precision precision = Precision::kFloat32) {
  TrainerOptions options = test::steps_only(steps);
  options.accumulate = 3;
  options.slots = slots;
  options.precision = precision;
  return options;
}

/// What must be equal: weights, moments and stream in the last checkpoint, and the losses of all steps.
struct Result {
  std::vector<std::string> hashes;
  std::vector<double> losses;

  bool operator==(const Result&) const = default;
};

Result result_of(const TestRun& run) {
  Result result{.hashes = run.newest_hashes(), .losses = {}};
  for (const auto& record : run.log()) {
    if (record.value("kind", "") != "step") continue;
    const auto& loss = record.at("loss");
    result.losses.push_back(loss.is_number() ? loss.get<double>() : -1);
  }
  return result;
}

Result result_of_one_machine(const TrainerOptions& options) {
  TestRun run;
  run.source.rows = 4;
  run.train(options);
  return result_of(run);
}

TEST(World, AnyNumberOfMachinesTrainsTheRunOfOne) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    for (const uint32_t slots : {1U, 2U, 3U, 6U}) {
      if (precision == Precision::kBf16 && slots < 3) continue;
      const TrainerOptions options = options_of(8, slots, precision);
      const Result expected = result_of_one_machine(options);
      ASSERT_EQ(expected.losses.size(), 8U);
      for (uint32_t machines = 1; machines <= std::min(slots, 4U); ++machines) {
        SCOPED_TRACE(fmt::format("{} slots, {} machines", slots, machines));
        World world(options);
        for (uint32_t i = 1; i < machines; ++i) world.add({.threads = 1 + static_cast<int>(i % 2)});
        world.train(machines);
        EXPECT_EQ(result_of(world.run), expected);
        for (const auto& member : world.members) {
          ASSERT_TRUE(member->outcome) << member->error;
          EXPECT_EQ(member->outcome->end, Member::End::kRunEnded);
          EXPECT_EQ(member->outcome->reason, "finished");
          EXPECT_EQ(member->parameters, world.run.parameters());
        }
      }
    }
  }
}

TEST(World, AnyNumberOfMachinesThatExchangeBf16TrainsTheRunOfOne) {
  for (const uint32_t slots : {2U, 3U, 6U}) {
    TrainerOptions options = options_of(6, slots);
    const Result in_f32 = result_of_one_machine(options);
    options.exchange = Precision::kBf16;
    const Result expected = result_of_one_machine(options);
    EXPECT_NE(expected, in_f32);
    for (uint32_t machines = 2; machines <= std::min(slots, 4U); ++machines) {
      SCOPED_TRACE(fmt::format("{} slots, {} machines", slots, machines));
      World world(options);
      world.head.audit_every = 2;
      for (uint32_t i = 1; i < machines; ++i) world.add();
      world.train(machines);
      EXPECT_EQ(result_of(world.run), expected);
      EXPECT_EQ(world.events("machine_wrong"), 0U);
    }
  }
}

TEST(World, AnotherLossIsFound) {
  TrainerOptions options = options_of(8, 4);
  const Result expected = result_of_one_machine(options);
  options.slots = 3;
  EXPECT_NE(result_of_one_machine(options), expected);
}

TEST(World, AMachineThatDiesAnywhereChangesNothing) {
  const TrainerOptions options = options_of(6, 4);
  const Result expected = result_of_one_machine(options);
  for (uint64_t operation = 3; operation < 60; operation += 7) {
    SCOPED_TRACE(operation);
    World world(options);
    world.network.losses[1] = {{.rank = 1 + static_cast<int>(operation % 2), .operation = operation}};
    world.add();
    world.add();
    world.train(3);
    EXPECT_EQ(result_of(world.run), expected);
    EXPECT_EQ(world.members[0]->deaths + world.members[1]->deaths, 1);
    EXPECT_EQ(world.events("machine_joined"), 2U);
    EXPECT_EQ(world.events("machine_lost"), 1U);
  }
}

TEST(World, AMachineThatComesBackGetsTheState) {
  const TrainerOptions options = options_of(40, 4);
  const Result expected = result_of_one_machine(options);
  World world(options);
  world.network.losses[1] = {{.rank = 1, .operation = 20}};
  world.add({.returns = true});
  world.add({.returns = true});
  world.head.most = 3;
  world.train(3);
  EXPECT_EQ(result_of(world.run), expected);
  EXPECT_GE(world.events("machine_lost"), 1U);
}

TEST(World, AMachineThatIsToldToStopLeavesAfterAStep) {
  const TrainerOptions options = options_of(30, 4);
  const Result expected = result_of_one_machine(options);
  World world(options);
  world.add();
  world.add();
  world.run.observer.after_step = [&](uint64_t step) {
    if (step == 5) world.members[0]->ask_to_leave();
  };
  world.train(3);
  EXPECT_EQ(result_of(world.run), expected);
  ASSERT_TRUE(world.members[0]->outcome) << world.members[0]->error;
  EXPECT_EQ(world.members[0]->outcome->end, Member::End::kLeft);
  EXPECT_EQ(world.events("machine_left"), 1U);
  EXPECT_EQ(world.events("machine_lost"), 0U);
}

TEST(World, AMachineWithAWrongSumIsDismissedByName) {
  const TrainerOptions options = options_of(10, 4);
  const Result expected = result_of_one_machine(options);
  World world(options);
  world.add({.flips_after = 6});  // the state, then two waits a step: the sum of the third
  world.add();
  world.train(3);
  EXPECT_EQ(result_of(world.run), expected);
  EXPECT_EQ(world.events("machine_wrong"), 1U);
  EXPECT_THAT(world.members[0]->error + world.members[1]->error, testing::HasSubstr("came out differently"));
}

TEST(World, AMachineWithAWrongGradientIsFoundByAnAudit) {
  World world(options_of(12, 4));
  world.head.audit_every = 1;  // of one machine after the other
  world.add();
  world.add({.miscalculates = true});
  world.train(3);
  EXPECT_EQ(world.events("machine_wrong"), 1U);
  EXPECT_THAT(world.members[1]->error, testing::HasSubstr("came out differently"));
  EXPECT_TRUE(world.members[0]->outcome) << world.members[0]->error;
}

/// Its gradient is right once more, so that nothing else would notice before all have a wrong sum.
TEST(World, AMachineWithAWrongParameterIsFoundByTheNextAudit) {
  const TrainerOptions options = options_of(8, 4);
  const Result expected = result_of_one_machine(options);
  World world(options);
  world.head.audit_every = 2;
  world.add({.spoils_after = 3});
  world.add();
  world.train(3);
  EXPECT_EQ(result_of(world.run), expected);
  EXPECT_EQ(world.events("machine_wrong"), 1U);
  EXPECT_THAT(world.members[0]->error, testing::HasSubstr("came out differently"));
}

TEST(World, AuditsChangeNothing) {
  const TrainerOptions options = options_of(12, 6);
  World world(options);
  world.head.audit_every = 1;
  world.add();
  world.add();
  world.train(3);
  EXPECT_EQ(result_of(world.run), result_of_one_machine(options));
  EXPECT_EQ(world.events("machine_wrong"), 0U);
}

TEST(World, AllMachinesReturnToACheckpointTogether) {
  const auto poisoned = [](TestRun& run) {
    run.poison();
    run.source.rows = 4;
    run.source.poisoned = {9, 12, 15, 18, 21};  // five steps, for which a run returns once
  };
  const TrainerOptions options = options_of(14, 4);
  TestRun one;
  poisoned(one);
  one.train(options);
  World world(options);
  poisoned(world.run);
  world.add();
  world.add();
  world.train(3);
  EXPECT_EQ(result_of(world.run), result_of(one));
  EXPECT_EQ(world.events("returned"), 1U);
}

TEST(World, ARunContinuesOnAnotherNumberOfMachines) {
  const Result expected = result_of_one_machine(options_of(12, 4));
  World world(options_of(4, 4));
  world.add();
  world.add();
  world.train(3);
  world.run.open_step_maker = {};
  world.run.train(options_of(8, 4));  // alone
  world.continue_until(options_of(12, 4));
  world.members.clear();
  world.add();
  world.train(2);
  EXPECT_EQ(result_of(world.run), expected);
}

TEST(World, AHeadThatComesBackTakesTheNewerStateOfItsMembers) {
  TrainerOptions options = options_of(30, 4);
  options.checkpoint_every = 4;
  const Result expected = result_of_one_machine(options);
  World world(options);
  world.add({.waits_for_head = true});
  world.add({.waits_for_head = true});
  world.lose_head_after(7, 3);
  world.lose_head_after(9, 3);   // after the state of 7
  world.lose_head_after(10, 3);  // which was saved at once, so nothing is newer than step 9
  EXPECT_EQ(world.run.checkpoint_steps().front(), 9U);
  world.train(3);
  EXPECT_EQ(world.run.observer.steps.front().step, 11U);
  EXPECT_EQ(result_of(world.run), expected);
  for (const auto& member : world.members) {
    ASSERT_TRUE(member->outcome) << member->error;
    EXPECT_EQ(member->parameters, world.run.parameters());
  }
}

TEST(World, ANewerStateIsLeftWhereTheUserHasGoneBack) {
  TrainerOptions options = options_of(12, 4);
  World world(options);
  world.add({.waits_for_head = true});
  world.lose_head_after(7, 2);
  options.keeps_newer_state = false;
  world.continue_until(options);
  world.train(2);
  EXPECT_EQ(world.run.observer.steps.front().step, 1U);
}

TEST(World, ANewerStateOfAnotherTextIsNotTaken) {
  const TrainerOptions options = options_of(12, 4);
  World world(options);
  world.add({.waits_for_head = true});
  world.lose_head_after(7, 2);
  world.run.source.same_batch = true;  // the corpus has changed
  world.train(2);
  EXPECT_EQ(world.run.observer.steps.front().step, 1U);
}

TEST(World, AMemberKeepsACopyOfTheLastCheckpoint) {
  TrainerOptions options = options_of(12, 4);
  options.checkpoint_every = 5;
  const test::TempFolder folder;
  World world(options);
  world.head.copies = 2;
  world.head.state_folder = world.run.state_folder();
  world.add();
  world.add({.copies = folder / "copies"});
  world.train(3);
  EXPECT_EQ(result_of(world.run), result_of_one_machine(options));
  const auto copy = find_newest_verified(folder / "copies"),
             own = find_newest_verified(world.run.state_folder());
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->step, 12U);
  for (const ManifestFile& file : own->manifest.files)
    EXPECT_EQ(read_file(copy->folder / file.name), read_file(own->folder / file.name)) << file.name;
}

TEST(World, AHeadWithoutCheckpointsTakesTheNewestCopy) {
  TestRun run;
  run.train(options_of(3, 1));
  const auto own = find_newest_verified(run.state_folder());
  const test::TempFolder lost;
  ChannelListener listener(World::listener_options());
  const auto offer = [&](const Path& copies) {
    return std::jthread([&listener, copies] {
      const auto channel = join_channel({.head = listener.address(),
                                         .channel = {.secret = kSecret,
                                                     .introduction = {.name = "member", .version = "1"},
                                                     .limits = messages_of_head()}},
                                        {});
      EXPECT_THROW(offer_copy(*channel, copies, {}), ChannelError);
    });
  };
  const std::jthread with = offer(run.state_folder()), without = offer({});
  const auto step = fetch_copy({.listener = listener,
                                .files = real_file_system(),
                                .state_folder = lost / "state",
                                .wait = std::chrono::minutes(1)},
                               {});
  EXPECT_EQ(step, 3U);
  const auto taken = find_newest_verified(lost / "state");
  ASSERT_TRUE(taken);
  for (const ManifestFile& file : own->manifest.files)
    EXPECT_EQ(read_file(taken->folder / file.name), read_file(own->folder / file.name)) << file.name;
}

TEST(World, OneMachineTooManyWaitsUntilAnotherLeaves) {
  const TrainerOptions options = options_of(60, 4);
  const Result expected = result_of_one_machine(options);
  World world(options);
  world.add();
  world.run.observer.after_step = [&](uint64_t step) {
    if (step == 2) world.add();  // stand-by
    if (step == 20) world.members[0]->ask_to_leave();
  };
  world.train(2);
  EXPECT_EQ(result_of(world.run), expected);
  EXPECT_EQ(world.events("machine_left"), 1U);
}

TEST(World, AStopOfTheHeadEndsAll) {
  World world(options_of(1000, 4));
  world.add();
  world.run.observer.after_step = [&](uint64_t step) {
    if (step == 5) world.run.stop.request_stop();
  };
  const RunSummary summary = world.train(2);
  EXPECT_EQ(summary.reason, EndReason::kStopped);
  EXPECT_EQ(summary.last_step, 5U);
  EXPECT_EQ(world.run.checkpoint_steps().front(), 5U);
  ASSERT_TRUE(world.members[0]->outcome) << world.members[0]->error;
  EXPECT_EQ(world.members[0]->outcome->reason, "stopped");
}

TEST(World, AStopWhileAMachineHasNoAnswerEndsAtOnce) {
  World world(options_of(5, 4));
  world.head.patience = std::chrono::milliseconds(500);  // ten times that at the start
  const std::jthread silent([&] {
    const auto channel = world.connect();
    channel->send(kReady, ReadyMessage{}.pack());
    while (channel->receive({}).kind != kForm) {
    }
    world.run.stop.request_stop();
    EXPECT_THROW(
        {
          while (channel->receive({}).kind != kEnd) {
          }
          channel->receive({});  // it has ended
        },
        ChannelError);
  });
  const RunSummary summary = world.train(2);
  EXPECT_EQ(summary.reason, EndReason::kStopped);
  EXPECT_EQ(summary.last_step, 0U);
  EXPECT_EQ(world.events("machine_lost"), 0U);
}

TEST(World, TheHeadWaitsForMachinesAndCanBeStopped) {
  World world(options_of(5, 4));
  world.run.observer.at_progress = [&] { world.run.stop.request_stop(); };
  const RunSummary summary = world.train(2);
  EXPECT_EQ(summary.reason, EndReason::kStopped);
  EXPECT_EQ(summary.last_step, 0U);
}

}  // namespace
}  // namespace pretrain
