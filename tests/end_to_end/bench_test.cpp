// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/run.h"

namespace pretrain::test {
namespace {

nlohmann::json bench(const Words& more) {
  Words words{"bench", "--model", "tiny", "--steps", "2", "--json"};
  words.insert(words.end(), more.begin(), more.end());
  const auto run = run_program(binary(), words);
  EXPECT_EQ(run.exit_code, 0) << run.output;
  return nlohmann::json::parse(run.output);
}

TEST(Bench, ChecksAndTimesEachKernel) {
  const nlohmann::json report = bench({});
  EXPECT_EQ(report["products"].size(), 15U);
  std::set<std::string> names;
  for (const char* part : {"products", "kernels"}) {
    for (const auto& kernel : report[part]) {
      names.insert(kernel["name"].get<std::string>());
      EXPECT_GT(kernel["seconds"].get<double>(), 0) << kernel;
      EXPECT_GT(kernel["bytes"].get<double>(), 0) << kernel;
      EXPECT_LE(kernel["deviation"].get<double>(), 1) << kernel;
    }
  }
  for (const auto& product : report["products"]) {
    EXPECT_GT(product["deviation"].get<double>(), 0) << "sums that are exact were not compared: " << product;
    EXPECT_GT(product["flops"].get<double>(), 0) << product;
  }
  EXPECT_EQ(names.size(), report["products"].size() + report["kernels"].size());
  for (const char* name : {"attention backward", "norm backward", "gelu backward", "embedding backward",
                           "AdamW", "orthogonalisation of mlp down", "orthogonalisation of a head",
                           "softmax, loss and gradient of a chunk", "packing of a weight, transposed"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_GT(report["bandwidth"]["read"].get<double>(), 0);
  EXPECT_GT(report["bandwidth"]["copy"].get<double>(), 0);
}

TEST(Bench, MeasuresTheKernelsOfOtherArchitectures) {
  for (const char* arch : {"llama", "qwen3"}) {
    const nlohmann::json report = bench({"--arch", arch, "--threads", "1"});
    EXPECT_EQ(report["architecture"], arch);
    std::set<std::string> names;
    for (const auto& kernel : report["kernels"]) {
      names.insert(kernel["name"].get<std::string>());
      EXPECT_LE(kernel["deviation"].get<double>(), 1) << kernel;
    }
    for (const char* name : {"attention forward", "attention backward", "norm backward", "swiglu backward"})
      EXPECT_TRUE(names.contains(name)) << name;
    EXPECT_FALSE(names.contains("gelu forward"));
    for (const auto& product : report["products"])
      EXPECT_LE(product["deviation"].get<double>(), 1) << product;
  }
}

TEST(Bench, ComparesArchitecturesAtTheSameSizes) {
  const nlohmann::json report = bench({"--architectures", "--threads", "1"});
  std::vector<std::string> names;
  for (const auto& row : report["architectures"]) {
    names.push_back(row["architecture"].get<std::string>());
    EXPECT_GT(row["flops_utilization"].get<double>(), 0) << row;
    EXPECT_GT(row["planned_bytes"].get<uint64_t>(), row["parameters"].get<uint64_t>() * 16) << row;
    EXPECT_GT(row["resident_bytes"].get<uint64_t>(), 0U) << row;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"gpt2", "llama", "qwen3"}));
  // llama has a matrix more than gpt2 and qwen3 two norms more than llama, at the same sizes.
  EXPECT_LT(report["architectures"][1]["parameters"], report["architectures"][2]["parameters"]);
  EXPECT_EQ(run_program(binary(), {"bench", "--architectures", "--sweep"}).exit_code, 2);
}

TEST(Bench, TablesFitEightyColumns) {
  for (const char* option : {"--scaling", "--architectures"}) {
    const auto run =
        run_program(binary(), {"bench", "--model", "tiny", "--steps", "1", "--threads", "1", option});
    ASSERT_EQ(run.exit_code, 0) << run.output;
    std::istringstream lines(run.output);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  }
}

TEST(Bench, SplitsTheStep) {
  const nlohmann::json report = bench({"--threads", "1"});
  const auto& step = report["step"];
  const auto seconds = [&](const char* key) { return step[key].get<double>(); };
  EXPECT_EQ(report["threads"], 1);
  EXPECT_LE(seconds("fastest_step_seconds"), seconds("step_seconds"));
  EXPECT_LE(seconds("step_seconds"), seconds("slowest_step_seconds"));
  // The parts are medians of their own: what another program takes from one of them is in no other, nor in the steps.
  EXPECT_GT(seconds("forward_seconds"), 0);
  EXPECT_GT(seconds("backward_seconds"), 0);
  EXPECT_GT(seconds("optimizer_seconds"), 0);
  EXPECT_GT(seconds("loss_seconds"), 0);
  EXPECT_GT(step["flops_utilization"].get<double>(), 0);  // how large it is depends on what else runs here
  EXPECT_GT(step["peak_resident_bytes"].get<double>(), 1e6);
  EXPECT_FALSE(report.contains("scaling"));
}

TEST(Bench, TimesTheOptimizerThatIsAskedFor) {
  EXPECT_EQ(bench({"--threads", "1"})["optimizer"], "adamw");
  const nlohmann::json report = bench({"--threads", "1", "--optimizer", "muon"});
  EXPECT_EQ(report["optimizer"], "muon");
  EXPECT_GT(report["step"]["optimizer_seconds"].get<double>(), 0);
}

TEST(Bench, SweepsEachSizeInTurn) {
  const nlohmann::json report = bench({"--threads", "1", "--sweep"});
  std::map<std::string, std::vector<int64_t>> values;
  for (const auto& row : report["sweep"]) {
    values[row["varied"].get<std::string>()].push_back(row["value"].get<int64_t>());
    EXPECT_GT(row["flops_utilization"].get<double>(), 0) << row;
    EXPECT_GT(row["tokens_per_second"].get<double>(), 0) << row;
  }
  EXPECT_EQ(values.size(), 5U);
  for (const char* name : {"d_model", "head_size", "context", "batch_tokens", "vocabulary"}) {
    EXPECT_GE(values[name].size(), 5U) << name;
    EXPECT_TRUE(std::ranges::is_sorted(values[name])) << name;
  }
}

TEST(Bench, RunsInBf16) {
  const nlohmann::json report = bench({"--precision", "bf16"});
  EXPECT_EQ(report["precision"], "bf16");
  for (const auto& product : report["products"]) EXPECT_LE(product["deviation"].get<double>(), 1) << product;
  EXPECT_EQ(run_program(binary(), {"bench", "--precision", "fp8"}).exit_code, 2);
}

TEST(Bench, SaysWhatBoundsMoreThreads) {
  const nlohmann::json report = bench({"--threads", "2", "--scaling"});
  const auto& scaling = report["scaling"];
  EXPECT_GE(scaling["serial_share"].get<double>(), 0);
  EXPECT_LE(scaling["serial_share"].get<double>(), 1);
  double last = 1;
  for (const auto& bound : scaling["bounds"]) {
    EXPECT_GE(bound["speedup"].get<double>(), last) << scaling;
    EXPECT_LE(bound["speedup"].get<double>(), bound["threads"].get<double>()) << scaling;
    last = bound["speedup"].get<double>();
  }
  EXPECT_GT(scaling["speedup"].get<double>(), 0);
}

}  // namespace
}  // namespace pretrain::test
