// SPDX-License-Identifier: Apache-2.0
#pragma once
// The state of a run, from its process if it trains now, else from its state folder.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/control_group.h"
#include "libs/base/error.h"
#include "libs/base/file.h"
#include "libs/base/local_socket.h"
#include "libs/metrics/record_reader.h"

namespace pretrain {

/// The process of a run was suspended (Ctrl-Z, SIGSTOP) or its control group frozen, so it answers nobody. The message has
/// the remedy.
class RunSuspended : public Error {
 public:
  /// `asked`: a request lies there already, which the run takes when it continues.
  explicit RunSuspended(int process, bool asked = false);

  int process() const { return process_; }

 private:
  int process_;
};

/// What suspended a process, and commands of which any lets it continue.
struct Suspension {
  std::string cause;
  std::vector<std::string> ways;
};

/// `group` if it is frozen, otherwise a signal suspended it.
Suspension suspension(int process, const std::optional<FrozenGroup>& group);

/// The suspended process of the run in the folder; nothing when there is none, or it can't be told.
std::optional<int> suspended_process(const Path& state);

/// As an OnWait of a connection.
/// Errors: RunSuspended.
void require_awake(const LocalConnection& run, bool asked);

/// A connection to the process that trains in the folder; empty when none does.
/// Errors: kRuntime when it can't be reached, for example as another user; RunSuspended.
std::optional<LocalConnection> connect_to_run(const Path& state);

/// Errors: always kData, for a folder that is_state_folder() denies.
[[noreturn]] void fail_without_run(const Path& state);

/// Sends one request and returns the first line of the answer.
/// Errors: RunSuspended; kRuntime when there is no answer in this time; the answer's error, kUsage for a wrong request.
nlohmann::json ask_run(LocalConnection& run, const nlohmann::json& request,
                       std::chrono::milliseconds patience = std::chrono::seconds(10));

/// The keys of the answer to `status`. For a run that does not train now, `phase` is `stopped`, `failed`,
/// `killed` if its last session recorded no end, `suspended` if its `process` is, or `unknown` if it recorded none yet;
/// `why` says more. A user who may
/// read the folder but not ask the process gets what the record says.
/// Errors: kData when the folder holds no run; kRuntime as above.
nlohmann::json run_status(const Path& state, const RunRecord& record);

/// The same for a run that does not train, from its record alone.
nlohmann::json status_of_record(const RunRecord& record);

}  // namespace pretrain
