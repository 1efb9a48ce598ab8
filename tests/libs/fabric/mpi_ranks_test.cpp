// SPDX-License-Identifier: Apache-2.0
// MPI between processes, which mpirun starts: each rank runs all tests, in the same order, and each test is what one rank
// does. fabric_test.cpp has what any fabric must do.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/fabric/mpi_channel.h"
#include "libs/fabric/mpi_fabric.h"
#include "libs/fabric/mpi_world.h"
#include "tests/libs/fabric/worlds.h"

namespace pretrain {
namespace {

using std::chrono::milliseconds;
using test::kLong;
using test::message;
using testing::HasSubstr;

constexpr uint32_t kAddress = 1, kAddresses = 2, kText = 3, kShort = 4;
constexpr size_t kSizes[] = {0, 1, 65'537, MpiWorld::kMostFrameBytes, size_t{4} << 20};

MpiWorld* g_job = nullptr;

bool is_head() {
  return g_job->rank() == 0;
}

ChannelOptions options_of(const std::string& name) {
  return {.secret = "",
          .introduction = {.name = name, .version = "1"},
          .limits = {{kAddress, 1000}, {kAddresses, 100'000}, {kText, 8 << 20}, {kShort, 10}},
          .patience = kLong};
}

/// The channels of all members, at the head by rank; one to the head, at a member.
using Channels = std::map<std::string, std::unique_ptr<Channel>>;

Channels meet() {
  Channels channels;
  if (!is_head()) {
    auto channel = join_by_mpi(*g_job, options_of(fmt::format("member {}", g_job->rank())));
    channels[channel->peer_host()] = std::move(channel);
    return channels;
  }
  MpiArrivals arrivals(*g_job, options_of("head"), {}, {});
  while (static_cast<int>(channels.size()) + 1 < g_job->size()) {
    if (auto channel = arrivals.take()) channels[channel->peer_host()] = std::move(channel);
  }
  return channels;
}

std::string receive(Channel& channel, uint32_t kind) {
  const Frame frame = channel.receive(std::stop_token());
  EXPECT_EQ(frame.kind, kind);
  return frame.payload;
}

/// A fabric of all ranks, by way of the head, as a run builds it.
std::unique_ptr<Fabric> connect(Channels& channels, uint64_t generation) {
  MpiPorts ports(*g_job, {.rank = g_job->rank(), .size = g_job->size(), .generation = generation});
  std::vector<std::string> all(static_cast<size_t>(g_job->size()), ports.addresses());
  if (is_head()) {
    std::string text = ports.addresses() + "\n";
    for (int rank = 1; rank < g_job->size(); ++rank) {
      all[static_cast<size_t>(rank)] = receive(*channels.at(fmt::format("rank {}", rank)), kAddress);
      text += all[static_cast<size_t>(rank)] + "\n";
    }
    for (const auto& [host, channel] : channels) channel->send(kAddresses, text);
  } else {
    Channel& head = *channels.at("rank 0");
    head.send(kAddress, ports.addresses());
    std::string text = receive(head, kAddresses);
    for (std::string& one : all) {
      one = text.substr(0, text.find('\n'));
      text.erase(0, one.size() + 1);
    }
  }
  return ports.connect(all);
}

/// All sizes to and from all others.
void exchange(Fabric& fabric) {
  std::map<std::pair<int, size_t>, std::vector<std::byte>> in, out;
  for (int peer = 0; peer < fabric.size(); ++peer) {
    for (const size_t bytes : kSizes) {
      if (peer == fabric.rank()) continue;
      out[{peer, bytes}] = message(fabric.rank(), peer, 5, bytes);
      in[{peer, bytes}].resize(bytes);
      fabric.send(peer, 5, out[{peer, bytes}]);
      fabric.receive(peer, 5, in[{peer, bytes}]);
    }
  }
  fabric.wait(kLong);
  for (const auto& [place, bytes] : in)
    EXPECT_TRUE(bytes == message(place.first, fabric.rank(), 5, place.second)) << place.second << " bytes";
}

TEST(MpiRanks, AreSeveral) {
  EXPECT_GT(g_job->size(), 1);
}

TEST(MpiRanks, ExchangeMessagesOfAllSizesInSeveralGenerations) {
  Channels channels = meet();
  for (uint64_t generation = 1; generation < 4; ++generation) {
    const auto fabric = connect(channels, generation);
    exchange(*fabric);
    exchange(*fabric);
    EXPECT_EQ(fabric->traffic().sent_bytes, fabric->traffic().received_bytes);
    EXPECT_GT(fabric->traffic().sent_bytes, size_t{8} << 20);
  }
}

TEST(MpiRanks, LoseOneThatCloses) {
  Channels channels = meet();
  const auto fabric = connect(channels, 1);
  const int last = g_job->size() - 1;
  if (g_job->rank() == last) return fabric->close();
  std::vector<std::byte> in(size_t{1} << 20);
  try {
    fabric->receive(last, 0, in);
    fabric->wait(kLong);
    ADD_FAILURE() << "received what nobody has sent";
  } catch (const PeerLost& lost) {
    EXPECT_EQ(lost.rank(), last);
    EXPECT_THAT(lost.details().what, HasSubstr("closed"));
  }
}

TEST(MpiRanks, RefuseAddressesThatAreNone) {
  for (const std::string bad : {"", "1", "x 17", "-1 17", "999999 17", "0 x"}) {
    MpiPorts ports(*g_job, {.rank = 0, .size = 1, .generation = 1});
    try {
      ports.connect({bad});
      ADD_FAILURE() << "took '" << bad << "'";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
    }
  }
}

TEST(MpiChannel, CarriesMessagesBothWaysInOrder) {
  Channels channels = meet();
  const std::string large(size_t{3} << 20, 'x');
  for (const auto& [host, channel] : channels) {
    EXPECT_THAT(channel->peer().name, HasSubstr(is_head() ? "member" : "head"));
    channel->send(kText, "first");
    channel->send(kText, large);
    channel->send(kText, "");
    channel->send(kAddress, host);
  }
  for (const auto& [host, channel] : channels) {
    EXPECT_EQ(receive(*channel, kText), "first");
    EXPECT_EQ(receive(*channel, kText), large);
    EXPECT_EQ(receive(*channel, kText), "");
    EXPECT_EQ(receive(*channel, kAddress), fmt::format("rank {}", g_job->rank()));
  }
}

TEST(MpiChannel, SeesTheOtherEndClose) {
  Channels channels = meet();
  for (const auto& [host, channel] : channels) {
    if (is_head()) {
      channel->send(kText, "the last words");
      channel->close();
    } else {
      EXPECT_EQ(receive(*channel, kText), "the last words");
    }
    EXPECT_THROW(static_cast<void>(channel->receive(std::stop_token())), ChannelError);
    EXPECT_THAT(channel->lost().value_or(""), HasSubstr("closed"));
  }
}

TEST(MpiChannel, IsLostAtAMessageBeyondItsLimit) {
  Channels channels = meet();
  for (const auto& [host, channel] : channels) {
    if (!is_head()) channel->send(kShort, "eleven char");
    EXPECT_THROW(static_cast<void>(channel->receive(std::stop_token())), ChannelError);
    EXPECT_THAT(channel->lost().value_or(""), HasSubstr(is_head() ? "unknown kind or length" : "closed"));
    channel->close();
  }
}

TEST(MpiChannel, NamesTheReasonOfARefusal) {
  if (is_head()) {
    std::vector<std::string> refused;
    {
      MpiArrivals arrivals(
          *g_job, options_of("head"),
          [](const Introduction& other) { return std::optional("no place for " + other.name); },
          [&](const std::string& line) { refused.push_back(line); });
      auto lock = g_job->lock();
      g_job->changed().wait(lock, [&] { return static_cast<int>(refused.size()) + 1 == g_job->size(); });
    }
    EXPECT_THAT(refused, testing::Each(HasSubstr("no place for member")));
    return;
  }
  try {
    join_by_mpi(*g_job, options_of(fmt::format("member {}", g_job->rank())));
    ADD_FAILURE() << "joined";
  } catch (const ChannelError& error) {
    EXPECT_EQ(error.fault(), ChannelError::Fault::kRejected);
    EXPECT_THAT(error.what(), HasSubstr(fmt::format("no place for member {}", g_job->rank())));
  }
}

}  // namespace
}  // namespace pretrain

/// A rank that fails ends all, so that none waits for it.
int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  pretrain::g_job = &pretrain::start_mpi();
  return pretrain::end_mpi(RUN_ALL_TESTS());
}
