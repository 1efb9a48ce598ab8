#include "tests/kills/kill_campaign.h"

#include <algorithm>
#include <csignal>
#include <thread>

namespace pretrain::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{60};
/// From the start of the process: long enough to kill it anywhere from its first instant to far into
/// training.
constexpr uint64_t kLongestLifeMicroseconds = 1'800'000;
/// From the begin of a save: a save of this model takes some milliseconds.
constexpr uint64_t kLongestSaveMicroseconds = 4'000;

Words run_words(const std::filesystem::path& state) {
  return tiny_run(state) +
         Words{"--checkpoint-every", std::to_string(kStepsBetweenCheckpoints), "--batch", "16"};
}

/// Step of a checkpoint that is being written, or 0.
uint64_t begun_step(const std::string& name) {
  constexpr std::string_view kPrefix = ".tmp-step-";
  if (!name.starts_with(kPrefix)) return 0;
  return std::strtoull(name.c_str() + kPrefix.size(), nullptr, 10);
}

uint64_t newest_checkpoint(const std::filesystem::path& state) {
  const auto entries = list_checkpoints(state);
  return entries.empty() ? 0 : entries.front().step;
}

/// A checkpoint of this step or a later one is being written, or an older one is being removed for it.
bool save_is_under_way(const std::filesystem::path& state, uint64_t step) {
  std::error_code ignored;  // the folder may not be there yet, or change
  bool removing = false;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoints_folder(state), ignored)) {
    const std::string name = entry.path().filename();
    removing = removing || name.starts_with(".del");
    if (name.starts_with(".tmp") && begun_step(name) >= step) return true;
  }
  return removing && newest_checkpoint(state) >= step;
}

void spin_for(std::chrono::microseconds time) {
  const auto end = Clock::now() + time;
  while (Clock::now() < end) {
  }
}

void wait_for_save(const std::filesystem::path& state, uint64_t step) {
  const auto end = Clock::now() + kPatience;
  while (!save_is_under_way(state, step) && Clock::now() < end) spin_for(std::chrono::microseconds(100));
}

}  // namespace

uint64_t Kill::allowed_loss() const {
  // A save that has begun may have no folder yet: its thread waits for a core.
  const uint64_t due = last_step / kStepsBetweenCheckpoints * kStepsBetweenCheckpoints;
  const uint64_t begun = begun_checkpoint == 0 ? due : begun_checkpoint;
  const uint64_t during_save = last_step - std::min(last_step, begun);
  // One more: the step whose record is written, but whose save has not begun.
  return kStepsBetweenCheckpoints + during_save + 1;
}

KillCampaign::KillCampaign(std::filesystem::path state, uint64_t seed)
    : state_(std::move(state)), rng_(seed) {}

Kill KillCampaign::kill_once() {
  constexpr int kWorkers[] = {1, 2, 4, 8};
  constexpr int kThreads[] = {1, 2, 3};
  const int workers = kWorkers[rng_.below(std::size(kWorkers))];
  const int threads = kThreads[rng_.below(std::size(kThreads))];
  const bool wait = ++kills_ % 2 == 0;
  const auto delay =
      std::chrono::microseconds(rng_.below(wait ? kLongestSaveMicroseconds : kLongestLifeMicroseconds));
  // Every eighth of these kills hits the first save that comes, which may be that of the initial state.
  const uint64_t wait_for_step =
      kills_ % 16 == 0 ? 0 : newest_checkpoint(state_) + kStepsBetweenCheckpoints * (1 + rng_.below(4));
  Program program(binary(), run_words(state_) + Words{"--workers", std::to_string(workers), "--threads",
                                                      std::to_string(threads)});
  if (wait) wait_for_save(state_, wait_for_step);
  spin_for(delay);
  program.signal(SIGKILL);
  program.wait();
  Kill kill = look();
  kill.workers = workers;
  kill.threads = threads;
  return kill;
}

Kill KillCampaign::look() const {
  Kill kill{.last_step = last_step(state_), .checkpoint = newest_checkpoint(state_)};
  if (!folder_exists(checkpoints_folder(state_))) return kill;
  for (const FolderEntry& entry : list_folder(checkpoints_folder(state_))) {
    kill.inside_save = kill.inside_save || entry.name.starts_with('.');
    kill.begun_checkpoint = std::max(kill.begun_checkpoint, begun_step(entry.name));
  }
  return kill;
}

ProgramResult KillCampaign::finish(uint64_t steps) {
  return run_program(binary(), run_words(state_) + Words{"--steps", std::to_string(steps)});
}

ProgramResult KillCampaign::straight(const std::filesystem::path& state, uint64_t steps) {
  return run_program(binary(),
                     run_words(state) + Words{"--steps", std::to_string(steps), "--checkpoint-every", "0"});
}

}  // namespace pretrain::test
