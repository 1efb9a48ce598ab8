// SPDX-License-Identifier: Apache-2.0
#pragma once
// A real run, ended at seeded instants in every way that a run can end, and started again with other numbers
// of workers and threads.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "libs/base/rng.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {

constexpr uint64_t kStepsBetweenCheckpoints = 10;

/// How a session ends.
enum class Ending {
  kKill,        ///< SIGKILL, at any time
  kKillInSave,  ///< SIGKILL, soon after a save began
  kTerminate,   ///< SIGTERM, at any time from the first line on
  kHangUp,      ///< SIGHUP, as when a terminal goes
  kReaderGone,  ///< the reader of its output exits; training continues until SIGKILL
  kFileLimit,   ///< no file may reach the size of a checkpoint's; training continues until SIGTERM
};
const char* name_of(Ending ending);

/// One session and what it left.
struct Kill {
  Ending ending = Ending::kKill;
  int workers = 0, threads = 0;
  int exit_code = 0;              ///< 128 + signal when a signal ended it
  bool inside_save = false;       ///< a checkpoint was being written, or an old one removed
  uint64_t last_step = 0;         ///< trained before the end
  bool last_applied = true;       ///< whether that step was, or its numbers were not finite
  uint64_t checkpoint = 0;        ///< newest acknowledged one after it
  uint64_t begun_checkpoint = 0;  ///< the one being written; 0: none
  std::string output;             ///< its output, as far as it was read

  /// Steps that have to be trained again.
  uint64_t lost_steps() const { return last_step - std::min(last_step, checkpoint); }
  /// The checkpoint interval, and what was trained while the save under way took.
  uint64_t allowed_loss() const;
};

class KillCampaign {
 public:
  /// The run lives in `state`. `words` is the command that starts and continues it.
  KillCampaign(std::filesystem::path state, Words words, uint64_t seed);

  /// Starts the run, ends it, and looks at what is there.
  Kill end_once(Ending ending);
  /// The run continues from its newest checkpoint in another state folder, at first for one step.
  /// Requires: it has a checkpoint.
  ProgramResult branch_to(const std::filesystem::path& state);
  /// Lets the run continue to a step and end.
  ProgramResult finish(uint64_t steps);

  const std::filesystem::path& state() const { return state_; }

  /// The same run without interruptions, in another folder.
  static ProgramResult straight(const std::filesystem::path& state, const Words& words, uint64_t steps);

 private:
  Surroundings surroundings(Ending ending);
  void limit_file_sizes(Program& program) const;
  void let_it_run(Program& program, Ending ending);
  Kill look() const;

  std::filesystem::path state_;
  Words words_;
  Rng rng_;
  uint64_t sessions_ = 0;
  int reader_ = -1, writer_ = -1;  // ends of a pipe for the program's output
};

}  // namespace pretrain::test
