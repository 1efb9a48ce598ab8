// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/machines.h"

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/number.h"
#include "libs/fabric/channel.h"
#include "libs/fabric/gloo_fabric.h"

namespace pretrain {

MachineRange read_machine_range(const std::string& text) {
  constexpr uint32_t kMost = 1024;
  const size_t dash = text.find('-');
  const auto least = parse_number<uint32_t>(text.substr(0, dash));
  const auto most = dash == std::string::npos ? least : parse_number<uint32_t>(text.substr(dash + 1));
  if (!least || !most || *least < 1 || *most < *least || *most > kMost)
    fail(ErrorKind::kUsage, "must be a number of machines such as 3 or 2-4 (got {})", text);
  return {*least, *most};
}

std::string write_machine_range(const MachineRange& range) {
  if (range.most == 0) return "";
  return range.least == range.most ? std::to_string(range.most)
                                   : fmt::format("{}-{}", range.least, range.most);
}

LineRate read_line_rate(const std::string& text) {
  constexpr double kLeast = 1e6, kMost = 1e13;
  const char unit = text.empty() ? '\0' : text.back();
  const auto number =
      parse_number<double>(std::string_view(text).substr(0, text.size() - (unit == '\0' ? 0 : 1)));
  const double bits = number.value_or(0) * (unit == 'G' ? 1e9 : 1e6);
  if ((unit != 'G' && unit != 'M') || !(bits >= kLeast && bits <= kMost))
    fail(ErrorKind::kUsage, "must be a rate in bits a second such as 1G, 2.5G or 100M (got {})", text);
  return {bits};
}

std::string write_line_rate(const LineRate& rate) {
  const bool giga = rate.bits_per_second >= 1e9;
  return fmt::format("{:g}{}", rate.bits_per_second / (giga ? 1e9 : 1e6), giga ? "G" : "M");
}

TcpAddress read_listen_address(const std::string& text) {
  TcpAddress address = parse_tcp_address(text, kChannelPort);
  if (!is_numeric_host(address.host) || address.host == "0.0.0.0" || address.host == "::") {
    fail(ErrorKind::kUsage,
         "must be the address of this machine in the network of the others, such as 192.168.1.10 (got {})",
         text);
  }
  return address;
}

std::string write_listen_address(const TcpAddress& address) {
  return address.host.empty() ? "" : to_text(address);
}

void require_gloo(std::string_view what) {
  if (has_gloo()) return;
  fail(ErrorKind::kUsage,
       "{} needs Gloo, and this program was built without it; install libgloo-dev and build pretrain again",
       what);
}

void use_ranks(MachinesOptions& machines, uint32_t ranks, uint32_t slots) {
  if (ranks > slots) {
    fail(
        ErrorKind::kUsage,
        "the job has {} ranks, more than --slots {}, the shares of a step; start at most that many, or a new run with "
        "more slots",
        ranks, slots);
  }
  machines.ranks = machines.least = machines.most = ranks;
}

void complete_machines(MachinesOptions& machines, uint32_t slots) {
  if (machines.fabric == FabricKind::kMpi) {
    if (!machines.address.host.empty())
      fail(ErrorKind::kUsage,
           "--fabric mpi needs no --listen: the ranks of the job find each other; leave one of them out");
    if (machines.copies > 1)
      fail(ErrorKind::kUsage,
           "--copies {} needs --listen; with --fabric mpi, back up the state folder instead",
           machines.copies);
    return;
  }
  if (machines.address.host.empty()) {
    if (machines.copies > 1)
      fail(ErrorKind::kUsage,
           "--copies {} needs --listen ADDRESS and another machine that joins with --copies-in FOLDER",
           machines.copies);
    if (machines.most <= 1) return;
    fail(ErrorKind::kUsage,
         "--machines {} needs --listen ADDRESS, the address of this machine by which the others reach it",
         write_machine_range({machines.least, machines.most}));
  }
  if (!machines.shared()) return;
  if (slots < 2)
    fail(ErrorKind::kUsage,
         "--listen needs a run that can be shared; give --slots, at least the number of machines");
  if (machines.most == 0) {
    machines.least = 2;
    machines.most = slots;
  }
  if (machines.most > slots) {
    fail(
        ErrorKind::kUsage,
        "--machines {} is more than --slots {}, the shares of a step; use at most that many machines, or start a "
        "run with more slots",
        write_machine_range({machines.least, machines.most}), slots);
  }
  if (machines.secret_file.empty()) {
    fail(
        ErrorKind::kUsage,
        "--listen needs --secret-file FILE, which all machines have; make one with: pretrain join --new-secret FILE");
  }
}

}  // namespace pretrain
