// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ranks of a fabric as threads of one process, for tests: messages arrive after seeded delays, and ranks die or
// fall silent at a chosen operation.
//
//   LocalNetwork network({.size = 4, .seed = 1, .losses = {{.rank = 2, .operation = 17}}});
//   std::jthread([fabric = network.take_fabric(2)] { ... });   // and so on for all ranks

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

#include "libs/fabric/fabric.h"

namespace pretrain {

/// Thrown on the rank that a test has chosen to die, at the operation that was chosen. Not an Error, so that nothing
/// handles it as one.
class LocalDeath : public std::exception {
 public:
  const char* what() const noexcept override { return "this rank dies here, as the test has chosen"; }
};

struct LocalLoss {
  enum class Manner {
    kKilled,  ///< peers see a broken connection at once
    kSilent,  ///< peers see nothing until their patience ends (cable, power, SIGSTOP)
  };
  int rank = 0;
  uint64_t operation = 0;  ///< counted from 0 over all send(), receive() and wait() of this rank
  Manner manner = Manner::kKilled;
};

struct LocalNetworkOptions {
  int size = 1;
  uint64_t generation = 0;
  uint64_t seed = 0;
  std::chrono::microseconds longest_delay{0};  ///< of a message; each has its own
  std::vector<LocalLoss> losses = {};
};

/// Thread-safe. The fabrics may outlive it.
class LocalNetwork {
 public:
  explicit LocalNetwork(const LocalNetworkOptions& options);
  ~LocalNetwork();
  LocalNetwork(const LocalNetwork&) = delete;
  LocalNetwork& operator=(const LocalNetwork&) = delete;

  /// The fabric of a rank.
  /// Requires: called once a rank.
  std::unique_ptr<Fabric> take_fabric(int rank);

  class Switch;

 private:
  std::shared_ptr<Switch> switch_;
};

}  // namespace pretrain
