// SPDX-License-Identifier: Apache-2.0
#pragma once
// A fabric over MPI, for jobs that a scheduler starts. As with GlooPorts, each machine opens its place, all get the
// addresses of all, and connect, here without a word to the others:
//
//   MpiPorts ports(world, {.rank = 1, .size = 3, .generation = 7});
//   channel.send(kMyPorts, ports.addresses());
//   std::unique_ptr<Fabric> fabric = ports.connect(all);
//
// The receiver of a message says that it is ready for it, and only then its bytes are sent: none wait at the receiver.
// MPI trusts all of the job, so there is no key.

#include <memory>
#include <string>
#include <vector>

#include "libs/fabric/fabric.h"
#include "libs/fabric/mpi_world.h"

namespace pretrain {

class MpiFabric;

/// Single-owner. Several may share a process, which the tests do.
class MpiPorts {
 public:
  MpiPorts(MpiWorld& world, const Fabric::Place& place);
  ~MpiPorts();
  MpiPorts(const MpiPorts&) = delete;
  MpiPorts& operator=(const MpiPorts&) = delete;

  const std::string& addresses() const { return addresses_; }
  /// Requires: called once; the world outlives the fabric.
  /// Errors: kData for malformed addresses, or ranks that the job does not have.
  std::unique_ptr<Fabric> connect(const std::vector<std::string>& all);

 private:
  std::unique_ptr<MpiFabric> fabric_;
  std::string addresses_;
};

}  // namespace pretrain
