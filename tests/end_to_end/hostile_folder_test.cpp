// SPDX-License-Identifier: Apache-2.0
// Checkpoints and state folders that someone made to do harm, sealed with fitting hashes where that is
// needed: each command ends with one line and the documented exit code, and older checkpoints are used where
// one was found damaged.

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libs/base/hash.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;

/// A run with checkpoints of steps 0, 10 and 20, made once.
const fs::path& whole_run() {
  static const TempFolder folder;
  static const fs::path state = [] {
    const fs::path path = folder / "run";
    const auto run = run_program(
        binary(), tiny_run(path) + Words{"--steps", "20", "--checkpoint-every", "10", "--keep", "5"});
    EXPECT_EQ(run.exit_code, 0) << run.output;
    return path;
  }();
  return state;
}

/// A copy of it to be changed.
class HostileState {
 public:
  HostileState() { fs::copy(whole_run(), state(), fs::copy_options::recursive); }

  fs::path state() const { return folder_ / "run"; }
  fs::path newest() const { return checkpoints_folder(state()) / checkpoint_name(20); }
  const TempFolder& folder() const { return folder_; }

  ProgramResult inspect() const { return run_program(binary(), {"inspect", newest().string()}); }
  ProgramResult generate() const {
    return run_program(binary(),
                       {"generate", "--checkpoint", newest().string(), "--prompt", "A", "--tokens", "4"});
  }
  ProgramResult resume() const {
    return run_program(binary(), {"resume", "--state", state().string(), "--steps", "22"});
  }
  ProgramResult resume_from_newest() const {
    return run_program(binary(), {"resume", "--state", state().string(), "--from", "20", "--steps", "22"});
  }
  std::set<std::string> checkpoint_names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(checkpoints_folder(state())))
      names.insert(entry.path().filename().string());
    return names;
  }

 private:
  TempFolder folder_;
};

std::string content_of(const fs::path& path) {
  return read_file(path);
}

void replace_content(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

/// Gives the text of a manifest the hash that fits it.
std::string sealed(std::string text) {
  const size_t hash = text.find('"', text.find(':')) + 1;
  constexpr size_t kDigits = 32;
  return text.replace(hash, kDigits, hash128_hex(std::string_view(text).substr(hash + kDigits)));
}

/// Gives the manifest the sizes and hashes that its files have now.
void seal_files(const fs::path& checkpoint) {
  const fs::path path = checkpoint / kManifestName;
  Manifest manifest = parse_manifest(content_of(path), "manifest");
  for (ManifestFile& file : manifest.files) file = hash_file(checkpoint / file.name);
  replace_content(path, manifest_text(manifest));
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

void expect_one_line_of_error(const ProgramResult& result, int exit_code, const std::string& part) {
  EXPECT_EQ(result.exit_code, exit_code) << result.output;
  EXPECT_NE(result.output.find(part), std::string::npos) << "not told: " << part << "\n" << result.output;
  EXPECT_EQ(result.output.find("unexpected"), std::string::npos) << result.output;
  EXPECT_EQ(result.output.find('\x1b'), std::string::npos) << result.output;
  std::istringstream lines(result.output);
  int errors = 0;
  for (std::string line; std::getline(lines, line);)
    errors += line.find("error") == std::string::npos ? 0 : 1;
  EXPECT_EQ(errors, 1) << result.output;
}

struct Attack {
  const char* what;
  std::function<void(const HostileState&)> apply;
  const char* told;  ///< a part of the message
};

std::string deep(size_t levels) {
  return std::string(levels, '[') + std::string(levels, ']');
}

const std::vector<Attack>& attacks_on_verification() {
  static const std::vector<Attack> attacks = {
      {"a manifest of any depth",
       [](const HostileState& s) {
         const fs::path path = s.newest() / kManifestName;
         replace_content(path, sealed(replaced(content_of(path), "\"fingerprint\": {",
                                               "\"fingerprint\": {\"deep\": " + deep(200'000) + ",")));
       },
       "nested more than"},
      {"a negative step",
       [](const HostileState& s) {
         const fs::path path = s.newest() / kManifestName;
         replace_content(path, sealed(replaced(content_of(path), "\"step\": 20", "\"step\": -20")));
       },
       "'step' is not a whole number"},
      {"a file name with an escape sequence that leaves the folder",
       [](const HostileState& s) {
         const fs::path path = s.newest() / kManifestName;
         replace_content(
             path, sealed(replaced(content_of(path), "\"config.json\"", "\"\\u001b[2J/../../config.json\"")));
       },
       ".name' is not the name of a file"},
      {"a link in place of a file",
       [](const HostileState& s) {
         fs::rename(s.newest() / "model.safetensors", s.folder() / "elsewhere");
         fs::create_symlink(s.folder() / "elsewhere", s.newest() / "model.safetensors");
       },
       "symbolic link"},
      {"a FIFO in place of a file",
       [](const HostileState& s) {
         fs::remove(s.newest() / "optimizer.safetensors");
         ASSERT_EQ(mkfifo((s.newest() / "optimizer.safetensors").c_str(), 0600), 0);
       },
       "not a regular file"},
      {"a FIFO in place of the manifest",
       [](const HostileState& s) {
         fs::remove(s.newest() / kManifestName);
         ASSERT_EQ(mkfifo((s.newest() / kManifestName).c_str(), 0600), 0);
       },
       ""},
      {"a file without end",
       [](const HostileState& s) { fs::resize_file(s.newest() / "stream.safetensors", uint64_t{1} << 40); },
       "it has 1099511627776 bytes instead of"},
  };
  return attacks;
}

TEST(HostileFolder, DamageOfTheNewestCheckpointIsToldAndAnOlderOneIsUsed) {
  for (const Attack& attack : attacks_on_verification()) {
    SCOPED_TRACE(attack.what);
    const HostileState s;
    attack.apply(s);
    if (*attack.told != '\0') {
      expect_one_line_of_error(s.inspect(), 3, attack.told);
      expect_one_line_of_error(s.generate(), 3, attack.told);
    }
    const ProgramResult resumed = s.resume();
    EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
    EXPECT_NE(resumed.output.find("continuing from step 10"), std::string::npos) << resumed.output;
  }
}

/// Replaces one file of a checkpoint and seals the checkpoint again.
void replace_and_seal(const fs::path& checkpoint, const std::string& name,
                      const std::function<std::string(const std::string&)>& change) {
  replace_content(checkpoint / name, change(content_of(checkpoint / name)));
  seal_files(checkpoint);
}

void set_key(const fs::path& checkpoint, const std::string& key, const nlohmann::json& value) {
  const fs::path path = checkpoint / kManifestName;
  Manifest manifest = parse_manifest(content_of(path), "manifest");
  manifest.configuration[key] = value;
  replace_content(path, manifest_text(manifest));
}

/// The newest checkpoint, which can't be loaded, is set aside and the one before it is used; who asks for it
/// by its step gets the reason.
void expect_an_older_one_is_used(const HostileState& s, const std::string& told) {
  expect_one_line_of_error(s.resume_from_newest(), 3, told);
  EXPECT_EQ(s.checkpoint_names(),
            (std::set<std::string>{checkpoint_name(0), checkpoint_name(10), checkpoint_name(20)}));
  const ProgramResult resumed = s.resume();
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  for (const std::string& part : {told, std::string("continuing from step 10"), std::string("set aside as"),
                                  std::string("can't be loaded")})
    EXPECT_NE(resumed.output.find(part), std::string::npos) << "not told: " << part << "\n" << resumed.output;
  EXPECT_TRUE(s.checkpoint_names().contains("damaged-" + checkpoint_name(20)));
}

std::string with_value(const std::string& text, const char* key, const nlohmann::json& value) {
  nlohmann::json document = nlohmann::json::parse(text);
  document[key] = value;
  return document.dump(1);
}

std::string safetensors_of(const std::string& header) {
  const uint64_t length = header.size();
  std::string text(reinterpret_cast<const char*>(&length), sizeof length);
  return text + header;
}

struct SealedAttack {
  const char* what;
  const char* file;
  std::function<std::string(const std::string&)> change;
  bool stops_generate;
  bool stops_resume;
  const char* told;
};

const std::vector<SealedAttack>& sealed_attacks() {
  using Text = const std::string&;
  static const std::vector<SealedAttack> attacks = {
      {"a state of any depth", "state.json", [](Text) { return deep(200'000); }, false, true,
       "nested more than"},
      {"a state of another step", "state.json", [](Text text) { return with_value(text, "step", 19); }, false,
       true, "'step' is not the checkpoint's"},
      {"a count that is a text", "state.json",
       [](Text text) { return with_value(text, "updates", "\x1b[2J"); }, false, true,
       "'updates' is not a whole number"},
      {"a model without end", "config.json",
       [](Text text) { return replaced(text, "\"n_layer\": 1", "\"n_layer\": 1000000000"); }, true, false,
       "layers"},
      {"a negative width", "config.json",
       [](Text text) { return replaced(text, "\"n_embd\": 64", "\"n_embd\": -64"); }, true, false,
       "config.json"},
      {"more layers than there are weights", "config.json",
       [](Text text) { return replaced(text, "\"n_layer\": 1", "\"n_layer\": 1000"); }, true, false,
       "model.safetensors"},
      {"a configuration of any depth", "config.json", [](Text) { return deep(200'000); }, true, false,
       "config.json"},
      {"a tokenizer that is none", "tokenizer.model", [](Text) { return std::string(5000, 'x'); }, true, true,
       "tokenizer"},
      {"a header of many numbers", "model.safetensors",
       [](Text) {
         std::string header = "{";
         for (int i = 0; i < 900'000; ++i) header += fmt::format("{}\"{:06}\":0", i == 0 ? "" : ",", i);
         return safetensors_of(header + "}");
       },
       true, true, "must have dtype"},
      {"a header larger than any model's", "model.safetensors",
       [](Text) { return safetensors_of("{" + std::string(100'000'000, ' ') + "}"); }, true, true,
       "out of bounds"},
      {"weights that are not numbers", "model.safetensors",
       [](Text text) {
         std::string changed = text;
         return changed.replace(changed.size() - 4, 4, std::string("\0\0\xc0\x7f", 4));
       },
       true, true, "not finite"},
      {"moments that are not numbers", "optimizer.safetensors",
       [](Text text) {
         std::string changed = text;
         return changed.replace(changed.size() - 4, 4, std::string("\0\0\x80\x7f", 4));
       },
       false, true, "is not finite at element"},
  };
  return attacks;
}

TEST(HostileFolder, WhatFitsItsHashIsCheckedAllTheSame) {
  for (const SealedAttack& attack : sealed_attacks()) {
    SCOPED_TRACE(attack.what);
    const HostileState s;
    replace_and_seal(s.newest(), attack.file, attack.change);
    if (attack.stops_generate) expect_one_line_of_error(s.generate(), 3, attack.told);
    if (attack.stops_resume) expect_an_older_one_is_used(s, attack.told);
  }
}

TEST(HostileFolder, TwoThatFitTheirHashesAndCantBeLoadedStopTheStartAndNothingMoves) {
  const HostileState s;
  for (const uint64_t step : {10, 20}) {
    replace_and_seal(checkpoints_folder(s.state()) / checkpoint_name(step), "state.json",
                     [](const std::string& text) { return with_value(text, "updates", "many"); });
  }
  const auto before = s.checkpoint_names();
  expect_one_line_of_error(s.resume(), 3, "2 checkpoints can't be used: step 20 can't be loaded");
  EXPECT_EQ(s.checkpoint_names(), before);
}

TEST(HostileFolder, AStreamThatFitsItsHashAndNotTheRunIsNotContinued) {
  const HostileState s;
  replace_and_seal(s.newest(), "state.json", [](const std::string& text) {
    nlohmann::json state = nlohmann::json::parse(text);
    state["stream"]["partial_rows"] = 1'000'000;
    return state.dump(1);
  });
  expect_an_older_one_is_used(s, "stream.safetensors");
}

TEST(HostileFolder, AConfigurationThatIsNoneIsTheFaultOfTheFolderAndNotReplacedByADefault) {
  struct Value {
    const char* key;
    nlohmann::json value;
    const char* told;
  };
  const std::vector<Value> values = {{"batch", 16, "'batch' is not a text"},
                                     {"batch", "many", "(got many)"},
                                     {"batch", "-1", "(got -1)"},
                                     {"schedule", "steps", "(got steps)"},
                                     {"checkpoint-interval", "soon", "(got soon)"},
                                     {"model", "huge", "(got huge)"},
                                     {"heads", "5", "heads = 5"}};
  for (const Value& each : values) {
    SCOPED_TRACE(each.told);
    const HostileState s;
    set_key(s.newest(), each.key, each.value);
    expect_an_older_one_is_used(s, each.told);
  }
}

TEST(HostileFolder, AConfigurationThatNoCheckpointCanBeReadWithEndsWithTheExitCodeOfTheFolder) {
  const HostileState s;
  for (const uint64_t step : {0, 10, 20})
    set_key(checkpoints_folder(s.state()) / checkpoint_name(step), "learning-rate", "fast");
  const auto before = s.checkpoint_names();
  expect_one_line_of_error(s.resume(), 3, "the configuration in the manifest: --learning-rate must be");
  EXPECT_EQ(s.checkpoint_names(), before);
}

TEST(HostileFolder, ARunWritesThroughNoLinkAndWaitsForNoFifo) {
  for (const char* name : {"metrics.jsonl", "skipped.jsonl"}) {
    SCOPED_TRACE(name);
    const HostileState s;
    const fs::path victim = s.folder().write("victim", std::string(100'000, 'v'));
    fs::remove(s.state() / name);
    fs::create_symlink(victim, s.state() / name);
    const ProgramResult resumed = s.resume();
    EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
    EXPECT_TRUE(content_of(victim) == std::string(100'000, 'v'));
    fs::remove(s.state() / name);
    ASSERT_EQ(mkfifo((s.state() / name).c_str(), 0600), 0);
    const ProgramResult again =
        run_program(binary(), {"resume", "--state", s.state().string(), "--steps", "24"});
    EXPECT_EQ(again.exit_code, 0) << again.output;
  }
}

std::vector<Attack> attacks_on_record(const std::string& name) {
  return {{"a link to itself",
           [name](const HostileState& s) { fs::create_symlink(s.state() / name, s.state() / name); }, ""},
          {"a link to nowhere",
           [name](const HostileState& s) { fs::create_symlink("/nowhere/at/all", s.state() / name); }, ""},
          {"a folder", [name](const HostileState& s) { s.folder().write("run/" + name + "/inner", ""); }, ""},
          {"a FIFO",
           [name](const HostileState& s) { ASSERT_EQ(mkfifo((s.state() / name).c_str(), 0600), 0); }, ""}};
}

/// How many lines tell of records.
size_t lines_about_records(const std::string& output) {
  size_t count = 0;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    for (const char* part :
         {"its records are lost", "the curve is written again", "counted but not recorded"})
      count += line.find(part) == std::string::npos ? 0 : 1;
  }
  return count;
}

TEST(HostileFolder, RecordsThatCantBeWrittenNeverEndARunAndAreToldOnce) {
  for (const std::string name : {"metrics.jsonl", "events.jsonl", "curve.jsonl", "skipped.jsonl"}) {
    for (const Attack& attack : attacks_on_record(name)) {
      SCOPED_TRACE(name + ": " + attack.what);
      const HostileState s;
      fs::remove(s.state() / name);
      attack.apply(s);
      const ProgramResult resumed = s.resume();
      EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
      EXPECT_TRUE(fs::exists(checkpoints_folder(s.state()) / checkpoint_name(22)));
      EXPECT_LE(lines_about_records(resumed.output), 1U) << resumed.output;
    }
  }
}

TEST(HostileFolder, RecordsThatCantBeReadNeverEndARun) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files to another user";
  constexpr unsigned kNobody = 65534;
  const auto become_nobody = [] { return ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0; };
  for (const char* name : {"metrics.jsonl", "events.jsonl", "curve.jsonl", "skipped.jsonl"}) {
    SCOPED_TRACE(name);
    const HostileState s;
    ASSERT_EQ(::chmod(s.folder().path().c_str(), 0755), 0);
    ASSERT_EQ(::chown(s.state().c_str(), kNobody, kNobody), 0);
    for (const auto& entry : fs::recursive_directory_iterator(s.state()))
      ASSERT_EQ(::chown(entry.path().c_str(), kNobody, kNobody), 0);
    ASSERT_EQ(::chown((s.state() / name).c_str(), 0, 0), 0);
    ASSERT_EQ(::chmod((s.state() / name).c_str(), 0600), 0);
    const std::string before = content_of(s.state() / name);
    const ProgramResult resumed =
        run_program(binary(), {"resume", "--state", s.state().string(), "--steps", "22"},
                    {.environment = {}, .before_exec = become_nobody});
    EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
    EXPECT_EQ(lines_about_records(resumed.output), 1U) << resumed.output;
    EXPECT_EQ(content_of(s.state() / name), before);
  }
}

TEST(HostileFolder, ALockThatIsALinkIsNotFollowed) {
  const HostileState s;
  fs::remove(s.state() / "lock");
  fs::create_symlink(s.folder() / "made-by-root", s.state() / "lock");
  expect_one_line_of_error(s.resume(), 1, "symbolic link");
  EXPECT_FALSE(fs::exists(s.folder() / "made-by-root"));
}

TEST(HostileFolder, CheckpointsOnAnotherDiskAreFollowed) {
  const HostileState s;
  fs::rename(s.state() / "checkpoints", s.folder() / "other-disk");
  fs::create_directory_symlink(s.folder() / "other-disk", s.state() / "checkpoints");
  const ProgramResult resumed = s.resume();
  EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_TRUE(fs::is_symlink(s.state() / "checkpoints"));
  EXPECT_TRUE(fs::exists(s.folder() / "other-disk" / checkpoint_name(22)));
}

TEST(HostileFolder, NamesAndValuesReachATerminalEscaped) {
  const HostileState s;
  const fs::path path = s.newest() / kManifestName;
  Manifest manifest = parse_manifest(content_of(path), "manifest");
  manifest.configuration["corpus"] = "\x1b]0;title\x07\nmodel = fake \u202e\u009b2J";
  manifest.fingerprint["\x1b[2J"] = "\u009b2J";
  manifest.created = "\x1b[31m";
  replace_content(path, manifest_text(manifest));
  const ProgramResult inspected = s.inspect();
  EXPECT_EQ(inspected.exit_code, 0) << inspected.output;
  EXPECT_NE(inspected.output.find("\\x1b]0;title\\x07\\nmodel = fake \\u202e\\u009b2J"), std::string::npos)
      << inspected.output;

  const fs::path corpus = s.folder() / "corpus";
  s.folder().write("corpus/\x1b[2J\nwarning: made up", std::string(1000, '\0'));
  s.folder().write("corpus/text.txt", "Some text to be read.\n");
  const ProgramResult listed = run_program(binary(), {"inspect", corpus.string()});
  EXPECT_EQ(listed.exit_code, 0) << listed.output;
  EXPECT_NE(listed.output.find("\\x1b[2J\\nwarning: made up"), std::string::npos) << listed.output;
  for (const std::string& output : {inspected.output, listed.output}) {
    for (const char* raw : {"\x1b", "\x07", "\u009b", "\u202e"})
      EXPECT_EQ(output.find(raw), std::string::npos);
  }
}

}  // namespace
}  // namespace pretrain::test
