// SPDX-License-Identifier: Apache-2.0
// Options that have no effect because of others are refused or warned of.
#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/idle_keys.h"
#include "apps/pretrain/idle_reading.h"
#include "libs/base/error.h"

namespace pretrain {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A key, the keys with which it has no effect, and those with which it has one.
struct Case {
  std::string key, text;
  KeyValues idle, effective;
};

std::vector<Case> cases() {
  const KeyValues none{}, listen{{"listen", "127.0.0.1"}, {"slots", "2"}, {"secret-file", "/s"}};
  const KeyValues muon{{"optimizer", "muon"}}, wsd{{"schedule", "wsd"}}, cosine{{"schedule", "cosine"}};
  const KeyValues no_evaluation{{"validation-tokens", "0"}}, no_samples{{"sample-tokens", "0"}};
  return {{"vocab", "500", {{"tokenizer", "/t.model"}}, none},
          {"vocab", "500", {{"init-from", "/m"}}, none},
          {"tokenizer-type", "unigram", {{"tokenizer", "/t.model"}}, none},
          {"tokenizer-type", "unigram", {{"init-from", "/m"}}, none},
          {"allow-normalization", "yes", {{"init-from", "/m"}, {"tokenizer", "/t"}}, {{"tokenizer", "/t"}}},
          {"deduplicate-documents", "2k", none, {{"deduplicate", "near"}}},
          {"schedule-steps", "90", none, cosine},
          {"cooldown-share", "0.3", cosine, wsd},
          {"cooldown-start", "70", wsd, {{"schedule", "cooldown"}}},
          {"cooldown-shape", "1-sqrt", cosine, wsd},
          {"muon-momentum", "0.9", none, muon},
          {"muon-warmup", "70", {{"optimizer", "adamw"}}, muon},
          {"muon-neuron-decay", "0.9", none, muon},
          {"beta2", "0.97", {{"beta2-half-life", "30k"}}, none},
          {"output-start", "zero", {{"init-from", "/m"}}, none},
          {"validation-corpus", "/v", no_evaluation, none},
          {"evaluate-every", "13", no_evaluation, none},
          {"evaluate-every", "13", {{"validation-fraction", "0"}}, {{"validation-corpus", "/v"}}},
          {"sample-every", "14", no_samples, none},
          {"sample-prompt", "ROMEO:", no_samples, none},
          {"secret-file", "/s", none, {{"listen", "127.0.0.1"}, {"slots", "2"}}},
          {"peer-timeout", "5s", none, listen},
          {"machines", "2", {{"fabric", "mpi"}}, listen}};
}

KeyValues with(const KeyValues& values, const std::string& key, const std::string& text) {
  KeyValues given{{"corpus", "/wiki"}, {"model", "tiny"}, {"steps", "100"}, {"state", "/state"}};
  for (const auto& [name, value] : values) given[name] = value;
  given[key] = text;
  return given;
}

/// What a call logs: on standard error, or on standard output in a process that has not initialized its log.
template <typename Call>
std::string logged(const Call& call) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  call();
  const std::string errors = testing::internal::GetCapturedStderr();
  return testing::internal::GetCapturedStdout() + errors;
}

/// What is refused or warned of; empty if nothing is.
std::string complaint(const KeyValues& given, const KeyValues& values, const KeyValues* saved = nullptr) {
  try {
    refuse_idle_keys(given, values, saved);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return std::string("error: ") + error.what();
  }
  return logged([&] { report_idle_keys(given, values, saved); });
}

TEST(IdleKeys, HaveACaseForEachRow) {
  std::multiset<std::string> rows, tried;
  for (const auto& row : idle_keys()) rows.emplace(row.name);
  for (const Case& c : cases()) tried.insert(c.key);
  EXPECT_EQ(rows, tried);
}

TEST(IdleKeys, AreRefusedIfTheyAreFixedAndWarnedOfOtherwise) {
  for (const Case& c : cases()) {
    const KeyValues given = with(c.idle, c.key, c.text);
    const std::string text = complaint(given, resolve(given));
    EXPECT_THAT(text, AllOf(HasSubstr("--" + c.key + " has no effect with"), HasSubstr("; leave it out")));
    const bool is_fixed = find_run_option(c.key)->info.kind == KeyKind::kFixed;
    EXPECT_EQ(text.starts_with("error: "), is_fixed) << text;
  }
}

TEST(IdleKeys, AreAcceptedWhereTheyHaveAnEffect) {
  for (const Case& c : cases()) {
    const KeyValues given = with(c.effective, c.key, c.text);
    EXPECT_EQ(complaint(given, resolve(given)), "") << c.key;
  }
}

/// run.ini names every key.
TEST(IdleKeys, AreAcceptedWithTheValueThatTheyHaveAnyway) {
  for (const Case& c : cases()) {
    const KeyValues run = resolve(with(c.idle, "steps", "50"));
    EXPECT_EQ(complaint(run, resolve(run)), "") << c.key;
  }
}

TEST(IdleKeys, OfARunThatContinuesAreComparedWithIt) {
  const KeyValues saved = resolve(with({}, "muon-momentum", "0.9"));  // as an earlier version accepted it
  const KeyValues same{{"muon-momentum", "0.9"}, {"steps", "200"}};
  EXPECT_EQ(complaint(same, merge_for_resume(saved, same), &saved), "");
  KeyValues samples = resolve(with({}, "sample-tokens", "0"));
  EXPECT_THAT(
      complaint({{"sample-every", "5"}}, merge_for_resume(samples, {{"sample-every", "5"}}), &samples),
      HasSubstr("--sample-every has no effect"));
  const KeyValues warmup{{"muon-warmup", "7"}}, muon{{"muon-warmup", "7"}, {"optimizer", "muon"}};
  EXPECT_THAT(complaint(warmup, merge_for_branch(saved, warmup), &saved), HasSubstr("error: --muon-warmup"));
  EXPECT_EQ(complaint(muon, merge_for_branch(saved, muon), &saved), "");
}

struct Request {
  uint64_t steps = 3;
  bool measures = false;
};

TEST(IdleOptions, OfACommandAreWarnedOf) {
  const OptionTable<Request> table{{{"steps", "steps"}, count_of<Request>(&Request::steps)},
                                   {{"measure", "measure"}, switch_of<Request>(&Request::measures)}};
  static constexpr IdleOption<Request> kIdle[] = {
      {"steps", [](const Request& request) { return !request.measures; }, "without --measure", "--measure"}};
  const auto warnings = [&](const std::vector<std::string>& words) {
    const auto request = parse_command(words, table, {.name = "try", .usage = "try"});
    return logged([&] { report_idle_options(*request, table, kIdle); });
  };
  EXPECT_THAT(warnings({"--steps", "5"}),
              HasSubstr("--steps has no effect without --measure; leave it out, or add --measure"));
  EXPECT_EQ(warnings({"--steps", "5", "--measure"}), "");
  EXPECT_EQ(warnings({"--steps", "3"}), "") << "the default";
}

TEST(IdleReading, NamesOptionsForFormatsThatTheCorpusLacks) {
  Catalog catalog;
  catalog.shards = {{.path = {}, .name = "a", .format = TextFormat::kDoc}};
  CorpusOptions options;
  EXPECT_THAT(idle_reading_options(options, catalog), IsEmpty());
  options.documents = DocumentMode::kParagraphs;
  options.text_key = "body";
  options.pages.namespaces = {0, 14};
  options.pages.disambiguation = Disambiguation::kKeep;
  options.pages.rules.path = "/rules.txt";
  EXPECT_THAT(idle_reading_options(options, catalog),
              ElementsAre(HasSubstr("--documents has no effect: the corpus has no plain text"),
                          HasSubstr("--text-key"), HasSubstr("--namespaces"), HasSubstr("--disambiguation"),
                          HasSubstr("--template-rules")));
  for (const TextFormat format : {TextFormat::kParagraphs, TextFormat::kJsonl, TextFormat::kMediaWiki})
    catalog.shards.push_back({.path = {}, .name = "b", .format = format});
  EXPECT_THAT(idle_reading_options(options, catalog), IsEmpty());
  catalog.shards = {{.path = {}, .name = "a.zip", .format = TextFormat::kMembers}};
  EXPECT_THAT(idle_reading_options(options, catalog), IsEmpty()) << "it may hold every format";
}

}  // namespace
}  // namespace pretrain
