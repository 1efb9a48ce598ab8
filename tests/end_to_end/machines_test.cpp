// SPDX-License-Identifier: Apache-2.0
// A run on several machines, which are processes here: a head and members that reach it over the loopback device, by Gloo.
// However many they are, and whatever happens to the members, the run ends with the bits of one machine.

#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <regex>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/private_file.h"
#include "libs/base/rng.h"
#include "libs/base/units.h"
#include "libs/checkpoint/store.h"
#include "libs/fabric/gloo_fabric.h"
#include "libs/fabric/mpi_world.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{300};

/// A step of 32 sequences in four slots.
Words shared_run(const std::filesystem::path& state, uint64_t steps) {
  return tiny_run(state) + Words{"--accumulate",     "4", "--slots", "4", "--steps", std::to_string(steps),
                                 "--evaluate-every", "0"};
}

struct Bits {
  std::map<std::string, std::string> hashes;
  std::vector<double> losses;

  bool operator==(const Bits&) const = default;
};

Bits bits_of(const std::filesystem::path& state, uint64_t step) {
  Bits bits{.hashes = state_hashes(state, step), .losses = {}};
  for (const auto& record : steps(state)) bits.losses.push_back(record.at("loss"));
  return bits;
}

/// Of a run that was always alone; made once for each number of steps.
const Bits& bits_of_one_machine(uint64_t steps) {
  static std::map<uint64_t, Bits> known;
  const auto found = known.find(steps);
  if (found != known.end()) return found->second;
  const TempFolder folder;
  const ProgramResult result = run_program(binary(), shared_run(folder / "one", steps));
  EXPECT_EQ(result.exit_code, 0) << result.output;
  return known.emplace(steps, bits_of(folder / "one", steps)).first->second;
}

class Machines : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_gloo()) GTEST_SKIP() << "built without libgloo: no run can be shared";
    write_private_file(secret(), "a secret for the tests of machines\n");
  }

  Path secret() const { return folder_ / "secret"; }
  Path state() const { return folder_ / "head"; }

  Words head_words(uint64_t steps, const std::string& machines) const {
    return shared_run(state(), steps) + Words{"--listen",      "127.0.0.1:0",     "--machines",     machines,
                                              "--secret-file", secret().string(), "--peer-timeout", "20s"};
  }

  void start_head(const Words& words) {
    head_ = std::make_unique<Program>(binary(), words);
    ASSERT_TRUE(head_->wait_until([&] { return !address().empty(); }, kPatience)) << head_->output();
  }
  void start_head(uint64_t steps, const std::string& machines) { start_head(head_words(steps, machines)); }

  /// Where the head listens.
  std::string address() const {
    const std::string output = head_->output();
    std::smatch found;
    if (!std::regex_search(output, found, std::regex("listening at ([0-9.]+:[0-9]+)"))) return "";
    return found[1];
  }

  std::unique_ptr<Program> start_member(const Surroundings& surroundings = {}, const Words& more = {},
                                        const std::string& place = "") const {
    Words words{"join",          place.empty() ? address() : place,
                "--secret-file", secret().string(),
                "--threads",     "1",
                "--wait",        "20s"};
    words.insert(words.end(), more.begin(), more.end());
    return std::make_unique<Program>(binary(), words, surroundings);
  }

  bool reaches(uint64_t step) {
    return head_->wait_until([&] { return last_step(state()) >= step; }, kPatience);
  }

  void expect_end(Program& program) {
    const ProgramResult result = program.wait();
    EXPECT_EQ(result.exit_code, 0) << result.output;
  }

  size_t count(const std::string& kind) const {
    size_t found = 0;
    for (const auto& record : records(state())) found += record.value("kind", "") == kind ? 1 : 0;
    return found;
  }

  TempFolder folder_;
  std::unique_ptr<Program> head_;
};

TEST_F(Machines, TwoAndThreeTrainTheRunOfOne) {
  for (const int machines : {2, 3}) {
    SCOPED_TRACE(machines);
    std::filesystem::remove_all(state());
    start_head(40, std::to_string(machines));
    std::vector<std::unique_ptr<Program>> members;
    for (int i = 1; i < machines; ++i) members.push_back(start_member());
    expect_end(*head_);
    for (const auto& member : members) {
      expect_end(*member);
      EXPECT_THAT(member->output(), HasSubstr("the run has ended (finished)"));
    }
    EXPECT_EQ(bits_of(state(), 40), bits_of_one_machine(40));
    for (const auto& record : steps(state())) {
      EXPECT_EQ(record.at("machines"), machines);
      EXPECT_GT(record.at("exchange_seconds"), 0);
      EXPECT_GE(record.at("exchange_hidden_seconds"), 0);
      EXPECT_LE(record.at("exchange_hidden_seconds"), record.at("exchange_seconds"));
    }
    EXPECT_GE(count("machine_slots"), 1U);
    EXPECT_THAT(head_->output(), HasSubstr("slots: "));
  }
}

TEST_F(Machines, OneThatIsKilledAndOneThatJoinsChangeNothing) {
  start_head(120, "2-3");
  const auto first = start_member();
  ASSERT_TRUE(reaches(10)) << head_->output();
  first->signal(SIGKILL);
  ASSERT_TRUE(head_->wait_until([&] { return count("machine_lost") == 1; }, kPatience)) << head_->output();
  const auto second = start_member();
  expect_end(*head_);
  expect_end(*second);
  EXPECT_EQ(bits_of(state(), 120), bits_of_one_machine(120));
  EXPECT_EQ(count("machine_lost"), 1U);
  EXPECT_THAT(head_->output(), HasSubstr("; continuing with 1 machine"));
}

TEST_F(Machines, ACheckpointContinuesOnAnyNumber) {
  start_head(20, "3");
  {
    const auto a = start_member(), b = start_member();
    expect_end(*head_);
  }
  const ProgramResult alone =
      run_program(binary(), {"resume", "--state", state().string(), "--machines", "1", "--steps", "40"});
  EXPECT_EQ(alone.exit_code, 0) << alone.output;
  start_head({"resume", "--state", state().string(), "--machines", "2", "--steps", "60"});
  const auto member = start_member();
  expect_end(*head_);
  EXPECT_EQ(bits_of(state(), 60), bits_of_one_machine(60));
}

TEST_F(Machines, AStopOfTheHeadSavesOnceAndEndsAll) {
  start_head(1'000'000, "2");
  const auto member = start_member();
  ASSERT_TRUE(reaches(5)) << head_->output();
  head_->signal(SIGTERM);
  expect_end(*head_);
  expect_end(*member);
  EXPECT_THAT(member->output(), HasSubstr("the run has ended (stopped)"));
  EXPECT_EQ(count("checkpoint"), 2U);  // before the first step, and the last
}

TEST_F(Machines, AStopOfAMemberLetsTheOthersContinue) {
  start_head(100, "2");
  const auto member = start_member();
  ASSERT_TRUE(reaches(5)) << head_->output();
  member->signal(SIGTERM);
  expect_end(*member);
  expect_end(*head_);
  EXPECT_EQ(bits_of(state(), 100), bits_of_one_machine(100));
  EXPECT_EQ(count("machine_left"), 1U);
  EXPECT_EQ(count("machine_lost"), 0U);
}

TEST_F(Machines, AHeadThatComesBackLosesNoStep) {
  Words words = head_words(60, "2");  // with no checkpoint before the end
  start_head(words);
  const auto member = start_member();
  ASSERT_TRUE(reaches(25)) << head_->output();
  words = words + Words{"--listen", address()};
  head_->signal(SIGKILL);
  head_->wait();
  const uint64_t made = last_step(state());
  start_head(words);
  expect_end(*head_);
  expect_end(*member);
  EXPECT_EQ(bits_of(state(), 60), bits_of_one_machine(60));
  std::smatch found;
  const std::string output = head_->output();
  ASSERT_TRUE(std::regex_search(output, found, std::regex("took the state of step ([0-9]+) from"))) << output;
  EXPECT_GE(std::stoull(found[1]) + 1, made) << "the commit of the last step may have been on its way";
  EXPECT_THAT(member->output(), HasSubstr("lost the head"));
}

TEST_F(Machines, ALostFolderIsTakenFromAnotherMachine) {
  Words words = head_words(20, "2") + Words{"--copies", "2"};
  start_head(words);
  const std::string place = address();
  {
    const auto member = start_member({}, {"--copies-in", (folder_ / "copies").string()});
    expect_end(*head_);
    expect_end(*member);
    EXPECT_THAT(head_->output(), HasSubstr("has a copy of the checkpoint of step 20"));
  }
  std::filesystem::remove_all(state());
  head_ = std::make_unique<Program>(
      binary(), Words{"resume", "--state", state().string(), "--copies", "2", "--listen", place,
                      "--secret-file", secret().string(), "--machines", "2", "--steps", "40"});
  const auto member = start_member({}, {"--copies-in", (folder_ / "copies").string()}, place);
  expect_end(*head_);
  expect_end(*member);
  EXPECT_THAT(head_->output(), HasSubstr("took the checkpoint of step 20"));
  EXPECT_EQ(state_hashes(state(), 40), bits_of_one_machine(40).hashes);
}

/// Exit code 2 and one line.
void expect_refusal(const ProgramResult& result, const std::string& text) {
  EXPECT_EQ(result.exit_code, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr(text));
  EXPECT_EQ(std::ranges::count(result.output, '\n'), 1) << result.output;
}

TEST_F(Machines, AnotherSecretIsRefusedOnBothEnds) {
  write_private_file(folder_ / "other", "another secret for the tests\n");
  start_head(1'000'000, "1-2");
  expect_refusal(run_program(binary(), {"join", address(), "--secret-file", (folder_ / "other").string()}),
                 "secret");
  EXPECT_TRUE(head_->wait_until(
      [&] { return head_->output().find("secret", head_->output().find("listening")) != std::string::npos; },
      kPatience))
      << head_->output();
  ASSERT_TRUE(reaches(3));
  head_->signal(SIGTERM);
  expect_end(*head_);
}

TEST_F(Machines, AMachineThatWouldComputeOtherBitsIsRefusedOnBothEnds) {
  start_head(1'000'000, "1-2");
  const auto member = start_member({.environment = {{"PRETRAIN_CPU", "portable"}}});
  const ProgramResult result = member->wait();
  EXPECT_EQ(result.exit_code, 2) << result.output;
  EXPECT_THAT(result.output,
              ContainsRegex(
                  "would compute other bits than the head \\(different: (bf16_products, )?vector_target\\)"));
  EXPECT_TRUE(head_->wait_until([&] { return head_->output().find("vector_target") != std::string::npos; },
                                kPatience))
      << head_->output();
  head_->signal(SIGTERM);
  expect_end(*head_);
}

TEST_F(Machines, WhereNoHeadIsIsSaid) {
  expect_refusal(
      run_program(binary(), {"join", "127.0.0.1:9", "--secret-file", secret().string(), "--wait", "0s"}),
      "127.0.0.1:9");
  expect_refusal(run_program(binary(), {"join"}), "the ADDRESS of the head is missing");
  expect_refusal(run_program(binary(), {"join", "127.0.0.1"}), "--secret-file is missing");
  expect_refusal(run_program(binary(), {"join", "127.0.0.1", "--secret-file", "/nonexistent"}),
                 "/nonexistent");
}

TEST_F(Machines, AnAddressOfAnotherMachineIsRefused) {
  const ProgramResult result = run_program(
      binary(), shared_run(state(), 5) + Words{"--listen", "192.0.2.1", "--secret-file", secret().string()});
  EXPECT_EQ(result.exit_code, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("192.0.2.1"));
}

TEST_F(Machines, ANewSecretIsForItsOwnerOnly) {
  const Path file = folder_ / "new";
  EXPECT_EQ(run_program(binary(), {"join", "--new-secret", file.string()}).exit_code, 0);
  EXPECT_FALSE(others_may_read(file));
  EXPECT_GE(read_file(file).size(), 32U);
  EXPECT_EQ(run_program(binary(), {"join", "--new-secret", file.string()}).exit_code, 1);  // never replaced
}

/// PRETRAIN_KILLS members, else few enough for every build, are killed at seeded instants and come back.
TEST_F(Machines, KillsOfMembersChangeNothing) {
  const char* wanted = std::getenv("PRETRAIN_KILLS");
  const uint64_t kills = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 3;
  const char* seed_text = std::getenv("PRETRAIN_TEST_SEED");
  const uint64_t seed = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 1;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Rng rng(seed);
  const uint64_t kSteps = 60 + 30 * kills;
  start_head(kSteps, "3");
  std::vector<std::unique_ptr<Program>> members;
  for (int i = 0; i < 2; ++i) members.push_back(start_member());
  uint64_t next = 0, made = 0;
  while (made < kills) {
    next = last_step(state()) + 1 + rng.below(25);
    if (next >= kSteps || !reaches(next)) break;
    auto& victim = members[rng.below(members.size())];
    victim->signal(SIGKILL);
    victim->wait();
    victim = start_member();
    ++made;
  }
  expect_end(*head_);
  for (const auto& member : members) member->signal(SIGKILL);  // one may still wait for a place
  EXPECT_EQ(bits_of(state(), kSteps), bits_of_one_machine(kSteps));
  EXPECT_GE(count("machine_lost"), 1U) << made << " kills";
}

int count_of(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

TEST_F(Machines, ProcessesOfALauncherTrainNoRunsOfTheirOwnUnlessAsked) {
  const Surroundings second{.environment = {{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}}};
  const ProgramResult refused = run_program(binary(), shared_run(state(), 3), second);
  EXPECT_EQ(refused.exit_code, 2) << refused.output;
  EXPECT_THAT(refused.output,
              HasSubstr("one of 2 processes that a launcher has started (SLURM_STEP_NUM_TASKS)"));
  EXPECT_FALSE(std::filesystem::exists(state()));
  const ProgramResult asked =
      run_program(binary(), shared_run(state(), 3) + Words{"--fabric", "gloo"}, second);
  EXPECT_EQ(asked.exit_code, 0) << asked.output;
  const Surroundings shell{.environment = {{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}}};
  const ProgramResult warned = run_program(binary(), shared_run(folder_ / "of-a-shell", 3), shell);
  EXPECT_EQ(warned.exit_code, 0) << warned.output;
  EXPECT_THAT(warned.output, HasSubstr("warning: this is one of 2 processes"));
}

/// A job of MPI, whose ranks are processes here. mpirun is what a test starts and what ends.
class MpiJob : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_mpi()) GTEST_SKIP() << "built without MPI";
    if (run_program("/bin/sh", {"-c", "command -v mpirun"}).exit_code != 0)
      GTEST_SKIP() << "mpirun is not installed";
  }

  std::filesystem::path state() const { return folder_ / "head"; }

  /// The words of mpirun. The shell finds it.
  static Words in_job(int ranks, const Words& words) {
    const std::string mpirun =
        fmt::format("exec mpirun --allow-run-as-root --oversubscribe --bind-to none -n {} \"$@\"", ranks);
    Words all{"-c", mpirun, "mpirun", binary().string()};
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }
  Words words(uint64_t steps) const {
    return shared_run(state(), steps) + Words{"--fabric", "mpi", "--threads", "1", "--peer-timeout", "60s"};
  }
  void start(int ranks, const Words& words) {
    job_ = std::make_unique<Program>("/bin/sh", in_job(ranks, words));
  }
  uint64_t newest_checkpoint() const {
    uint64_t newest = 0;
    for (const CheckpointEntry& entry : list_checkpoints(state())) newest = std::max(newest, entry.step);
    return newest;
  }
  bool reaches(uint64_t step) {
    return job_->wait_until([&] { return last_step(state()) >= step; }, kPatience);
  }

  /// The process of a rank, whose number mpirun has put into its environment.
  pid_t process_of(int rank) const {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      std::ifstream file(entry.path() / "environ"), status(entry.path() / "status");
      const std::string environment(std::istreambuf_iterator<char>(file), {});
      const std::string facts(std::istreambuf_iterator<char>(status), {});
      if (facts.find(fmt::format("PPid:\t{}\n", job_->pid())) == std::string::npos) continue;
      if (environment.find(fmt::format("OMPI_COMM_WORLD_RANK={}", rank) + '\0') != std::string::npos)
        return std::stoi(name);
    }
    return 0;
  }

  TempFolder folder_;
  std::unique_ptr<Program> job_;
};

TEST(WithoutMpi, AJobIsRefusedAlsoByACheck) {
  if (has_mpi()) GTEST_SKIP() << "built with MPI";
  const TempFolder folder;
  Words words = shared_run(folder / "run", 5) + Words{"--fabric", "mpi"};
  expect_refusal(run_program(binary(), words), "built without MPI");
  words.push_back("--check");
  expect_refusal(run_program(binary(), words), "built without MPI");
}

TEST_F(MpiJob, TwoAndThreeRanksTrainTheRunOfOneMachine) {
  for (const int ranks : {2, 3}) {
    SCOPED_TRACE(ranks);
    std::filesystem::remove_all(state());
    const ProgramResult result = run_program("/bin/sh", in_job(ranks, words(40)));
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(result.output, HasSubstr(fmt::format("head of an MPI job of {} ranks", ranks)));
    EXPECT_EQ(bits_of(state(), 40), bits_of_one_machine(40));
    for (const auto& record : steps(state())) EXPECT_EQ(record.at("machines"), ranks);
  }
}

TEST_F(MpiJob, SaysHowAJobIsStoppedAndContinued) {
  const ProgramResult result = run_program("/bin/sh", in_job(2, words(5)));
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output,
              HasSubstr(fmt::format("pretrain stop --state {} saves and ends the job", state().string())));
  EXPECT_THAT(result.output,
              HasSubstr(fmt::format(
                  "train further: pretrain resume --state {} --steps 10 --fabric mpi (by mpirun or srun",
                  state().string())));
  EXPECT_THAT(result.output, Not(HasSubstr("Ctrl-C")));
}

/// Open MPI ends such a process with a page about its own build.
TEST_F(MpiJob, OfSrunWithoutPmixIsRefusedInOneLine) {
  if (!has_open_mpi()) GTEST_SKIP() << "built with another MPI";
  const std::vector<std::pair<std::string, std::string>> none{
      {"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_STEPID", "0"}};
  auto pmi2 = none;
  pmi2.insert(pmi2.end(), {{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}});
  for (const auto& variables : {none, pmi2}) {
    const ProgramResult result = run_program(binary(), words(5), Surroundings{.environment = variables});
    EXPECT_EQ(result.exit_code, 2) << result.output;
    expect_refusal(result, "use srun --mpi=pmix");
    EXPECT_FALSE(std::filesystem::exists(state()));
  }
}

TEST_F(MpiJob, EndsWithARankThatIsKilledAndContinuesOnAnyNumber) {
  start(2, words(1'000'000) + Words{"--checkpoint-every", "10"});
  ASSERT_TRUE(reaches(25)) << job_->output();
  const pid_t rank = process_of(1);
  ASSERT_GT(rank, 1) << job_->output();
  kill(rank, SIGKILL);
  const ProgramResult killed = job_->wait();
  EXPECT_EQ(killed.exit_code, 128 + SIGKILL) << killed.output;
  const uint64_t step = newest_checkpoint();
  EXPECT_GE(step, 20U);
  const Words to_the_end{"resume", "--state", state().string(), "--steps", std::to_string(step + 10)};
  const ProgramResult alone = run_program(binary(), to_the_end);
  EXPECT_EQ(alone.exit_code, 0) << alone.output;
  const ProgramResult again = run_program(
      "/bin/sh", in_job(3, to_the_end + Words{"--steps", std::to_string(step + 20), "--fabric", "mpi"}));
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_EQ(bits_of(state(), step + 20), bits_of_one_machine(step + 20));
}

TEST_F(MpiJob, EndsWithOneLineWhenARankIsSilent) {
  start(2, words(1'000'000) + Words{"--peer-timeout", "5s"});
  ASSERT_TRUE(reaches(10)) << job_->output();
  const pid_t rank = process_of(1);
  ASSERT_GT(rank, 1) << job_->output();
  kill(rank, SIGSTOP);
  const ProgramResult result = job_->wait();
  EXPECT_EQ(result.exit_code, 1) << result.output;
  EXPECT_THAT(result.output, HasSubstr("a job has to keep all its machines: start it again"));
}

TEST_F(MpiJob, RefusesMoreRanksThanSlots) {
  const ProgramResult result = run_program("/bin/sh", in_job(2, words(5) + Words{"--slots", "1"}));
  EXPECT_EQ(result.exit_code, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("the job has 2 ranks, more than --slots 1"));
}

/// Open MPI waits this long before SIGTERM, and again after it.
TEST_F(MpiJob, EndsWithASaveWhenMpirunIsToEnd) {
  job_ =
      std::make_unique<Program>("/bin/sh", in_job(3, words(1'000'000)),
                                Surroundings{.environment = {{"OMPI_MCA_odls_base_sigkill_timeout", "15"}}});
  ASSERT_TRUE(reaches(5)) << job_->output();
  job_->signal(SIGTERM);
  const ProgramResult result = job_->wait();
  EXPECT_EQ(result.exit_code, 1) << result.output;
  EXPECT_EQ(newest_checkpoint(), last_step(state()));
  EXPECT_THAT(result.output, HasSubstr("stopped on request at step " + format_count(last_step(state()))));
  EXPECT_EQ(count_of(result.output, "stopping: "), 1) << "the head answers for all\n" << result.output;
  EXPECT_THAT(result.output, Not(HasSubstr("joined the run of")));
}

TEST_F(MpiJob, EndsWithARankThatIsRefused) {
  Words all = in_job(1, words(1'000'000));
  all.insert(all.end(), {":", "-n", "1", "-x", "PRETRAIN_CPU=portable", binary().string()});
  for (const std::string& word : words(1'000'000)) all.push_back(word);
  const ProgramResult result = run_program("/bin/sh", all);
  EXPECT_EQ(result.exit_code, 2) << result.output;
  EXPECT_THAT(result.output,
              ContainsRegex("error: rank 1 \\([^)]+\\): the head refuses: it would compute other bits"));
}

TEST_F(MpiJob, ProcessesThatShareNothingAreRefused) {
  const ProgramResult result = run_program("/bin/sh", in_job(2, shared_run(state(), 5)));
  EXPECT_EQ(result.exit_code, 2) << result.output;
  EXPECT_THAT(result.output,
              HasSubstr("one of 2 processes that a launcher has started (OMPI_COMM_WORLD_SIZE)"));
  EXPECT_THAT(result.output, HasSubstr("add --fabric mpi"));
  EXPECT_FALSE(std::filesystem::exists(state()));
}

/// As under the launcher of another MPI.
TEST_F(MpiJob, OneThatFindsItselfAloneAmongSeveralIsRefused) {
  const ProgramResult result =
      run_program(binary(), words(5), {.environment = {{"PMI_RANK", "0"}, {"PMI_SIZE", "4"}}});
  EXPECT_EQ(result.exit_code, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("one of 4 processes that a launcher has started (PMI_SIZE)"));
  EXPECT_THAT(result.output, HasSubstr("finds it alone"));
  EXPECT_FALSE(std::filesystem::exists(state()));
}

TEST_F(MpiJob, EndsWithItsHeadsStop) {
  start(2, words(1'000'000));
  ASSERT_TRUE(reaches(5)) << job_->output();
  const ProgramResult stop = run_program(binary(), {"stop", "--state", state().string()});
  EXPECT_EQ(stop.exit_code, 0) << stop.output;
  const ProgramResult result = job_->wait();
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(newest_checkpoint(), last_step(state()));
}

}  // namespace
}  // namespace pretrain::test
