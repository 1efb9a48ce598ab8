// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/head_of_run.h"

#include <optional>
#include <utility>

#include "apps/pretrain/machines.h"
#include "apps/pretrain/shell_text.h"
#include "apps/pretrain/version.h"
#include "libs/base/host.h"
#include "libs/base/log.h"
#include "libs/base/tcp_socket.h"
#include "libs/fabric/mpi_channel.h"
#include "libs/fabric/secret.h"
#include "libs/train/fingerprint.h"
#include "libs/world/messages.h"

namespace pretrain {
namespace {

/// Why a machine may not join.
std::optional<std::string> refusal(const Introduction& own, const Introduction& other) {
  if (own.version != other.version) {
    return fmt::format("it runs pretrain {} and the head {}; install the same version on all machines",
                       other.version, own.version);
  }
  const std::string difference = fingerprint_difference(own.fingerprint, other.fingerprint);
  if (difference.empty()) return std::nullopt;
  return fmt::format(
      "it would compute other bits than the head (different: {}); all machines need the same program, the same "
      "libraries and the same model of processor",
      difference);
}

/// What to type on the other machines.
std::string how_to_join(const TcpAddress& address) {
  const std::string place = address.port == kChannelPort ? address.host : to_text(address);
  return fmt::format("pretrain join {} --secret-file FILE", shell_word(place));
}

}  // namespace

ChannelListenerOptions listener_options(const MachinesOptions& machines, const std::string& secret,
                                        const nlohmann::json& more) {
  const Introduction own{.name = machine_name(),
                         .version = std::string(program_version()),
                         .fingerprint = machine_fingerprint(),
                         .more = more};
  ChannelListenerOptions options{.address = machines.address,
                                 .channel = {.secret = secret,
                                             .introduction = own,
                                             .limits = messages_of_member(),
                                             .patience = machines.peer_timeout}};
  options.refusal = [own](const Introduction& other) { return refusal(own, other); };
  options.on_refused = [](const std::string& line) { log_warning("{}", line); };
  return options;
}

/// Paths and commands are this machine's own.
nlohmann::json run_for_members(const KeyValues& values, int64_t vocabulary) {
  KeyValues sent = values;
  for (const char* key : {"listen", "machines", "fabric", "secret-file", "copies", "threads", "workers",
                          "state", "init-from", "tokenizer", "template-rules", "validation-corpus",
                          "on-event", "metrics-file", "active-hours", "on-battery"})
    sent.erase(key);
  sent.insert_or_assign("corpus", "corpus-of-the-head");
  return {{"configuration", sent}, {"vocabulary", vocabulary}};
}

HeadOfRun::HeadOfRun(const RunConfiguration& c, const KeyValues& values, MpiWorld* job)
    : options_{.least = c.machines.least, .most = c.machines.most, .patience = c.machines.peer_timeout} {
  options_.copies = c.machines.copies;
  options_.state_folder = c.state_folder;
  options_.name = machine_name();
  const nlohmann::json run = run_for_members(values, c.model.vocabulary);
  if (c.machines.ranks > 1) {
    take_ranks(c, run, *job);
  } else {
    listen(c, run);
  }
}

void HeadOfRun::listen(const RunConfiguration& c, const nlohmann::json& run) {
  const std::string secret = read_secret(c.machines.secret_file);
  auto listener = std::make_unique<ChannelListener>(listener_options(c.machines, secret, run));
  options_.how_to_join = fmt::format("on each of the others: {}", how_to_join(listener->address()));
  log_info("listening at {} for the other machines; {}", to_text(listener->address()), options_.how_to_join);
  open_meeting_ = gloo_meetings(listener->address().host, secret);
  source_ = std::move(listener);
}

void HeadOfRun::take_ranks(const RunConfiguration& c, const nlohmann::json& run, MpiWorld& job) {
  const ChannelListenerOptions options = listener_options(c.machines, "", run);
  source_ = std::make_unique<MpiArrivals>(job, options.channel, options.refusal, options.on_refused);
  open_meeting_ = mpi_meetings(job);
  options_.how_to_join = "the others are ranks of this job";
  options_.may_lose_machines = false;
}

StepMakerOpener HeadOfRun::opener(std::stop_token stop) {
  return [this, stop = std::move(stop)](const Replica& replica, OnMachine on_machine) {
    return std::make_unique<Head>(Head::Parts{.replica = replica,
                                              .source = *source_,
                                              .open_meeting = open_meeting_,
                                              .on_machine = std::move(on_machine),
                                              .stop = stop},
                                  options_);
  };
}

void check_machines(RunConfiguration& c, const MpiWorld* job) {
  if (c.machines.fabric == FabricKind::kMpi && !has_mpi()) start_mpi();  // which says what is missing
  if (job != nullptr) use_ranks(c.machines, static_cast<uint32_t>(job->size()), c.trainer.slots);
  if (!c.machines.shared() || c.machines.ranks > 1) return;
  require_gloo("--listen");
  read_secret(c.machines.secret_file);
  TcpListener{c.machines.address};  // closes it again
}

}  // namespace pretrain
