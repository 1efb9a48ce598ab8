// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a machine comes into the fabric of a generation: it opens ports, learns those of the others from the head, and
// connects. Gloo or MPI in the program; threads in tests.

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/fabric/fabric.h"
#include "libs/fabric/mpi_world.h"

namespace pretrain {

/// Single-owner.
class Meeting {
 public:
  virtual ~Meeting() = default;
  /// What the others need to reach this machine.
  virtual std::string ports() = 0;
  /// `all`: ports() of each rank.
  /// Requires: called once.
  /// Errors: PeerLost, or kData for ports that are none.
  virtual std::unique_ptr<Fabric> connect(const std::vector<std::string>& all) = 0;
};

struct MeetingPlan {
  Fabric::Place place;
  std::string key_name;                        ///< the same on all machines, and different in each generation
  std::chrono::milliseconds patience{10'000};  ///< for each of the others to connect
  std::stop_token stop = {};                   ///< a request ends connect() with PeerLost
};

/// Opens the ports.
using MeetingOpener = std::function<std::unique_ptr<Meeting>(const MeetingPlan& plan)>;

/// By Gloo. `host` is the address of this machine by which the head reaches it, or the head listens at.
MeetingOpener gloo_meetings(std::string host, std::string secret);

/// By MPI, between ranks of the job.
MeetingOpener mpi_meetings(MpiWorld& job);

}  // namespace pretrain
