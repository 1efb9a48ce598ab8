// SPDX-License-Identifier: Apache-2.0
#include "tests/kills/kill_campaign.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace pretrain::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{300};
/// From the start of the process: long enough to kill it anywhere from its first instant to far into
/// training.
constexpr uint64_t kLongestLifeMicroseconds = 1'800'000;
/// From the begin of a save: a save of this model takes some milliseconds.
constexpr uint64_t kLongestSaveMicroseconds = 4'000;
/// Less than the model of a checkpoint takes, more than what else is written at the start.
constexpr rlim_t kFileLimitBytes = 100'000;

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

int signal_of(Ending ending) {
  switch (ending) {
    case Ending::kTerminate:
    case Ending::kFileLimit:
      return SIGTERM;
    case Ending::kHangUp:
      return SIGHUP;
    case Ending::kKill:
    case Ending::kKillInSave:
    case Ending::kReaderGone:
      return SIGKILL;
  }
  return SIGKILL;
}

}  // namespace

const char* name_of(Ending ending) {
  constexpr const char* kNames[] = {"kill",   "kill inside a save",    "SIGTERM",
                                    "SIGHUP", "reader of output gone", "limit on file sizes"};
  return kNames[static_cast<size_t>(ending)];
}

uint64_t Kill::allowed_loss() const {
  // A save that has started may have no folder yet, because its thread waits for a core.
  const uint64_t due = last_step / kStepsBetweenCheckpoints * kStepsBetweenCheckpoints;
  const uint64_t begun = begun_checkpoint == 0 ? due : begun_checkpoint;
  const uint64_t during_save = last_step - std::min(last_step, begun);
  // One more: the step whose record is written, but whose save has not started.
  return kStepsBetweenCheckpoints + during_save + 1;
}

KillCampaign::KillCampaign(std::filesystem::path state, Words words, uint64_t seed)
    : state_(std::move(state)), words_(std::move(words)), rng_(seed) {}

Kill KillCampaign::end_once(Ending ending) {
  constexpr int kWorkers[] = {1, 2, 4, 8};
  constexpr int kThreads[] = {1, 2, 3};
  const int workers = kWorkers[rng_.below(std::size(kWorkers))];
  const int threads = kThreads[rng_.below(std::size(kThreads))];
  ++sessions_;
  Program program(binary(),
                  words_ + Words{"--state", state_.string(), "--workers", std::to_string(workers),
                                 "--threads", std::to_string(threads)},
                  surroundings(ending));
  if (writer_ >= 0) ::close(std::exchange(writer_, -1));
  let_it_run(program, ending);
  program.signal(signal_of(ending));
  const ProgramResult result = program.wait();
  Kill kill = look();
  kill.ending = ending;
  kill.workers = workers;
  kill.threads = threads;
  kill.exit_code = result.exit_code;
  kill.output = result.output;
  return kill;
}

Surroundings KillCampaign::surroundings(Ending ending) {
  if (ending == Ending::kHangUp) {  // under nohup, say, it would stay ignored
    return {.before_exec = [] { return std::signal(SIGHUP, SIG_DFL) != SIG_ERR; }};
  }
  if (ending != Ending::kReaderGone) return {};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  reader_ = ends[0];
  writer_ = ends[1];
  return {.before_exec = [writer = ends[1]] {
    return dup2(writer, STDOUT_FILENO) >= 0 && dup2(writer, STDERR_FILENO) >= 0;
  }};
}

/// Once the program has compared the limits with what it needs.
void KillCampaign::limit_file_sizes(Program& program) const {
  program.wait_until([&] { return program.output().find("info: run: ") != std::string::npos; }, kPatience);
  const struct rlimit limit { .rlim_cur = kFileLimitBytes, .rlim_max = kFileLimitBytes };
  prlimit(program.pid(), RLIMIT_FSIZE, &limit, nullptr);
}

void KillCampaign::let_it_run(Program& program, Ending ending) {
  const bool in_save = ending == Ending::kKillInSave;
  const auto time =
      std::chrono::microseconds(rng_.below(in_save ? kLongestSaveMicroseconds : kLongestLifeMicroseconds));
  if (in_save) {
    // Every eighth of these hits the first save that comes, which may be that of the initial state.
    const uint64_t later = kStepsBetweenCheckpoints * (1 + rng_.below(4));
    wait_for_save(state_, sessions_ % 8 == 0 ? 0 : newest_checkpoint(state_) + later);
  }
  // Before its first line, the program does not handle the signal.
  if (ending == Ending::kTerminate || ending == Ending::kHangUp)
    program.wait_until([&] { return !program.output().empty(); }, kPatience);
  if (ending == Ending::kFileLimit) limit_file_sizes(program);
  spin_for(time);
  if (ending != Ending::kReaderGone) return;
  ::close(std::exchange(reader_, -1));
  const uint64_t begun = last_step(state_);
  program.wait_until([&] { return last_step(state_) >= begun + 3; }, kPatience);
}

Kill KillCampaign::look() const {
  const auto all = steps(state_);
  Kill kill{.checkpoint = newest_checkpoint(state_)};
  if (!all.empty()) {
    kill.last_step = all.back()["step"].get<uint64_t>();
    kill.last_applied = all.back()["applied"].get<bool>();
  }
  if (!folder_exists(checkpoints_folder(state_))) return kill;
  for (const FolderEntry& entry : list_folder(checkpoints_folder(state_))) {
    kill.inside_save = kill.inside_save || entry.name.starts_with('.');
    kill.begun_checkpoint = std::max(kill.begun_checkpoint, begun_step(entry.name));
  }
  return kill;
}

ProgramResult KillCampaign::branch_to(const std::filesystem::path& state) {
  const uint64_t step = newest_checkpoint(state_);
  const auto newest = checkpoints_folder(state_) / checkpoint_name(step);
  const ProgramResult result = run_program(binary(), {"branch", "--checkpoint", newest.string(), "--state",
                                                      state.string(), "--steps", std::to_string(step + 1)});
  if (result.exit_code == 0) state_ = state;
  return result;
}

ProgramResult KillCampaign::finish(uint64_t steps) {
  return run_program(binary(), words_ + Words{"--state", state_.string(), "--steps", std::to_string(steps)});
}

ProgramResult KillCampaign::straight(const std::filesystem::path& state, const Words& words, uint64_t steps) {
  return run_program(binary(), words + Words{"--state", state.string(), "--steps", std::to_string(steps),
                                             "--checkpoint-every", "0"});
}

}  // namespace pretrain::test
