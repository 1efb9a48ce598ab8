// SPDX-License-Identifier: Apache-2.0
#pragma once
// A run that other machines share, as its user asks for it: where the head listens, and for how many. Plain values.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/base/file.h"
#include "libs/base/tcp_socket.h"

namespace pretrain {

/// What joins the machines.
enum class FabricKind {
  kGloo,  ///< TCP: this machine listens, the others join
  kMpi,   ///< a job that mpirun or srun has started on all machines
};

struct MachinesOptions {
  FabricKind fabric = FabricKind::kGloo;
  TcpAddress address;            ///< without a host, the run is one machine's
  uint32_t least = 0, most = 0;  ///< this one included; 0: not given
  Path secret_file;
  std::chrono::milliseconds peer_timeout{30'000};
  uint32_t copies = 1;  ///< of each checkpoint, on as many machines
  uint32_t ranks = 0;   ///< of the job that this process belongs to; 0: none

  bool shared() const { return ranks > 1 || (!address.host.empty() && most != 1); }
};

/// "3" or "2-4".
struct MachineRange {
  uint32_t least = 0, most = 0;
};
/// Errors: kUsage, such as "must be a number of machines such as 3 or 2-4 (got 4-2)".
MachineRange read_machine_range(const std::string& text);
/// Empty for 0.
std::string write_machine_range(const MachineRange& range);

/// Of the network between machines.
struct LineRate {
  double bits_per_second = 1e9;
};
/// "1G", "2.5G" or "100M".
/// Errors: kUsage, such as "must be a rate in bits a second such as 1G, 2.5G or 100M (got fast)".
LineRate read_line_rate(const std::string& text);
std::string write_line_rate(const LineRate& rate);

/// An address of this machine, never a name or "any": the network is the user's choice.
/// Errors: kUsage.
TcpAddress read_listen_address(const std::string& text);
/// Empty without a host.
std::string write_listen_address(const TcpAddress& address);

/// Fills in what was not given, and checks the combination with the slots of the run.
/// Errors: kUsage.
void complete_machines(MachinesOptions& machines, uint32_t slots);

/// Shares the run with all ranks of a job.
/// Errors: kUsage for more ranks than slots.
void use_ranks(MachinesOptions& machines, uint32_t ranks, uint32_t slots);

/// Refuses by name what needs Gloo in a program without it.
/// Errors: kUsage.
void require_gloo(std::string_view what);

}  // namespace pretrain
