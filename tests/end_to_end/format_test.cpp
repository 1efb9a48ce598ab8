// SPDX-License-Identifier: Apache-2.0
// The documents of the file formats name every key that is written, and nothing that isn't.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/train/run_recorder.h"
#include "tests/end_to_end/format_document.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string document(const std::string& folder) {
  return read_file(source_folder() / folder / "FORMAT.md");
}

std::string checkpoint_document() {
  return document("libs/checkpoint");
}

std::string metrics_document() {
  return document("libs/metrics");
}

nlohmann::json json_of(const std::filesystem::path& path) {
  return nlohmann::json::parse(read_file(path));
}

std::vector<nlohmann::json> json_lines(const std::filesystem::path& path) {
  std::vector<nlohmann::json> all;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) all.push_back(nlohmann::json::parse(line));
  return all;
}

/// A run, and a branch of it.
class Format : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder();
    const auto trained = run_program(
        binary(), tiny_run(run()) + Words{"--steps", "4", "--evaluate-every", "2", "--sample-tokens", "5"} +
                      Words{"--deduplicate", "near"});
    ASSERT_EQ(trained.exit_code, 0) << trained.output;
    const auto branched =
        run_program(binary(), {"branch", "--checkpoint", run().string(), "--state", branch().string(),
                               "--learning-rate", "1e-4", "--steps", "6"});
    ASSERT_EQ(branched.exit_code, 0) << branched.output;
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::filesystem::path run() { return *folder_ / "run"; }
  static std::filesystem::path branch() { return *folder_ / "branch"; }
  static std::filesystem::path checkpoint() { return checkpoints_folder(run()) / checkpoint_name(4); }

 private:
  static inline TempFolder* folder_ = nullptr;
};

TEST_F(Format, EachFileOfACheckpointIsDocumented) {
  const FormatKeys files = format_keys(checkpoint_document(), "Files");
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoint()))
    names.insert(entry.path().filename().native());
  std::set<std::string> always;
  for (const auto& [name, file] : files) {
    if (!file.optional) always.insert(name);
  }
  EXPECT_EQ(names, always);
}

TEST_F(Format, TheManifestIsAsDocumented) {
  const FormatKeys keys = format_keys(checkpoint_document(), "manifest.json");
  for (const auto& folder : {checkpoint(), checkpoints_folder(branch()) / checkpoint_name(6)}) {
    const nlohmann::json manifest = json_of(folder / "manifest.json");
    EXPECT_THAT(format_faults(keys, manifest), IsEmpty());
  }
  EXPECT_TRUE(
      json_of(checkpoints_folder(branch()) / checkpoint_name(6) / "manifest.json").contains("parent"));
}

TEST_F(Format, TheStateIsAsDocumented) {
  const FormatKeys keys = format_keys(checkpoint_document(), "state.json");
  EXPECT_THAT(format_faults(keys, json_of(checkpoint() / "state.json")), IsEmpty());
}

TEST_F(Format, TensorsAreAsDocumented) {
  for (const std::string name : {"stream.safetensors", "model.safetensors", "optimizer.safetensors"}) {
    const FormatKeys keys = format_keys(checkpoint_document(), name);
    ASSERT_FALSE(keys.empty()) << name;
    EXPECT_THAT(format_faults(keys, SafetensorsFile::open(checkpoint() / name)), IsEmpty()) << name;
  }
  const FormatKeys keys = format_keys(checkpoint_document(), "evaluation.safetensors");
  EXPECT_THAT(format_faults(keys, SafetensorsFile::open(run() / "evaluation.safetensors")), IsEmpty());
}

/// Some epochs of JSON lines, of which the last is broken.
void train_on_a_damaged_file(const TempFolder& folder) {
  std::string lines;
  for (int i = 0; i < 50; ++i)
    lines += fmt::format("{{\"text\": \"Line {} of a text that is read as JSON lines.\"}}\n", i);
  const auto corpus = folder.write("text/lines.jsonl", lines + "{\"text\": \"never closed\n");
  const Words words = tiny_run(folder / "run") + Words{"--corpus", corpus.string(), "--steps", "30"};
  const auto trained = run_program(binary(), words);
  ASSERT_EQ(trained.exit_code, 0) << trained.output;
}

TEST(FormatOfSkips, WhatIsSkippedIsWrittenAsDocumented) {
  const TempFolder folder;
  ASSERT_NO_FATAL_FAILURE(train_on_a_damaged_file(folder));
  const FormatKeys keys = format_keys(metrics_document(), "skipped.jsonl");
  const auto skipped = json_lines(folder / "run" / "skipped.jsonl");
  ASSERT_FALSE(skipped.empty());
  for (const nlohmann::json& record : skipped) EXPECT_THAT(format_faults(keys, record), IsEmpty());
}

TEST_F(Format, EachKeyOfRunIniIsAnOption) {
  const std::string help = run_program(binary(), {"train", "--help"}).output;
  std::istringstream file(read_file(run() / "run.ini"));
  size_t keys = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    const std::string key = line.substr(0, line.find(" = "));
    EXPECT_THAT(help, HasSubstr("\n  --" + key + " "));
    ++keys;
  }
  EXPECT_GT(keys, 30U);
}

/// The titles of all kinds of records.
std::vector<std::string> titles_of_records(const std::string& document) {
  std::vector<std::string> titles = format_titles(document, "metrics.jsonl");
  for (const std::string& title : format_titles(document, "events.jsonl")) titles.push_back(title);
  return titles;
}

/// The kinds of records that this one fits: its title in the document.
std::vector<std::string> kinds_of(const nlohmann::json& record, const std::string& document) {
  std::vector<std::string> kinds;
  for (const std::string& title : titles_of_records(document))
    if (format_faults(format_keys(document, title), record).empty()) kinds.push_back(title);
  return kinds;
}

/// One record of each kind that a run without trouble does not write, by the code that does.
std::vector<nlohmann::json> records_of_trouble(const TempFolder& folder) {
  RunRecorder recorder(real_file_system(), folder.path(), {},
                       [] { return MachineUse{.watts = 35, .joules = 70, .throttled = 3}; });
  recorder.begin_session({}, {});
  recorder.open_log({}, 0);
  recorder.note_settings(1, {{"threads", {"2", nullptr}}});
  recorder.note_paused(1, PauseReason::kRequest, std::chrono::seconds(60));
  recorder.note_continued(1, std::chrono::seconds(3));
  const std::vector<Batch> batches(2);
  const std::vector<std::string> documents{"wiki_07 at byte 12345"};
  recorder.note_step({.step = 1}, {}, true);
  recorder.note_evaluation({.step = 1, .result = {}}, 256, 1e9);
  recorder.note_saved({.step = 1, .ok = true}, 0.1);
  recorder.note_saved({.step = 1, .error = "no space"}, 0.1);
  recorder.note_bad_step(2, batches, documents);
  recorder.note_skipped_step({.step = 3, .batches = batches, .documents = documents});
  recorder.note_return(7, 1, std::vector<GuardedStep>{{.step = 7, .batch = 6}});
  recorder.note_hardware_fault(7);
  recorder.note_machine(7,
                        {.kind = MachineEvent::Kind::kLost, .machine = "b", .why = "reset", .machines = 1});
  recorder.note_machine(7, {.kind = MachineEvent::Kind::kSlots, .machines = 1, .shares = {{"a", 4, 2.5}}});
  recorder.note_end({.reason = "limit", .step = 7});
  return json_lines(folder / "metrics.jsonl");
}

TEST_F(Format, EachRecordOfARunIsOfOneDocumentedKind) {
  const std::string text = metrics_document();
  const auto run_records = records(run());
  ASSERT_FALSE(run_records.empty());
  for (const nlohmann::json& record : run_records) EXPECT_EQ(kinds_of(record, text).size(), 1U) << record;
}

TEST_F(Format, EachDocumentedKindOfRecordIsWritten) {
  const TempFolder folder;
  const std::string text = metrics_document();
  std::vector<nlohmann::json> all = records_of_trouble(folder);
  for (const nlohmann::json& record : records(run())) all.push_back(record);
  std::set<std::string> kinds;
  for (const nlohmann::json& record : all) {
    const auto fitting = kinds_of(record, text);
    ASSERT_EQ(fitting.size(), 1U) << record;
    kinds.insert(fitting.front());
  }
  EXPECT_THAT(kinds, testing::UnorderedElementsAreArray(titles_of_records(text)));
}

TEST_F(Format, EachRecordNamesItsKindTimeAndStep) {
  std::set<std::string> kinds;
  for (const char* file : {"metrics.jsonl", "events.jsonl", "curve.jsonl"}) {
    for (const nlohmann::json& record : json_lines(run() / file)) {
      EXPECT_GT(record.at("time").get<double>(), 1.7e9) << record;
      EXPECT_TRUE(record.at("step").is_number_unsigned()) << record;
      kinds.insert(record.at("kind"));
    }
  }
  EXPECT_THAT(kinds,
              testing::ElementsAre("checkpoint", "curve", "end", "evaluation", "sample", "session", "step"));
}

TEST_F(Format, TheCurveIsAsDocumented) {
  const FormatKeys keys = format_keys(metrics_document(), "curve.jsonl");
  const auto points = json_lines(run() / "curve.jsonl");
  ASSERT_EQ(points.size(), 4U);
  for (const nlohmann::json& point : points) EXPECT_THAT(format_faults(keys, point), IsEmpty());
}

TEST_F(Format, EventsAreTheRecordsOfTheLogButSteps) {
  std::vector<nlohmann::json> expected;
  for (const nlohmann::json& record : json_lines(run() / "metrics.jsonl"))
    if (record.at("kind") != "step") expected.push_back(record);
  EXPECT_EQ(json_lines(run() / "events.jsonl"), expected);
}

TEST_F(Format, AMissingAnAdditionalAndAWronglyTypedKeyAreFound) {
  const nlohmann::json state = json_of(checkpoint() / "state.json");
  FormatKeys keys = format_keys(checkpoint_document(), "state.json");
  keys.erase("stream.next_batch");
  keys.at("tokens").type = "string";
  keys["stream.cursor.never"] = {.type = "integer"};
  EXPECT_THAT(format_faults(keys, state),
              testing::UnorderedElementsAre(HasSubstr("stream.next_batch is written and not documented"),
                                            HasSubstr("stream.cursor.never is documented and not written"),
                                            HasSubstr("tokens is documented as string and is integer")));
  FormatKeys tensors = format_keys(checkpoint_document(), "model.safetensors");
  tensors.at("transformer.wte.weight").type = "F32 [C]";
  tensors.erase("transformer.h.N.ln_1.bias");
  EXPECT_THAT(format_faults(tensors, SafetensorsFile::open(checkpoint() / "model.safetensors")),
              testing::UnorderedElementsAre(HasSubstr("transformer.wte.weight is documented as F32 [C]"),
                                            HasSubstr("transformer.h.0.ln_1.bias is written and not")));
}

}  // namespace
}  // namespace pretrain::test
