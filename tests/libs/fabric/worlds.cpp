// SPDX-License-Identifier: Apache-2.0
#include "tests/libs/fabric/worlds.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "libs/base/rng.h"
#include "libs/fabric/gloo_fabric.h"
#include "libs/fabric/local_fabric.h"
#include "libs/fabric/mpi_fabric.h"
#include "libs/fabric/mpi_world.h"

namespace pretrain::test {
namespace {

World local_world(int size, uint64_t generation) {
  LocalNetwork network({.size = size,
                        .generation = generation,
                        .seed = generation,
                        .longest_delay = std::chrono::microseconds(500)});
  World world;
  for (int rank = 0; rank < size; ++rank) world.push_back(network.take_fabric(rank));
  return world;
}

World gloo_world(int size, uint64_t generation) {
  ignore_broken_pipes();
  std::vector<std::unique_ptr<GlooPorts>> ports;
  std::vector<std::string> addresses;
  for (int rank = 0; rank < size; ++rank) {
    const GlooPortsOptions options{.place = {.rank = rank, .size = size, .generation = generation},
                                   .host = fmt::format("127.0.0.{}", rank + 2),
                                   .patience = kLong};
    ports.push_back(std::make_unique<GlooPorts>(options));
    addresses.push_back(ports.back()->addresses());
  }
  World world(static_cast<size_t>(size));
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < world.size(); ++i)
    threads.emplace_back([&, i] { world[i] = ports[i]->connect(addresses, "a key of this test"); });
  threads.clear();
  return world;
}

/// MPI can be started once in a process.
MpiWorld& own_job() {
  static MpiWorld job;
  return job;
}

World mpi_world(int size, uint64_t generation) {
  std::vector<std::unique_ptr<MpiPorts>> ports;
  std::vector<std::string> addresses;
  for (int rank = 0; rank < size; ++rank) {
    ports.push_back(std::make_unique<MpiPorts>(
        own_job(), Fabric::Place{.rank = rank, .size = size, .generation = generation}));
    addresses.push_back(ports.back()->addresses());
  }
  World world;
  for (const auto& port : ports) world.push_back(port->connect(addresses));
  return world;
}

}  // namespace

bool has(Network network) {
  return network == Network::kGloo ? has_gloo() : network == Network::kLocal || has_mpi();
}

World make_world(Network network, int size, uint64_t generation) {
  switch (network) {
    case Network::kGloo:
      return gloo_world(size, generation);
    case Network::kMpi:
      return mpi_world(size, generation);
    default:
      return local_world(size, generation);
  }
}

void ignore_broken_pipes() {
  std::signal(SIGPIPE, SIG_IGN);
}

Losses on_all_ranks(const World& world, const std::function<void(Fabric&)>& f) {
  Losses losses(world.size());
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < world.size(); ++i) {
    threads.emplace_back([&, i] {
      try {
        f(*world[i]);
      } catch (const PeerLost& lost) {
        losses[i] = lost.details();
      }
    });
  }
  threads.clear();
  return losses;
}

std::vector<std::byte> message(int from, int to, uint32_t tag, size_t bytes) {
  uint64_t seed = derive_seed(static_cast<uint64_t>(from) * 100 + static_cast<uint64_t>(to), tag);
  Rng random(derive_seed(seed, bytes));
  std::vector<std::byte> content(bytes);
  for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
    const uint64_t word = random.next();
    std::memcpy(content.data() + i, &word, std::min(bytes - i, sizeof(word)));
  }
  return content;
}

size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

}  // namespace pretrain::test
