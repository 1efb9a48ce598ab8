// SPDX-License-Identifier: Apache-2.0
#pragma once
// Several ranks in one process, over each kind of network.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/fabric/fabric.h"

namespace pretrain::test {

using World = std::vector<std::unique_ptr<Fabric>>;

enum class Network { kLocal, kGloo, kMpi };

/// For a wait that ends by itself, on a machine however busy.
inline constexpr std::chrono::milliseconds kLong{120'000};

/// All ranks of one generation. Over Gloo, rank r is at 127.0.0.(r+2); over MPI, all are in a job of this process alone.
World make_world(Network network, int size, uint64_t generation = 1);

/// Whether this program was built with what the network needs.
bool has(Network network);

/// Lets Gloo's peers close connections without ending the test.
void ignore_broken_pipes();

/// Runs f(fabric) for each rank on a thread of its own. Returns what each rank lost.
using Losses = std::vector<std::optional<PeerLost::Details>>;
Losses on_all_ranks(const World& world, const std::function<void(Fabric&)>& f);

/// Bytes that depend on all of them.
std::vector<std::byte> message(int from, int to, uint32_t tag, size_t bytes);

/// Open descriptors of this process.
size_t open_descriptors();

}  // namespace pretrain::test
