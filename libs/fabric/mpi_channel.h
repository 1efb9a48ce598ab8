// SPDX-License-Identifier: Apache-2.0
#pragma once
// Control connections over MPI: the ranks of a job find each other by their numbers, so nobody listens, and the job is
// trusted, so there is no secret. Rank 0 is the head.
//
//   head:    MpiArrivals arrivals(world, {...}, refusal);
//            if (std::unique_ptr<Channel> channel = arrivals.take()) ...
//   member:  std::unique_ptr<Channel> channel = join_by_mpi(world, {...});

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/fabric/channel.h"
#include "libs/fabric/handshake.h"
#include "libs/fabric/mpi_world.h"

namespace pretrain {

/// The head's end. Options as for TCP; no secret is needed.
class MpiArrivals final : public ChannelSource, private MpiWorld::Endpoint {
 public:
  /// `on_refused` gets a line about each rank that may not join, on the thread that calls MPI, with the world's lock held.
  MpiArrivals(MpiWorld& world, const ChannelOptions& options, Handshake::Refusal refusal,
              std::function<void(const std::string&)> on_refused);
  ~MpiArrivals() override;

  std::unique_ptr<Channel> take() override;

 private:
  void take(int rank, const MpiLabel& label, std::span<const std::byte> content) override;
  void welcome(int rank, uint64_t endpoint, const std::string& introduction);

  MpiWorld& world_;
  const ChannelOptions options_;
  const Handshake::Refusal refusal_;
  const std::function<void(const std::string&)> on_refused_;
  std::vector<std::unique_ptr<Channel>> arrived_;  // guarded by the world's lock
};

/// A member's end. Waits for the head, however long it takes to come to the training. Null when it has ended before.
/// Errors: ChannelError (kRejected), with the head's reason.
std::unique_ptr<Channel> join_by_mpi(MpiWorld& world, const ChannelOptions& options);

}  // namespace pretrain
