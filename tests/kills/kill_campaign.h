#pragma once
// A real run, killed with SIGKILL at seeded instants and started again with other numbers of workers and
// threads.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "libs/base/rng.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {

constexpr uint64_t kStepsBetweenCheckpoints = 10;

/// One kill and what it found.
struct Kill {
  int workers = 0, threads = 0;
  bool inside_save = false;       ///< a checkpoint was being written, or an old one removed
  uint64_t last_step = 0;         ///< trained before the kill
  uint64_t checkpoint = 0;        ///< newest acknowledged one after it
  uint64_t begun_checkpoint = 0;  ///< the one being written; 0: none

  /// Steps that have to be trained again.
  uint64_t lost_steps() const { return last_step - std::min(last_step, checkpoint); }
  /// The checkpoint interval, and what was trained while the save under way took.
  uint64_t allowed_loss() const;
};

class KillCampaign {
 public:
  /// The run lives in `state`.
  KillCampaign(std::filesystem::path state, uint64_t seed);

  /// Starts the run, kills it, and looks at what is there. Every second kill waits for a save to begin.
  Kill kill_once();
  /// Lets the run go on to a step and end.
  ProgramResult finish(uint64_t steps);

  /// The same run without interruptions, in another folder.
  static ProgramResult straight(const std::filesystem::path& state, uint64_t steps);

 private:
  Kill look() const;

  std::filesystem::path state_;
  Rng rng_;
  uint64_t kills_ = 0;
};

}  // namespace pretrain::test
