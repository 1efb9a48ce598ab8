// SPDX-License-Identifier: Apache-2.0
#pragma once
// A fabric over TCP by Gloo. Each machine opens its ports, the head gathers their addresses over the control
// connections and hands all of them out, and then all connect:
//
//   GlooPorts ports({.place = {.rank = 1, .size = 3, .generation = 7}, .host = "192.168.1.11"});
//   channel.send(kMyPorts, ports.addresses());           // the head gathers these, in order of rank
//   std::unique_ptr<Fabric> fabric = ports.connect(all, key);
//
// Ports are open only from the first line to the third. Gloo itself authenticates nobody: connect() lets each pair
// prove to each other that they have `key`, so that a stranger who was quicker than the peer is found; a stranger who
// sends malformed bytes can still end the process (see README.md for what this means).

#include <chrono>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/fabric/fabric.h"

namespace pretrain {

/// Whether this program was built with Gloo.
bool has_gloo();

struct GlooPortsOptions {
  Fabric::Place place;
  std::string host;                            ///< an IP address of this machine, at which ports are opened
  std::chrono::milliseconds patience{10'000};  ///< for each peer to connect
  std::stop_token stop = {};                   ///< a request ends connect()
};

/// Single-owner.
/// Requires: the process ignores SIGPIPE, as standard_streams.h lets it, because Gloo writes to connections that peers
/// have closed.
class GlooPorts {
 public:
  /// Opens a port for each peer.
  /// Errors: kUsage when the address is not one of this machine, or without Gloo; IoError.
  explicit GlooPorts(const GlooPortsOptions& options);
  ~GlooPorts();
  GlooPorts(const GlooPorts&) = delete;
  GlooPorts& operator=(const GlooPorts&) = delete;

  /// What the peers need to reach the ports; bytes, at most kMostAddressBytes.
  const std::string& addresses() const;
  static constexpr size_t kMostAddressBytes = size_t{64} * 1024;

  /// Connects to all peers. `all` has addresses() of each rank, in order; `key` is the same on all of them, and
  /// different in each generation.
  /// Requires: called once.
  /// Errors: PeerLost, when a peer does not come within the patience or has another key, or at a stop request; kData
  /// for malformed addresses.
  std::unique_ptr<Fabric> connect(const std::vector<std::string>& all, const std::string& key);

 private:
  class Ports;
  std::unique_ptr<Ports> ports_;
};

}  // namespace pretrain
