// SPDX-License-Identifier: Apache-2.0
// Checkpoints that earlier versions wrote, resumed by this one.

#include <cctype>
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "libs/tensor/peak.h"
#include "libs/tensor/precision.h"
#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;

const fs::path kData = source_folder() / "tests/golden/data";

/// The steps that the recording program trained next, one line each, and a last line for the end.
struct Expected {
  std::vector<nlohmann::json> steps;
  nlohmann::json end;
};

Expected read_expected(const fs::path& folder) {
  Expected expected;
  std::ifstream file(folder / "expected.jsonl");
  for (std::string line; std::getline(file, line);) expected.steps.push_back(nlohmann::json::parse(line));
  expected.end = expected.steps.back();
  expected.steps.pop_back();
  return expected;
}

double last_validation_loss(const fs::path& state) {
  double loss = 0;
  for (const auto& record : records(state)) loss = record.value("validation_loss", loss);
  return loss;
}

/// Lets the program use the kernels that a run was recorded with. Returns false if this processor lacks them.
bool choose_kernels(std::string target) {
  if (target == vector_target()) return true;
  for (char& letter : target) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  for (const InstructionSet& set : instruction_sets()) {
    if (set.name == target && set.is_supported) return setenv("PRETRAIN_CPU", target.c_str(), 1) == 0;
  }
  return false;
}

/// A recorded state folder, copied, and resumed to the recorded end with other threads and workers.
class Golden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    fs::copy(folder_, state_, fs::copy_options::recursive);
    recorded_target_ = list_checkpoints(state_).empty()
                           ? ""
                           : verify_checkpoint(list_checkpoints(state_).front().folder)
                                 .manifest.fingerprint.at("vector_target")
                                 .get<std::string>();
    ASSERT_FALSE(expected_.steps.empty());
    has_recorded_kernels_ = choose_kernels(recorded_target_);
    const auto result =
        run_program(binary(), {"resume", "--state", state_.string(), "--corpus", (kData / "corpus").string(),
                               "--log-every", "1", "--steps", std::to_string(last_step()), "--threads", "2",
                               "--workers", "3"});
    unsetenv("PRETRAIN_CPU");
    ASSERT_EQ(result.exit_code, 0) << result.output;
    output_ = result.output;
  }

  uint64_t last_step() const { return expected_.steps.back().at("step").get<uint64_t>(); }
  uint64_t first_step() const { return expected_.steps.front().at("step").get<uint64_t>(); }

  /// The recorded steps as this program made them.
  std::vector<nlohmann::json> resumed_steps() const {
    std::vector<nlohmann::json> resumed;
    for (auto& record : steps(state_)) {
      if (record.at("step").get<uint64_t>() >= first_step()) resumed.push_back(record);
    }
    return resumed;
  }

  const TempFolder temp_;
  const fs::path folder_ = kData / GetParam();
  const fs::path state_ = temp_.path() / "state";
  const Expected expected_ = read_expected(folder_);
  std::string recorded_target_;
  bool has_recorded_kernels_ = false;
  std::string output_;
};

TEST_P(Golden, GoesOnWithTheSameBatches) {
  const auto resumed = resumed_steps();
  ASSERT_EQ(resumed.size(), expected_.steps.size());
  for (size_t i = 0; i < resumed.size(); ++i) {
    for (const char* key : {"step", "epoch", "batch_hash"}) {
      ASSERT_EQ(resumed[i].at(key), expected_.steps[i].at(key)) << key << " of record " << i;
    }
    ASSERT_NEAR(resumed[i].at("loss").get<double>(), expected_.steps[i].at("loss").get<double>(), 1e-4) << i;
  }
}

TEST_P(Golden, GoesOnWithTheSameBits) {
  if (!has_recorded_kernels_) {
    GTEST_SKIP() << "recorded with " << recorded_target_ << " kernels, which this processor lacks (it uses "
                 << vector_target() << "): their last bits differ";
  }
  const auto resumed = resumed_steps();
  ASSERT_EQ(resumed.size(), expected_.steps.size());
  for (size_t i = 0; i < resumed.size(); ++i) {
    ASSERT_EQ(resumed[i].at("loss").get<double>(), expected_.steps[i].at("loss").get<double>()) << i;
  }
  EXPECT_EQ(last_validation_loss(state_), expected_.end.at("validation_loss").get<double>());
  const auto hashes = state_hashes(state_, last_step());
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    EXPECT_EQ(hashes.at(file), expected_.end.at(file).get<std::string>()) << file;
  }
}

INSTANTIATE_TEST_SUITE_P(Recorded, Golden, testing::Values("concat", "chunk"),
                         [](const auto& golden) { return std::string(golden.param); });

}  // namespace
}  // namespace pretrain::test
