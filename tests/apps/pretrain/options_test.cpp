// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/options.h"

#include <any>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/pretrain/commands.h"
#include "apps/pretrain/configuration.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Config = RunConfiguration;

/// A value of one key, and whether it has arrived where the run takes it from.
struct Case {
  std::string key, text;
  std::function<bool(const Config&)> arrived;
  KeyValues with = {};  ///< without which it has no effect
};

std::vector<Case> cases() {
  using std::chrono::hours;
  using std::chrono::minutes;
  return {
      {"corpus", "/a", [](const Config& c) { return c.corpus.inputs == std::vector<Path>{"/a"}; }},
      {"documents", "paragraphs",
       [](const Config& c) { return c.corpus.documents == DocumentMode::kParagraphs; }},
      {"namespaces", "0,14",
       [](const Config& c) {
         return c.corpus.pages.namespaces == std::vector<int>({0, 14});
       }},
      {"disambiguation", "keep",
       [](const Config& c) { return c.corpus.pages.disambiguation == Disambiguation::kKeep; }},
      {"on-changed", "skip", [](const Config& c) { return c.corpus.on_changed == OnChanged::kSkip; }},
      {"state", "/s", [](const Config& c) { return c.state_folder == "/s"; }},
      {"workers", "7", [](const Config& c) { return c.workers == 7; }},
      {"threads", "9", [](const Config& c) { return c.threads == 9; }},
      {"precision", fastest_precision() == Precision::kBf16 ? "f32" : "bf16",
       [](const Config& c) { return c.trainer.precision != fastest_precision(); }},
      {"recompute", "layers", [](const Config& c) { return c.trainer.recompute == Recompute::kLayers; }},
      {"micro-batch-tokens", "64", [](const Config& c) { return c.trainer.micro_rows == 2; }},
      {"queue", "5", [](const Config& c) { return c.queue == 5; }},
      {"active-hours", "20:00-08:00",
       [](const Config& c) {
         return c.manners.hours.begin_minute == 1200 && c.manners.hours.end_minute == 480;
       }},
      {"on-battery", "pause", [](const Config& c) { return c.manners.on_battery == OnBattery::kPause; }},
      {"on-event", "echo $PRETRAIN_EVENT",
       [](const Config& c) { return c.on_event == "echo $PRETRAIN_EVENT"; }},
      {"metrics-file", "/m.prom", [](const Config& c) { return c.metrics_file == "/m.prom"; }},
      {"model", "quality", [](const Config& c) { return c.model.d_model == 384 && c.batch == 32; }},
      {"arch", "llama", [](const Config& c) { return c.model.architecture == &llama(); }},
      {"layers", "3", [](const Config& c) { return c.model.layers == 3; }},
      {"d-model", "96", [](const Config& c) { return c.model.d_model == 96; }},
      {"heads", "2", [](const Config& c) { return c.model.heads == 2; }},
      {"kv-heads", "2", [](const Config& c) { return c.model.kv_heads == 2; }, {{"arch", "qwen3"}}},
      {"head-size", "24", [](const Config& c) { return c.model.head_channels == 24; }, {{"arch", "qwen3"}}},
      {"rope-theta", "5000", [](const Config& c) { return c.model.rope_theta == 5000; }, {{"arch", "qwen3"}}},
      {"norm-epsilon",
       "1e-4",
       [](const Config& c) { return c.model.norm_epsilon == 1e-4; },
       {{"arch", "llama"}}},
      {"untied", "yes", [](const Config& c) { return !c.model.tied; }, {{"arch", "llama"}}},
      {"d-ff", "77", [](const Config& c) { return c.model.d_ff == 77; }},
      {"output-start", "zero", [](const Config& c) { return c.trainer.output_start == OutputStart::kZero; }},
      {"context", "33", [](const Config& c) { return c.model.context == 33; }},
      {"vocab", "400",
       [](const Config& c) { return c.vocabulary.pieces == 400 && c.model.vocabulary == 400; }},
      {"allow-normalization",
       "yes",
       [](const Config& c) { return c.tokenizer_changes == TextChanges::kLeaveOut; },
       {{"tokenizer", "/t.model"}}},
      {"tokenizer-type", "unigram",
       [](const Config& c) { return c.vocabulary.type == TokenizerType::kUnigram; }},
      {"init-from", "/m", [](const Config& c) { return c.initial_model == "/m"; }},
      {"min-words", "50", [](const Config& c) { return c.corpus.min_words == 50; }},
      {"deduplicate", "exact",
       [](const Config& c) { return c.deduplication.mode == Deduplication::kExact && c.corpus.signatures; }},
      {"deduplicate-documents", "2k", [](const Config& c) { return c.deduplication.documents == 2000; }},
      {"text-key", "body", [](const Config& c) { return c.corpus.text_key == "body"; }},
      {"tokenizer", "/t.model", [](const Config& c) { return c.tokenizer_file == "/t.model"; }},
      {"packing", "chunk", [](const Config& c) { return c.packing == Packing::kChunk; }},
      {"shuffle-buffer", "1k", [](const Config& c) { return c.shuffle_buffer == 1000; }},
      {"seed", "9007199254740993",
       [](const Config& c) { return c.seed == 9007199254740993 && c.corpus.seed == c.seed; }},
      {"batch", "3", [](const Config& c) { return c.batch == 3; }},
      {"accumulate", "4", [](const Config& c) { return c.trainer.accumulate == 4; }},
      {"batch-ramp",
       "50",
       [](const Config& c) { return c.trainer.batches_of(1) == 1 && c.trainer.batches_of(51) == 4; },
       {{"accumulate", "4"}}},
      {"slots", "2", [](const Config& c) { return c.trainer.slots == 2; }},
      {"exchange", "bf16", [](const Config& c) { return c.trainer.exchange == Precision::kBf16; }},
      {"learning-rate", "1e-4", [](const Config& c) { return c.trainer.schedule.peak == 1e-4; }},
      {"learning-rate-tokens", "1k",
       [](const Config& c) {
         const double tokens = static_cast<double>(c.batch * c.model.context);
         return std::abs(c.trainer.schedule.scale - std::sqrt(tokens / 1000)) < 1e-9;
       }},
      {"warmup", "12", [](const Config& c) { return c.trainer.schedule.warmup_steps == 12; }},
      {"schedule", "cosine",
       [](const Config& c) { return c.trainer.schedule.kind == ScheduleKind::kCosine; }},
      {"schedule-steps", "2k", [](const Config& c) { return c.trainer.schedule.total_steps == 2000; }},
      {"cooldown-share", "0.3", [](const Config& c) { return c.trainer.schedule.cooldown_share == 0.3; }},
      {"cooldown-start", "70", [](const Config& c) { return c.trainer.schedule.cooldown_start == 70; }},
      {"cooldown-shape", "1-sqrt",
       [](const Config& c) { return c.trainer.schedule.cooldown_shape == CooldownShape::kOneMinusRoot; }},
      {"optimizer", "muon", [](const Config& c) { return c.trainer.optimizer.kind == OptimizerKind::kMuon; }},
      {"muon-momentum", "0.9", [](const Config& c) { return c.trainer.optimizer.muon.momentum == 0.9; }},
      {"muon-warmup", "70", [](const Config& c) { return c.trainer.optimizer.muon.momentum_warmup == 70; }},
      {"muon-neuron-decay", "0.95",
       [](const Config& c) { return c.trainer.optimizer.muon.neuron_decay == 0.95; }},
      {"listen",
       "127.0.0.1:7000",
       [](const Config& c) {
         return c.machines.address == TcpAddress{"127.0.0.1", 7000} && c.machines.most == 4;
       },
       {{"slots", "4"}, {"secret-file", "/secret"}}},
      {"machines",
       "2-3",
       [](const Config& c) { return c.machines.least == 2 && c.machines.most == 3; },
       {{"listen", "127.0.0.1"}, {"slots", "4"}, {"secret-file", "/secret"}}},
      {"fabric", "mpi", [](const Config& c) { return c.machines.fabric == FabricKind::kMpi; }},
      {"secret-file", "/secret", [](const Config& c) { return c.machines.secret_file == "/secret"; }},
      {"peer-timeout", "5s",
       [](const Config& c) { return c.machines.peer_timeout == std::chrono::seconds(5); }},
      {"copies",
       "2",
       [](const Config& c) { return c.machines.copies == 2; },
       {{"listen", "127.0.0.1"}, {"slots", "4"}, {"secret-file", "/secret"}}},
      {"weight-decay", "0.3", [](const Config& c) { return c.trainer.optimizer.weight_decay == 0.3; }},
      {"cautious-decay", "yes", [](const Config& c) { return c.trainer.optimizer.cautious_decay; }},
      {"beta1", "0.8", [](const Config& c) { return c.trainer.optimizer.adamw.beta1 == 0.8; }},
      {"beta2", "0.95", [](const Config& c) { return c.trainer.optimizer.adamw.beta2 == 0.95; }},
      {"beta2-half-life", "2M",
       [](const Config& c) {
         const double tokens = static_cast<double>(c.batch * c.model.context);
         return std::abs(std::pow(c.trainer.optimizer.adamw.beta2, 2e6 / tokens) - 0.5) < 1e-9;
       }},
      {"grad-clip", "0.5", [](const Config& c) { return c.trainer.optimizer.gradient_clip == 0.5; }},
      {"steps", "1k", [](const Config& c) { return c.trainer.max_steps == 1000; }},
      {"tokens", "10M", [](const Config& c) { return c.trainer.max_tokens == 10'000'000; }},
      {"epochs", "3", [](const Config& c) { return c.epochs == 3; }},
      {"budget", "8h", [](const Config& c) { return c.trainer.budget.time == hours(8); }},
      {"time", "2h", [](const Config& c) { return c.trainer.max_time == hours(2); }},
      {"checkpoint-interval", "1min",
       [](const Config& c) { return c.trainer.checkpoint_interval == minutes(1); }},
      {"checkpoint-every", "11", [](const Config& c) { return c.trainer.checkpoint_every == 11; }},
      {"keep", "5", [](const Config& c) { return c.store.keep == 5; }},
      {"keep-every", "50", [](const Config& c) { return c.store.keep_every == 50; }},
      {"validation-fraction", "0.25", [](const Config& c) { return c.corpus.validation_fraction == 0.25; }},
      {"template-rules", "/r.txt@0123456789abcdef",
       [](const Config& c) {
         const OwnRules& rules = c.corpus.pages.rules;
         return rules.path == "/r.txt" && rules.hash == "0123456789abcdef" && !rules.problem.empty();
       }},
      {"validation-corpus", "/v",
       [](const Config& c) {
         return c.validation_corpus && c.validation_corpus->inputs == std::vector<Path>{"/v"};
       }},
      {"validation-tokens", "640", [](const Config& c) { return c.validation_tokens == 640; }},
      {"evaluate-every", "13", [](const Config& c) { return c.trainer.evaluate_every == 13; }},
      {"sample-every", "14", [](const Config& c) { return c.trainer.sample_every == 14; }},
      {"sample-tokens", "15", [](const Config& c) { return c.sample_tokens == 15; }},
      {"sample-prompt",
       "ROMEO:", [](const Config& c) { return c.sample_prompts == std::vector<std::string>{"ROMEO:"}; }},
      {"log-every", "16", [](const Config& c) { return c.trainer.log_every == 16; }},
  };
}

/// Keys without which the others mean nothing.
KeyValues tiny() {
  return {{"corpus", "/wiki"}, {"model", "tiny"}, {"steps", "100"}, {"state", "/state"}};
}

/// tiny() with what a case needs besides its own key.
KeyValues around(const Case& c) {
  KeyValues values = tiny();
  for (const auto& [key, text] : c.with) values[key] = text;
  return values;
}

KeyValues chosen(const Case& c) {
  KeyValues values = around(c);
  values[c.key] = c.text;
  return values;
}

TEST(RunOptions, EachKeyHasACase) {
  std::set<std::string> tried;
  for (const Case& c : cases()) tried.insert(c.key);
  for (const auto& option : run_options())
    EXPECT_TRUE(tried.contains(std::string(option.info.name))) << option.info.name;
}

TEST(RunOptions, EachKeyChangesItsFieldAndHadAnotherValue) {
  for (const Case& c : cases()) {
    EXPECT_FALSE(c.arrived(to_configuration(resolve(around(c))))) << c.key << " cannot be seen to change";
    EXPECT_TRUE(c.arrived(to_configuration(resolve(chosen(c))))) << c.key;
  }
}

TEST(RunOptions, EachKeyComesThroughTheCommandLine) {
  for (const Case& c : cases()) {
    std::vector<std::string> words{"--corpus", "/wiki", "--model", "tiny",
                                   "--steps",  "100",   "--state", "/state"};
    for (size_t i = 0; i < words.size(); i += 2) {
      if (words[i] == "--" + c.key)
        words.erase(words.begin() + static_cast<int64_t>(i), words.begin() + static_cast<int64_t>(i) + 2);
    }
    words.insert(words.end(), {"--" + c.key, c.text});
    for (const auto& [key, text] : c.with) words.insert(words.end(), {"--" + key, text});
    if (c.key == "corpus") words.insert(words.end(), {"--epochs", "1"});
    const Given given = parse_run_keys(words, RunCommand::kTrain);
    EXPECT_TRUE(c.arrived(to_configuration(resolve(given.values)))) << c.key;
  }
}

TEST(RunOptions, EachKeySurvivesTheManifestAndTheFile) {
  for (const Case& c : cases()) {
    const KeyValues resolved = resolve(chosen(c));
    EXPECT_EQ(from_json(to_json(resolved)), resolved);
    const test::TempFolder folder;
    std::ofstream(folder.path() / "run.ini") << to_ini(resolved);
    const Given given =
        parse_run_keys({"--config", (folder.path() / "run.ini").string()}, RunCommand::kTrain);
    EXPECT_EQ(resolve(given.values), resolved) << c.key;
  }
}

TEST(RunOptions, SizesOfOneArchitectureAreRefusedByAnother) {
  for (const Case& c : cases()) {
    if (c.with.empty()) continue;
    KeyValues values = tiny();
    values[c.key] = c.text;
    try {
      to_configuration(resolve(values));
      ADD_FAILURE() << c.key << " was accepted by gpt2";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      EXPECT_THAT(error.what(), HasSubstr(c.key));
    }
  }
}

TEST(RunOptions, AnArchitectureBringsItsOwnSizes) {
  KeyValues values = tiny();
  values["arch"] = "qwen3";
  const Config qwen = to_configuration(resolve(values));
  EXPECT_EQ(qwen.model.kv_heads, qwen.model.heads);
  EXPECT_EQ(qwen.model.head_channels, qwen.model.d_model / qwen.model.heads);
  EXPECT_EQ(qwen.model.rope_theta, 10'000);
  EXPECT_EQ(qwen.model.norm_epsilon, 1e-6);
  EXPECT_TRUE(qwen.model.tied);
  values["arch"] = "llama";
  EXPECT_EQ(to_configuration(resolve(values)).model.norm_epsilon, 1e-5);
}

TEST(RunOptions, DefaultsAreTheInitialisers) {
  const KeyValues resolved = resolve({{"corpus", "/wiki"}});
  EXPECT_EQ(resolved.at("warmup"), "100");
  EXPECT_EQ(resolved.at("checkpoint-interval"), "10min");
  EXPECT_EQ(resolved.at("beta2"), "0.99");
  EXPECT_EQ(resolved.at("model"), "base");
  EXPECT_EQ(resolved.at("layers"), "6");
  EXPECT_EQ(resolved.at("threads"), "");
  EXPECT_THAT(resolved.at("precision"), testing::AnyOf("f32", "bf16"));
}

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "was accepted";
  return "";
}

std::string refusal_of(const std::vector<std::string>& words, RunCommand command = RunCommand::kTrain) {
  return refusal([&] { parse_run_keys(words, command); });
}

std::string refusal_of_machines(KeyValues values) {
  for (const auto& [key, text] : tiny()) values.try_emplace(key, text);
  return refusal([&] { to_configuration(resolve(values)); });
}

TEST(RunOptions, MachinesThatCanNotShareTheRunAreRefused) {
  const KeyValues whole{{"listen", "127.0.0.1"}, {"slots", "4"}, {"secret-file", "/s"}};
  const auto with = [&](const std::string& key, const std::string& text) {
    KeyValues values = whole;
    values[key] = text;
    return refusal_of_machines(values);
  };
  EXPECT_THAT(with("machines", "2-8"), HasSubstr("--machines 2-8 is more than --slots 4"));
  EXPECT_THAT(with("slots", "1"), HasSubstr("give --slots"));
  EXPECT_THAT(with("secret-file", ""), HasSubstr("pretrain join --new-secret"));
  EXPECT_THAT(with("machines", "4-2"), HasSubstr("such as 3 or 2-4 (got 4-2)"));
  EXPECT_THAT(with("machines", "0"), HasSubstr("(got 0)"));
  EXPECT_THAT(with("machines", "2-"), HasSubstr("(got 2-)"));
  EXPECT_THAT(with("listen", "0.0.0.0"), HasSubstr("such as 192.168.1.10"));
  EXPECT_THAT(with("listen", "head.local"), HasSubstr("such as 192.168.1.10"));
  EXPECT_THAT(refusal_of_machines({{"machines", "2"}}), HasSubstr("--machines 2 needs --listen ADDRESS"));
}

TEST(RunOptions, AJobOfMpiNeedsNoAddressAndKeepsNoCopies) {
  EXPECT_THAT(refusal_of_machines({{"fabric", "mpi"}, {"listen", "127.0.0.1"}}),
              HasSubstr("needs no --listen"));
  EXPECT_THAT(refusal_of_machines({{"fabric", "mpi"}, {"copies", "2"}}),
              HasSubstr("--copies 2 needs --listen"));
  EXPECT_THAT(refusal_of_machines({{"fabric", "tcp"}}), HasSubstr("gloo or mpi (got tcp)"));
  KeyValues values = tiny();
  values["fabric"] = "mpi";
  MachinesOptions machines = to_configuration(resolve(values)).machines;
  EXPECT_FALSE(machines.shared()) << "no job has started it";
  use_ranks(machines, 1, 1);
  EXPECT_FALSE(machines.shared());
  use_ranks(machines, 4, 4);
  EXPECT_TRUE(machines.shared());
  EXPECT_EQ(machines.least, 4U);
  EXPECT_THAT(refusal([&] { use_ranks(machines, 5, 4); }), HasSubstr("5 ranks, more than --slots 4"));
}

TEST(RunOptions, WhatJoinsTheMachinesIsAskedForEachTime) {
  const KeyValues by_mpi{{"fabric", "mpi"}, {"steps", "5"}},
      by_gloo{{"listen", "127.0.0.1"}, {"machines", "2"}};
  KeyValues merged = merge_for_resume(complete(by_mpi), {});
  EXPECT_EQ(merged["fabric"], "gloo");
  merged = merge_for_resume(complete(by_mpi), by_gloo);
  EXPECT_EQ(merged["fabric"], "gloo");
  EXPECT_EQ(merged["listen"], "127.0.0.1");
  merged = merge_for_resume(complete(by_gloo), {{"fabric", "mpi"}});
  EXPECT_EQ(merged["fabric"], "mpi");
  EXPECT_EQ(merged["listen"], "");
  EXPECT_EQ(merged["machines"], "");
  merged = merge_for_resume(complete(by_gloo), {});
  EXPECT_EQ(merged["listen"], "127.0.0.1");
}

TEST(RunOptions, OneMachineNeedsNoNetwork) {
  KeyValues values = tiny();
  values["machines"] = "1";
  EXPECT_FALSE(to_configuration(resolve(values)).machines.shared());
  values["listen"] = "127.0.0.1";  // of a run that others shared before
  EXPECT_FALSE(to_configuration(resolve(values)).machines.shared());
}

TEST(CommandLine, NamesTheOptionThatWasProbablyMeant) {
  EXPECT_THAT(refusal_of({"--lr", "1"}), HasSubstr("did you mean --learning-rate?"));
  EXPECT_THAT(refusal_of({"--Corpus", "x"}), HasSubstr("did you mean --corpus?"));
  EXPECT_THAT(refusal_of({"--lerning-rate", "1"}), HasSubstr("did you mean --learning-rate?"));
  EXPECT_THAT(refusal_of({"--learning_rate", "1"}), HasSubstr("did you mean --learning-rate?"));
  EXPECT_THAT(refusal_of({"--batch-size", "1"}), HasSubstr("did you mean --batch?"));
  EXPECT_THAT(refusal_of({"--step", "1"}), HasSubstr("did you mean --steps?"));
  EXPECT_THAT(refusal_of({"--model=Base"}), HasSubstr("did you mean base?"));
  EXPECT_THAT(refusal_of({"--model", "tinny"}), HasSubstr("did you mean tiny?"));
  EXPECT_THAT(refusal_of({"--schedule", "cosin"}), HasSubstr("did you mean cosine?"));
  EXPECT_THAT(refusal_of({"--zzzzqqqq", "1"}), Not(HasSubstr("did you mean")));
}

TEST(CommandLine, RefusesWhatIsNoValueAndNamesTheOption) {
  const std::vector<std::vector<std::string>> wrong{{"--vocab", "-5"},
                                                    {"--steps", "-1"},
                                                    {"--steps", "1.5"},
                                                    {"--seed", "-1"},
                                                    {"--threads", "-5"},
                                                    {"--threads", "100000"},
                                                    {"--keep", "1"},
                                                    {"--time", "2"},
                                                    {"--time", "1h30"},
                                                    {"--checkpoint-interval", "1.5.5s"},
                                                    {"--learning-rate", "nan"},
                                                    {"--learning-rate", "1e"},
                                                    {"--beta2", "1"},
                                                    {"--queue", "0"},
                                                    {"--accumulate", "0"},
                                                    {"--namespaces", "a"},
                                                    {"--state", ""},
                                                    {"--steps", ""},
                                                    {"--corpus", ""},
                                                    {"--model", ""},
                                                    {"--epochs", "18446744073709551616"}};
  for (const auto& words : wrong) EXPECT_THAT(refusal_of(words), HasSubstr(words.front())) << words.back();
  EXPECT_THAT(refusal_of({"--steps"}), HasSubstr("--steps"));
  EXPECT_THAT(refusal_of({"--steps="}), HasSubstr("--steps"));
  EXPECT_THAT(refusal_of({"--steps", "1", "--steps", "2"}), HasSubstr("--steps is given twice"));
}

TEST(CommandLine, HelpShowsACompleteCommandToStartWith) {
  EXPECT_THAT(overview(), HasSubstr("\n    pretrain --corpus PATH --budget 8h "));
  const Given given = parse_run_keys({"--corpus", "PATH", "--budget", "8h"}, RunCommand::kTrain);
  EXPECT_EQ(to_configuration(resolve(given.values)).trainer.budget.time, std::chrono::hours(8));
}

TEST(CommandLine, TakesPathsWithoutAName) {
  const Given given = parse_run_keys({"/a", "/b", "--steps", "5"}, RunCommand::kTrain);
  EXPECT_THAT(to_configuration(resolve(given.values)).corpus.inputs, ElementsAre("/a", "/b"));
  EXPECT_THAT(refusal_of({"/a"}, RunCommand::kResume), HasSubstr("'/a'"));
}

TEST(CommandLine, KeepsAPathWithALineBreakWhole) {
  const Given given = parse_run_keys({"--corpus", "/a\nb", "/c"}, RunCommand::kTrain);
  const KeyValues back = from_json(nlohmann::json::parse(to_json(resolve(given.values)).dump()));
  EXPECT_THAT(to_configuration(back).corpus.inputs, ElementsAre("/a\nb", "/c"));
}

TEST(CommandLine, KeepsASinglePathWithALineBreakWhole) {
  for (const char* key : {"state", "tokenizer", "init-from", "secret-file"}) {
    const Given given = parse_run_keys({std::string("--") + key, "/a\nb"}, RunCommand::kTrain);
    EXPECT_EQ(given.values.at(key), "/a\nb");
    EXPECT_EQ(resolve(given.values).at(key), "/a\nb");
  }
}

TEST(CommandLine, RefusesANameThatNoCheckpointCanKeep) {
  EXPECT_THAT(refusal_of({"--corpus", "/caf\xe9"}),
              testing::AllOf(HasSubstr("--corpus"), HasSubstr("UTF-8")));
}

TEST(CommandLine, TellsAnAddressFromAPath) {
  EXPECT_THAT(refusal_of({"--corpus", "https://dumps.wikimedia.org/simplewiki"}),
              testing::AllOf(HasSubstr("download"), HasSubstr("fetch-wikipedia.sh")));
}

/// Sets a variable for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

TEST(Environment, StandsBetweenCommandLineAndFile) {
  const test::TempFolder folder;
  std::ofstream(folder.path() / "a.ini") << "steps = 1\nwarmup = 1\nbatch = 1\n";
  const Variable steps("PRETRAIN_STEPS", "2");
  const Variable warmup("PRETRAIN_WARMUP", "2");
  const Given given =
      parse_run_keys({"--config", (folder.path() / "a.ini").string(), "--steps", "3"}, RunCommand::kTrain);
  EXPECT_EQ(given.values.at("steps"), "3");
  EXPECT_EQ(given.values.at("warmup"), "2");
  EXPECT_EQ(given.values.at("batch"), "1");
}

TEST(Environment, HoldsSeveralPathsAndAConfigurationFile) {
  const test::TempFolder folder;
  std::ofstream(folder.path() / "a.ini") << "steps = 7\n";
  const Variable config("PRETRAIN_CONFIG", (folder.path() / "a.ini").c_str());
  const Variable corpus("PRETRAIN_CORPUS", "/a:/b c");
  const Given given = parse_run_keys({}, RunCommand::kTrain);
  EXPECT_EQ(given.values.at("steps"), "7");
  EXPECT_THAT(to_configuration(resolve(given.values)).corpus.inputs, ElementsAre("/a", "/b c"));
}

TEST(Environment, RefusesEmptyValuesOfAnyKey) {
  for (const char* name :
       {"PRETRAIN_STEPS", "PRETRAIN_WORKERS", "PRETRAIN_CORPUS", "PRETRAIN_CONFIG", "PRETRAIN_STATE"}) {
    const Variable empty(name, "");
    EXPECT_THAT(refusal_of({}), HasSubstr(name));
  }
}

TEST(Environment, RefusesWhatIsNoKeyWithTheNearestName) {
  check_environment();
  const Variable wrong("PRETRAIN_LERNING_RATE", "1");
  EXPECT_THAT(refusal([] { check_environment(); }), HasSubstr("did you mean PRETRAIN_LEARNING_RATE?"));
}

TEST(Environment, RefusesTheVariablesOfAnEventOutsideOfItsCommand) {
  const Variable step("PRETRAIN_STEP", "500");  // PRETRAIN_STEPS was meant
  EXPECT_THAT(refusal([] { check_environment(); }), HasSubstr("did you mean PRETRAIN_STEPS?"));
  const Variable event("PRETRAIN_EVENT", "ended");
  const Variable message("PRETRAIN_MESSAGE", "limit reached");
  check_environment();
}

TEST(Environment, RefusesWhatIsOnlyAnOptionOfACommand) {
  for (const char* name : {"PRETRAIN_FROM", "PRETRAIN_LEARNINGRATE", "PRETRAIN_HELP", "PRETRAIN_"}) {
    const Variable wrong(name, "1");
    EXPECT_THAT(refusal([] { check_environment(); }), HasSubstr(name));
  }
}

TEST(ConfigurationFiles, AreLayered) {
  const test::TempFolder folder;
  std::ofstream(folder.path() / "base.ini") << "corpus = /a\ncorpus = /b\nsteps = 1\nseed = 1\n";
  std::ofstream(folder.path() / "more.ini") << "corpus = /c\nsteps = 2\n";
  const Given given = parse_run_keys(
      {"--config", (folder.path() / "base.ini").string(), "--config", (folder.path() / "more.ini").string()},
      RunCommand::kTrain);
  EXPECT_EQ(given.values.at("steps"), "2");
  EXPECT_EQ(given.values.at("seed"), "1");
  EXPECT_EQ(given.values.at("corpus"), "/c");
}

TEST(ConfigurationFiles, AreRefusedWithFileAndLine) {
  const test::TempFolder folder;
  const std::string file = (folder.path() / "a.ini").string();
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"steps = 1\nsteps = 2\n", "line 2"}, {"\n\nlr = 1\n", "line 3"}, {"steps\n", "line 1"},
      {"# x\nsteps = ten\n", "line 2"},     {"steps =\n", "line 1"},    {"[model]\n", "line 1"},
      {"state = \"x\n", "line 1"},          {"config = x\n", "line 1"}};
  for (const auto& [text, line] : wrong) {
    std::ofstream(file) << text;
    EXPECT_THAT(refusal_of({"--config", file}), testing::AllOf(HasSubstr(file), HasSubstr(line))) << text;
  }
  EXPECT_THAT(refusal_of({"--config", "/no/such/file.ini"}), HasSubstr("/no/such/file.ini"));
  EXPECT_THAT(refusal_of({"--config", folder.path().string()}), HasSubstr("folder"));
}

TEST(Help, FitsEightyColumns) {
  for (const RunCommand command : {RunCommand::kTrain, RunCommand::kResume, RunCommand::kBranch}) {
    std::istringstream lines(run_help(command));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  }
}

TEST(Help, OfResumeListsWhatMayChangeAndFromFirst) {
  const std::string help = run_help(RunCommand::kResume);
  EXPECT_THAT(help, HasSubstr("--steps N"));
  EXPECT_THAT(help, Not(HasSubstr("--d-model")));
  EXPECT_LT(help.find("--from STEP"), help.find("--corpus"));
}

TEST(ResolvedConfiguration, OfOlderVersionsIsUnderstood) {
  const KeyValues old = from_json({{"corpus", "/a\n/b"},
                                   {"time", "90"},
                                   {"checkpoint-interval", "1h30"},
                                   {"threads", ""},
                                   {"model", "tiny"},
                                   {"state", "/s"},
                                   {"precision", "auto"},
                                   {"schedule-steps", ""}});
  const Config run = to_configuration(merge_for_resume(old, {}));
  EXPECT_THAT(run.corpus.inputs, ElementsAre("/a", "/b"));
  EXPECT_EQ(run.trainer.checkpoint_interval, std::chrono::minutes(60) + std::chrono::seconds(30));
  EXPECT_EQ(run.trainer.precision, Precision::kFloat32);
  EXPECT_EQ(run.threads, inspect_machine().cores);
}

TEST(ResolvedConfiguration, OfAManifestIsTheFaultOfTheFolderWhereItIsNone) {
  for (const auto& [key, value] : KeyValues{{"batch", "many"},
                                            {"seed", "-1"},
                                            {"learning-rate", "-1"},
                                            {"schedule", "steps"},
                                            {"checkpoint-interval", "soon"},
                                            {"model", "huge"}}) {
    try {
      nlohmann::json saved{{"corpus", "/a"}, {"model", "tiny"}};
      saved[key] = value;
      from_json(saved);
      ADD_FAILURE() << key << " = " << value;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
      EXPECT_THAT(error.what(),
                  testing::AllOf(HasSubstr("manifest"), HasSubstr("--" + key), HasSubstr(value)));
    }
  }
}

}  // namespace
}  // namespace pretrain
