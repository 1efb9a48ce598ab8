// SPDX-License-Identifier: Apache-2.0
// Measures what the model of a shared step (libs/world/step_time.h) needs to know of Gloo's fabric, between two threads
// of this machine: fabric_bench [ROUNDS]. A cable adds its own latency and limits the rate.

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/fabric/gloo_fabric.h"
#include "libs/tensor/buffer.h"

namespace pretrain {
namespace {

constexpr std::chrono::milliseconds kPatience{60'000};
constexpr size_t kPiece = size_t{1} << 20;
constexpr int kPieces = 64;

/// Processor seconds of this process, all threads.
double used_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

struct Taken {
  double seconds = 0, used = 0;
};

/// Of `work` on both ranks at once.
Taken time_of(Fabric& first, Fabric& second, const std::function<void(Fabric&)>& work) {
  const double used = used_seconds();
  const auto start = std::chrono::steady_clock::now();
  {
    const std::jthread other([&] { work(second); });
    work(first);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return {seconds.count(), used_seconds() - used};
}

/// `rounds` times a message of 4 bytes there and one back.
double round_trip(Fabric& first, Fabric& second, int rounds) {
  return time_of(first, second,
                 [&](Fabric& fabric) {
                   std::array<std::byte, 4> word{};
                   for (int i = 0; i < rounds; ++i) {
                     for (const int sender : {0, 1}) {
                       if (fabric.rank() == sender)
                         fabric.send(1 - sender, 1, word);
                       else
                         fabric.receive(sender, 1, word);
                       fabric.wait(kPatience);
                     }
                   }
                 })
             .seconds /
         rounds;
}

/// `rounds` messages of 4 bytes that are started before any is waited for.
double row(Fabric& first, Fabric& second, int rounds) {
  return time_of(first, second,
                 [&](Fabric& fabric) {
                   std::array<std::byte, 4> word{};
                   for (int i = 0; i < rounds; ++i) {
                     if (fabric.rank() == 0)
                       fabric.send(1, 2, word);
                     else
                       fabric.receive(0, 2, word);
                   }
                   fabric.wait(kPatience);
                 })
             .seconds /
         rounds;
}

/// Both ways at once, in pieces.
Taken bulk(Fabric& first, Fabric& second) {
  return time_of(first, second, [&](Fabric& fabric) {
    Buffer<float> out(kPiece / sizeof(float)), in(kPieces * kPiece / sizeof(float));
    const int peer = 1 - fabric.rank();
    for (int i = 0; i < kPieces; ++i) {
      fabric.receive(peer, 3, std::as_writable_bytes(in.span()).subspan(i * kPiece, kPiece));
      fabric.send(peer, 3, std::as_bytes(out.span()));
    }
    fabric.wait(kPatience);
  });
}

GlooPortsOptions place(int rank) {
  return {.place = {.rank = rank, .size = 2, .generation = 1}, .host = fmt::format("127.0.0.{}", rank + 2)};
}

void measure(int rounds) {
  GlooPorts first_ports(place(0)), second_ports(place(1));
  const std::vector<std::string> all{first_ports.addresses(), second_ports.addresses()};
  std::unique_ptr<Fabric> first, second;
  {
    const std::jthread other([&] { second = second_ports.connect(all, "key"); });
    first = first_ports.connect(all, "key");
  }
  bulk(*first, *second);  // connections and pages are warm
  double latency = 1, gap = 1, rate = 0, used = 1;
  for (int i = 0; i < rounds; ++i) {
    latency = std::min(latency, round_trip(*first, *second, 1000) / 2);
    gap = std::min(gap, row(*first, *second, 1000));
    const Taken taken = bulk(*first, *second);
    constexpr double kBytes = static_cast<double>(kPiece) * kPieces;  // of each way
    rate = std::max(rate, kBytes / taken.seconds);
    used = std::min(used, taken.used / (4 * kBytes));  // two ends, which send and receive
  }
  fmt::print(
      "latency {:.1f} us, gap {:.2f} us, {:.2f} GB/s each way, {:.2f} ns of a core for a byte (best of {})\n",
      latency * 1e6, gap * 1e6, rate / 1e9, used * 1e9, rounds);
}

}  // namespace
}  // namespace pretrain

int main(int argc, char** argv) {
  using namespace pretrain;
  std::signal(SIGPIPE, SIG_IGN);  // as Gloo needs it
  try {
    if (!has_gloo()) fail(ErrorKind::kUsage, "this program was built without Gloo");
    measure(argc > 1 ? std::max(1, std::atoi(argv[1])) : 5);
  } catch (const Error& error) {
    fmt::print(stderr, "fabric_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
