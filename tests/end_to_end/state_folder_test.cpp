// SPDX-License-Identifier: Apache-2.0
// What a start does with the folder it is given: it never loses, buries or silently replaces a run.

#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libs/checkpoint/store.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience{120};
constexpr unsigned kNobody = 65534;  // a user without rights

bool become_nobody() {
  return ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0;
}

/// Every file below a folder with its size and time of change, but for the lock.
std::map<std::string, std::string> contents_of(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().filename() == "lock" || !entry.is_regular_file()) continue;
    contents[entry.path().lexically_relative(folder)] =
        fmt::format("{} {}", entry.file_size(), entry.last_write_time().time_since_epoch().count());
  }
  return contents;
}

void put_byte(const fs::path& path, std::streamoff at) {
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(at).put('~');
}

/// A run of 40 steps with checkpoints of steps 0, 10, 20, 30 and 40.
class StateFolder : public testing::Test {
 protected:
  void train() {
    const auto result = run_program(binary(), train_words() + Words{"--steps", "40"});
    ASSERT_EQ(result.exit_code, 0) << result.output;
    ASSERT_EQ(list_checkpoints(state_).size(), 5U);
  }
  Words train_words() const { return tiny_run(state_) + Words{"--checkpoint-every", "10", "--keep", "10"}; }
  Words resume_words() const { return {"resume", "--state", state_.string()}; }
  fs::path checkpoint(uint64_t step) const { return checkpoints_folder(state_) / checkpoint_name(step); }
  void damage(uint64_t step) const { put_byte(checkpoint(step) / "model.safetensors", 5000); }

  /// The command ends with this code, says this, and leaves every file as it is.
  void expect_refused(const Words& words, int exit_code, const testing::Matcher<std::string>& message) {
    const auto before = contents_of(state_);
    const auto result = run_program(binary(), words);
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    EXPECT_THAT(result.output, message);
    EXPECT_EQ(contents_of(state_), before) << result.output;
  }

  TempFolder folder_;
  fs::path state_ = folder_ / "run";
};

TEST_F(StateFolder, WhoseCheckpointsAreAllDamagedIsLeftAsItIsAndNeverBecomesANewRun) {
  train();
  for (const uint64_t step : {0, 10, 20, 30, 40}) damage(step);
  const auto message =
      AllOf(HasSubstr("5 checkpoints can't be used: step 40 is damaged (model.safetensors: "),
            HasSubstr("nothing was moved"), HasSubstr("and 2 more"));
  expect_refused(train_words() + Words{"--steps", "60"}, 3, message);
  expect_refused(resume_words(), 3, message);
}

TEST_F(StateFolder, WhoseOnlyCheckpointIsDamagedIsLeftAsItIs) {
  train();
  for (const uint64_t step : {10, 20, 30, 40}) fs::remove_all(checkpoint(step));
  damage(0);
  expect_refused(train_words(), 3, HasSubstr("the newest checkpoint can't be used"));
}

/// The disk that has them is not mounted.
TEST_F(StateFolder, WhoseCheckpointsAreALinkToNowhereSaysSoAndNeverBecomesANewRun) {
  train();
  const fs::path disk = folder_ / "disk", kept = folder_ / "kept", link = checkpoints_folder(state_);
  fs::rename(link, kept);
  fs::create_directory_symlink(disk, link);
  const auto names_link = HasSubstr(link.string() + " is a link to " + disk.string() +
                                    ", which is not there (is the disk mounted?)");
  const std::vector<Words> commands{resume_words(),
                                    resume_words() + Words{"--copies", "2"},
                                    train_words() + Words{"--steps", "60"},
                                    {"inspect", state_.string()},
                                    {"generate", "--checkpoint", state_.string(), "--prompt", "A"},
                                    {"branch", "--checkpoint", state_.string(), "--state", folder_ / "new"}};
  for (const Words& words : commands) expect_refused(words, 3, names_link);
  Words check = train_words();
  check.emplace_back("--check");
  expect_refused(check, 3, names_link);
  fs::create_directory(disk);
  const auto names_empty =
      HasSubstr("(a link to " + disk.string() + ", which is empty: is the disk mounted?)");
  for (const Words& words : commands) {
    if (words.back() != "2") expect_refused(words, 3, names_empty);
  }
  fs::remove(disk);
  fs::rename(kept, disk);
  EXPECT_EQ(run_program(binary(), resume_words() + Words{"--steps", "41"}).exit_code, 0);
}

TEST_F(StateFolder, ThatIsNewAndALinkToNowhereOrHasOneForItsCheckpointsStartsNoRun) {
  const fs::path disk = folder_ / "disk";
  fs::create_directory(state_);
  for (const fs::path& link : {checkpoints_folder(state_), state_}) {
    fs::remove_all(state_);
    if (link != state_) fs::create_directory(state_);
    fs::create_directory_symlink(disk, link);
    for (const Words& words : {train_words(), resume_words()}) {
      const auto result = run_program(binary(), words);
      EXPECT_EQ(result.exit_code, 3) << result.output;
      EXPECT_THAT(result.output, HasSubstr(link.string() + " is a link to " + disk.string()));
    }
    EXPECT_FALSE(fs::exists(state_ / "lock"));
  }
}

TEST_F(StateFolder, WhoseCheckpointsAreALinkSaysAtASaveThatTheirPlaceIsGone) {
  const fs::path disk = folder_ / "disk", away = folder_ / "away";
  fs::create_directory(state_);
  fs::create_directory(disk);
  fs::create_directory_symlink(disk, checkpoints_folder(state_));
  Program program(binary(), train_words());
  ASSERT_TRUE(program.wait_until([&] { return fs::exists(checkpoint(10)); }, kPatience)) << program.output();
  fs::rename(disk, away);
  ASSERT_TRUE(program.wait_until(
      [&] { return program.output().find("is a link to " + disk.string()) != std::string::npos; }, kPatience))
      << program.output();
  fs::rename(away, disk);
  program.signal(SIGTERM);
  const auto result = program.wait();
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(list_checkpoints(state_).front().step, last_step(state_));
}

TEST_F(StateFolder, WithTwoFailingCheckpointsNamesTheStepToGoBackToAndThatWorks) {
  train();
  damage(40);
  fs::remove(checkpoint(30) / "optimizer.safetensors");
  expect_refused(train_words(), 3,
                 AllOf(HasSubstr("step 40 is damaged"),
                       HasSubstr("step 30 is damaged (optimizer.safetensors: it "
                                 "is missing)"),
                       HasSubstr("pretrain resume --state " + state_.string() + " --from 20")));
  const auto back = run_program(binary(), resume_words() + Words{"--from", "20"});
  EXPECT_EQ(back.exit_code, 0) << back.output;
  EXPECT_THAT(back.output, HasSubstr("checkpoints 30, 40 moved to " + (state_ / "abandoned").string()));
  EXPECT_EQ(last_step(state_), 40U);
}

TEST_F(StateFolder, WithACheckpointThatTheDeviceDoesNotGiveIsLeftAsItIs) {
  train();
  // A socket can't be opened as a file; like an error of the device that proves no damage.
  const fs::path file = checkpoint(40) / "optimizer.safetensors";
  fs::rename(file, folder_ / "kept");
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::ranges::copy(std::string("s"), address.sun_path);
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());  // the length of a socket's name is bounded
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  fs::current_path(before);
  fs::rename(folder_ / "s", file);
  expect_refused(resume_words(), 3, AllOf(HasSubstr("step 40 can't be read"), HasSubstr("--from 30")));
  fs::rename(folder_ / "kept", file);
  ::close(socket);
  EXPECT_EQ(run_program(binary(), resume_words() + Words{"--steps", "41"}).exit_code, 0);
}

TEST_F(StateFolder, WithACheckpointOfAnotherUserNamesTheRightsAndNoWayBack) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  train();
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  for (const auto& entry : fs::recursive_directory_iterator(state_))
    ASSERT_EQ(::chown(entry.path().c_str(), kNobody, kNobody), 0);
  ASSERT_EQ(::chown(state_.c_str(), kNobody, kNobody), 0);
  const fs::path manifest = checkpoint(40) / "manifest.json";  // as root's resume with umask 077 leaves it
  ASSERT_TRUE(::chown(manifest.c_str(), 0, 0) == 0 && ::chmod(manifest.c_str(), 0600) == 0);
  const auto refused = run_program(binary(), resume_words(), {.before_exec = become_nobody});
  EXPECT_EQ(refused.exit_code, 3) << refused.output;
  EXPECT_THAT(refused.output, AllOf(HasSubstr("step 40 can't be read"), HasSubstr("nothing was moved"),
                                    HasSubstr("check the permissions and the owner"),
                                    Not(HasSubstr("--from")), Not(HasSubstr("cable"))));
}

TEST_F(StateFolder, WhoseCheckpointsCannotBeWrittenIsRefusedBeforeItTrains) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  train();
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  for (const auto& entry : fs::recursive_directory_iterator(state_))
    ASSERT_EQ(::chown(entry.path().c_str(), kNobody, kNobody), 0);
  ASSERT_EQ(::chown(state_.c_str(), kNobody, kNobody), 0);
  ASSERT_EQ(::chmod(checkpoints_folder(state_).c_str(), 0555), 0);
  const Surroundings another{.before_exec = become_nobody};
  for (const Words& more : {Words{}, Words{"--check"}}) {
    Words words = resume_words() + Words{"--steps", "60"};
    words.insert(words.end(), more.begin(), more.end());
    const auto refused = run_program(binary(), words, another);
    EXPECT_EQ(refused.exit_code, 1) << refused.output;
    EXPECT_THAT(refused.output,
                AllOf(HasSubstr("no checkpoint can be saved in " + checkpoints_folder(state_).string() +
                                ": Permission denied; check the permissions"),
                      Not(HasSubstr("continuing"))));
  }
  EXPECT_EQ(last_step(state_), 40U);
  Words check = tiny_run(folder_ / "new") + Words{"--steps", "2"};
  check.emplace_back("--check");
  const auto new_one = run_program(binary(), check, another);
  EXPECT_EQ(new_one.exit_code, 1) << new_one.output;
  EXPECT_THAT(new_one.output, HasSubstr("no checkpoint can be saved in " + folder_.path().string()));
  const auto allowed = run_program(binary(), check);
  EXPECT_EQ(allowed.exit_code, 0) << allowed.output;
  for (const auto& entry : fs::directory_iterator(folder_.path())) EXPECT_EQ(entry.path(), state_);
}

TEST_F(StateFolder, ThatHasHeldCheckpointsNeverBecomesANewRun) {
  train();
  fs::remove_all(checkpoints_folder(state_));
  expect_refused(train_words(), 3, HasSubstr("held a run (evaluation.safetensors, metrics.jsonl)"));
  fs::remove(state_ / "metrics.jsonl");
  expect_refused(train_words(), 3, HasSubstr("held a run (evaluation.safetensors, events.jsonl)"));
  fs::remove(state_ / "evaluation.safetensors");
  expect_refused(train_words(), 3, HasSubstr("held a run (events.jsonl)"));
  fs::remove(state_ / "events.jsonl");
  fs::create_directories(state_ / "abandoned" / "step-000000030");
  expect_refused(train_words(), 3, HasSubstr("abandoned or damaged checkpoints"));
  expect_refused(resume_words(), 3, HasSubstr("abandoned or damaged checkpoints"));
}

TEST_F(StateFolder, WhoseCheckpointsCannotBeListedIsInspectedAsARunAndRefused) {
  train();
  fs::remove_all(checkpoints_folder(state_));
  fs::create_directory_symlink("checkpoints", checkpoints_folder(state_));  // a link to itself
  const auto inspected = run_program(binary(), {"inspect", state_.string()});
  EXPECT_EQ(inspected.exit_code, 1) << inspected.output;
  EXPECT_THAT(inspected.output, AllOf(HasSubstr("checkpoints: Too many levels of symbolic links"),
                                      Not(HasSubstr("--tokens-per-second"))));
}

TEST_F(StateFolder, OfTheEnvironmentIsThatOfEachCommandThatWasGivenNone) {
  train();
  const auto run = [&](const Words& words) {
    return run_program(
        binary(), words,
        {.environment = {{"PRETRAIN_STATE", state_.string()}, {"XDG_STATE_HOME", folder_.path().string()}}});
  };
  for (const Words& words : {Words{"status"}, Words{"report", "--output", (folder_ / "r.html").string()},
                             Words{"export-metrics", "--csv", (folder_ / "m.csv").string()},
                             Words{"generate", "--prompt", "a", "--tokens", "1"}}) {
    const auto result = run(words);
    EXPECT_EQ(result.exit_code, 0) << words.front() << ": " << result.output;
  }
}

TEST_F(StateFolder, OfAServiceIsOneAbsolutePath) {
  const std::pair<const char*, const char*> wrong[] = {
      {"relative", "STATE_DIRECTORY must be an absolute path (got relative)"},
      {"/no/a:/no/b", "STATE_DIRECTORY names several folders (/no/a:/no/b); choose one with --state"}};
  for (const auto& [value, message] : wrong) {
    const auto result = run_program(binary(), {"status"}, {.environment = {{"STATE_DIRECTORY", value}}});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.output, HasSubstr(message));
  }
}

TEST_F(StateFolder, OfARunPastItsLimitIsNamedByACheck) {
  train();
  Words words = tiny_run(state_) + Words{"--steps", "40"};
  words.emplace_back("--check");
  const std::string checked = run_program(binary(), words).output;
  EXPECT_THAT(checked,
              HasSubstr("would continue from step 40, and end there, because --steps 40 is reached"));
  EXPECT_THAT(checked, HasSubstr("vocabulary 363")) << "not the most that a new run might have";
}

TEST_F(StateFolder, KeepsItsNewerCheckpointsUntilAllOfACommandIsSound) {
  train();
  const Words back = resume_words() + Words{"--from", "10"};
  expect_refused(back + Words{"--checkpoint-interval", "abc"}, 2, HasSubstr("abc"));
  expect_refused(back + Words{"--learning-rate", "5e-4"}, 2, HasSubstr("--learning-rate"));
  expect_refused(back + Words{"--corpus", (folder_ / "nowhere").string()}, 3, HasSubstr("nowhere"));
  put_byte(state_ / "evaluation.safetensors", 30);
  expect_refused(back, 3, HasSubstr("evaluation"));
  fs::remove(state_ / "evaluation.safetensors");
  expect_refused(resume_words() + Words{"--from", "15"}, 3,
                 HasSubstr("no checkpoint of step 15; it has 40, 30, 20, 10, 0"));
  for (const char* step : {"99999999999999999999", "", "-1", "1x"})
    expect_refused(resume_words() + Words{"--from", step}, 2, Not(HasSubstr("continuing")));
}

TEST_F(StateFolder, OfAnotherCorpusIsNotContinuedAndThatOfAMovedOneIs) {
  const fs::path first = folder_ / "first";
  fs::copy(sample_corpus(), first, fs::copy_options::recursive);
  ASSERT_EQ(
      run_program(binary(), train_words() + Words{"--corpus", first.string(), "--steps", "5"}).exit_code, 0);
  const auto other = folder_.write("other/text.txt", std::string(200'000, 'x') + "\n").parent_path();
  const auto message = AllOf(HasSubstr("another corpus, " + first.string()), HasSubstr(other.string()),
                             HasSubstr("--state"), Not(HasSubstr("continuing")));
  expect_refused(train_words() + Words{"--corpus", other.string(), "--steps", "9"}, 2, message);
  expect_refused(resume_words() + Words{"--corpus", other.string(), "--steps", "9"}, 2, message);
  fs::rename(first, folder_ / "moved");
  const Words moved{"--corpus", (folder_ / "moved").string(), "--steps", "9"};
  const auto result = run_program(binary(), train_words() + moved);
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(last_step(state_), 9U);
}

TEST_F(StateFolder, OfAStartThatFailedTakesTheCorrectedCommand) {
  const auto failed = run_program(binary(), train_words() + Words{"--batch", "6000", "--steps", "5"});
  EXPECT_EQ(failed.exit_code, 3) << failed.output;
  const auto corrected = run_program(binary(), train_words() + Words{"--batch", "16", "--steps", "5"});
  EXPECT_EQ(corrected.exit_code, 0) << corrected.output;
  EXPECT_THAT(corrected.output, Not(HasSubstr("warning")));
  EXPECT_TRUE(file_exists(state_ / "evaluation.safetensors"));
  EXPECT_EQ(last_step(state_), 5U);
  expect_refused(train_words() + Words{"--batch", "8", "--steps", "9"}, 2,
                 HasSubstr("--batch 8 (the run has 16)"));
}

TEST_F(StateFolder, OfAMistypedCorpusHoldsNoRun) {
  const Words mistyped = train_words() + Words{"--corpus", (folder_ / "nowhere").string()};
  EXPECT_EQ(run_program(binary(), mistyped).exit_code, 3);
  const auto resumed = run_program(binary(), resume_words());
  EXPECT_EQ(resumed.exit_code, 3);
  EXPECT_THAT(resumed.output, HasSubstr("no run there"));
  EXPECT_EQ(run_program(binary(), train_words() + Words{"--steps", "2"}).exit_code, 0);
}

TEST_F(StateFolder, TellsLargeSeedsApart) {
  const Words seeded = train_words() + Words{"--steps", "2", "--seed", "9007199254740993"};
  ASSERT_EQ(run_program(binary(), seeded).exit_code, 0);
  expect_refused(seeded + Words{"--seed", "9007199254740992"}, 2, HasSubstr("--seed 9007199254740992"));
  EXPECT_EQ(run_program(binary(), seeded).exit_code, 0);
}

TEST_F(StateFolder, TakesItsTokenizerFromAnyPlaceAndNoOther) {
  train();
  const auto model = folder_ / "a.model";
  fs::copy_file(checkpoint(40) / "tokenizer.model", model);
  const auto own = folder_ / "own";
  const Words first = tiny_run(own) + Words{"--steps", "2", "--tokenizer", model.string()};
  ASSERT_EQ(run_program(binary(), first).exit_code, 0);
  fs::rename(model, folder_ / "b.model");
  EXPECT_EQ(run_program(binary(), first).exit_code, 0) << "it is gone, and kept in the checkpoint";
  const Words moved = first + Words{"--tokenizer", (folder_ / "b.model").string()};
  EXPECT_EQ(run_program(binary(), moved).exit_code, 0) << "it moved";
  folder_.write("b.model", "another one");
  const auto other = run_program(binary(), moved);
  EXPECT_EQ(other.exit_code, 2) << other.output;
  EXPECT_THAT(other.output, HasSubstr("is not the tokenizer of the run"));
}

TEST_F(StateFolder, HoldsTheTemplateRulesOfItsRun) {
  const fs::path rules = folder_.write("rules.txt", "foo -> $1\n");
  const Words first = train_words() + Words{"--steps", "2", "--template-rules", rules.string()};
  ASSERT_EQ(run_program(binary(), first).exit_code, 0);
  EXPECT_EQ(run_program(binary(), first).exit_code, 0);
  const Words resumed = resume_words() + Words{"--steps", "4"};
  folder_.write("rules.txt", "foo -> $2\n");
  const auto changed = run_program(binary(), resumed);
  EXPECT_EQ(changed.exit_code, 2) << changed.output;
  EXPECT_THAT(changed.output, HasSubstr("it has changed; put that file back"));
  EXPECT_EQ(run_program(binary(), first).exit_code, 2);
  fs::remove(rules);
  EXPECT_EQ(run_program(binary(), resumed).exit_code, 2);
  folder_.write("rules.txt", "foo -> $1\n");
  const auto back = run_program(binary(), resumed);
  EXPECT_EQ(back.exit_code, 0) << back.output;
}

TEST_F(StateFolder, TakesAValidationCorpusThatMovedAndNoOther) {
  const fs::path held_out = folder_ / "held-out";
  fs::copy(sample_corpus(), held_out, fs::copy_options::recursive);
  const Words first = train_words() + Words{"--steps", "2", "--validation-corpus", held_out.string()};
  ASSERT_EQ(run_program(binary(), first).exit_code, 0);
  fs::rename(held_out, folder_ / "moved");
  EXPECT_EQ(run_program(binary(), first).exit_code, 0);
  const Words moved = first + Words{"--validation-corpus", (folder_ / "moved").string()};
  const auto result = run_program(binary(), moved);
  EXPECT_EQ(result.exit_code, 0) << result.output;
  const auto other = folder_.write("other/text.txt", std::string(5000, 'x')).parent_path();
  const auto refused = run_program(binary(), first + Words{"--validation-corpus", other.string()});
  EXPECT_EQ(refused.exit_code, 2) << refused.output;
}

TEST_F(StateFolder, IsOwnedByOneProcessAlsoWhenItsLockFileIsDeleted) {
  Program first(binary(), train_words());
  ASSERT_TRUE(first.wait_until([&] { return is_under_way(state_); }, kPatience)) << first.output();
  fs::remove(state_ / "lock");
  const auto second = run_program(binary(), resume_words());
  EXPECT_EQ(second.exit_code, 1) << second.output;
  EXPECT_THAT(second.output, HasSubstr("in use by another pretrain"));
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait().exit_code, 0);
}

TEST_F(StateFolder, IsContinuedThoughAnotherProgramSavedTheTokenizerAnew) {
  train();
  const fs::path json = checkpoint(40) / "tokenizer.json";
  const std::string text = nlohmann::json::parse(read_file(json)).dump();
  std::ofstream(json, std::ios::trunc) << text;
  std::ofstream(checkpoint(40) / "special_tokens_map.json") << "{}";
  const auto result = run_program(binary(), resume_words() + Words{"--steps", "50"});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, AllOf(HasSubstr("was changed by another program: tokenizer.json"),
                                   HasSubstr("continuing from step 40"), Not(HasSubstr("damaged"))));
}

/// A user tidies up, or a disk is unmounted, while the program trains.
TEST_F(StateFolder, ThatIsRemovedUnderARunIsMadeAnewAtTheSave) {
  Program program(binary(), tiny_run(state_));
  ASSERT_TRUE(program.wait_until([&] { return is_under_way(state_, 10); }, kPatience));
  const fs::path removed = folder_ / "removed";
  fs::rename(state_, removed);
  const auto is_removed = [&] {
    std::error_code error;  // while the program still renames a file there
    fs::remove_all(removed, error);
    return !fs::exists(removed);
  };
  ASSERT_TRUE(program.wait_until(is_removed, kPatience));
  program.signal(SIGTERM);
  ASSERT_TRUE(program.ends_within(kPatience)) << program.output();
  const auto result = program.wait();
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("was gone"));
  const auto newest = find_newest_verified(state_);
  ASSERT_TRUE(newest) << result.output;
  const uint64_t step = newest->step;
  EXPECT_GE(step, 10U) << result.output;
  EXPECT_FALSE(records(state_).empty()) << "nothing of the end was recorded";
  const auto more = run_program(binary(), resume_words() + Words{"--steps", std::to_string(step + 5)});
  EXPECT_EQ(more.exit_code, 0) << more.output;
  EXPECT_EQ(find_newest_verified(state_)->step, step + 5) << more.output;
}

/// The user tidies up, or a disk that has only the checkpoints is unmounted.
TEST_F(StateFolder, WhoseCheckpointsAreRemovedUnderARunSaysSoAndKeepsItsRecords) {
  Program program(binary(), tiny_run(state_) + Words{"--checkpoint-every", "50", "--log-every", "1"});
  ASSERT_TRUE(program.wait_until([&] { return is_under_way(state_, 10); }, kPatience));
  fs::rename(checkpoints_folder(state_), folder_ / "removed");
  ASSERT_TRUE(program.wait_until(
      [&] { return fs::exists(checkpoints_folder(state_)) && !list_checkpoints(state_).empty(); }, kPatience))
      << program.output();
  program.signal(SIGTERM);
  const auto result = program.wait();
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, AllOf(HasSubstr(checkpoints_folder(state_).string() + " was gone"),
                                   Not(HasSubstr("edited, replaced"))));
  const auto all = steps(state_);
  ASSERT_FALSE(all.empty());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i]["step"], i + 1);
  EXPECT_EQ(find_newest_verified(state_)->step, all.size());
}

TEST_F(StateFolder, IsInspectedWithAllItsCheckpoints) {
  train();
  const auto whole = run_program(binary(), {"inspect", state_.string()});
  EXPECT_EQ(whole.exit_code, 0);
  EXPECT_TRUE(whole.output.ends_with(" checkpoints, every file verified\n"))
      << "the verdict is the last line";
  damage(20);
  for (const fs::path& path : {state_, state_ / "checkpoints", state_ / "checkpoints" / ""}) {
    const auto result = run_program(binary(), {"inspect", path.string()});
    EXPECT_EQ(result.exit_code, 3) << result.output;
    EXPECT_THAT(result.output, AllOf(HasSubstr("step 20 is damaged (model.safetensors"),
                                     HasSubstr("checkpoint of step 40, every file verified")));
  }
}

}  // namespace
}  // namespace pretrain::test
