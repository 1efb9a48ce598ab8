// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/lost_checkpoints.h"

#include <string>

#include <nlohmann/json.hpp>

#include "apps/pretrain/head_of_run.h"
#include "apps/pretrain/machines.h"
#include "apps/pretrain/value_text.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/checkpoint/start_point.h"
#include "libs/checkpoint/store.h"
#include "libs/fabric/secret.h"
#include "libs/world/copy_fetch.h"

namespace pretrain {
namespace {

/// Members try to reach a head every second; one that was started only now needs longer.
constexpr std::chrono::seconds kPatience(30);

bool is_lost(const Path& state, const std::stop_token& stop) {
  if (!folder_exists(checkpoints_folder(state)) || list_checkpoints(state).empty()) return true;
  const StartPoint start = find_start_point(state, stop);
  return !start.newest || !start.may_continue();
}

std::string given_text(const KeyValues& given, const char* key) {
  const auto found = given.find(key);
  return found == given.end() ? "" : found->second;
}

MachinesOptions machines_of(const KeyValues& given) {
  const std::string listen = given_text(given, "listen"), secret = given_text(given, "secret-file");
  if (listen.empty() || secret.empty()) {
    fail(
        ErrorKind::kUsage,
        "without a checkpoint, --copies 2 needs --listen ADDRESS and --secret-file FILE, by which a machine with a "
        "copy reaches this one");
  }
  MachinesOptions machines{.address = read_listen_address(listen), .secret_file = secret};
  if (const std::string timeout = given_text(given, "peer-timeout"); !timeout.empty())
    machines.peer_timeout = read_duration(timeout);
  return machines;
}

}  // namespace

void take_copy_if_lost(const SessionRequest& request, const Path& state, const std::stop_token& stop) {
  if (!request.must_resume || request.branch || given_text(request.given, "copies") != "2") return;
  if (!is_lost(state, stop)) return;
  const MachinesOptions machines = machines_of(request.given);
  const StateLock lock = lock_state_folder(real_file_system(), state);
  ChannelListener listener(
      listener_options(machines, read_secret(machines.secret_file), {{"fetches_copy", true}}));
  log_info("{} has no checkpoint to continue from; waiting at {} for a machine that has a copy",
           state.native(), to_text(listener.address()));
  const auto step = fetch_copy(
      {.listener = listener, .files = real_file_system(), .state_folder = state, .wait = kPatience}, stop);
  if (step) return log_info("took the checkpoint of step {}", format_count(*step));
  fail(
      ErrorKind::kData,
      "no machine that joined at {} has a copy of a checkpoint; start pretrain join with --copies-in FOLDER where one "
      "is",
      to_text(listener.address()));
}

}  // namespace pretrain
