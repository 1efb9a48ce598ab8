// SPDX-License-Identifier: Apache-2.0
// Compares recipes: trains each for the same counted seconds on the same text, with several seeds, and writes
// the bits per byte of held-out text. See README.md.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "apps/pretrain/arguments.h"
#include "libs/base/error.h"
#include "libs/base/file.h"
#include "libs/base/log.h"
#include "tests/learning/recipe.h"
#include "tests/learning/results.h"
#include "tests/learning/trial.h"

namespace pretrain::learning {
namespace {

struct Request {
  Path recipes, output;
  std::vector<Path> corpus;
  std::string only;
  uint64_t seconds = 60;
  uint64_t seeds = 2;
  uint64_t text_bytes = 40'000'000;
  int threads = 1;
  std::string baseline;
  bool write_tokens = false;
};

OptionTable<Request> options() {
  return {{{"recipes", "JSON file with the recipes"}, path_of<Request>(&Request::recipes)},
          {{"corpus", "files and folders with text"}, paths_of<Request>(&Request::corpus)},
          {{"output", "folder for trials.csv and table.md"}, path_of<Request>(&Request::output)},
          {{"only", "only the recipes whose name contains this"}, text_of<Request>(&Request::only)},
          {{"seconds", "counted seconds of each trial"}, count_of<Request>(&Request::seconds, 1, 1'000'000)},
          {{"seeds", "seeds, from 1 on"}, count_of<Request>(&Request::seeds, 1, 100)},
          {{"text-bytes", "text to train on"}, count_of<Request>(&Request::text_bytes, 1'000'000)},
          {{"threads", "threads that train"}, count_of<Request>(&Request::threads, 1, 1024)},
          {{"baseline", "recipe that the table compares with; default: the first"},
           text_of<Request>(&Request::baseline)},
          {{"write-tokens", "write the text's tokens, for other trainers"},
           switch_of<Request>(&Request::write_tokens)}};
}

constexpr CommandSyntax kSyntax{
    .name = "learn",
    .usage =
        "learn --recipes FILE --corpus PATH... --output DIR [--seconds N] [--seeds N]\n\n"
        "Trains each recipe for the same counted seconds and compares held-out bits per\n"
        "byte. Trials that are in DIR/trials.csv are not repeated."};

/// Seconds of a step when other programs on the host are quiet, by recipe.
using StepSeconds = std::map<std::string, double>;
using StepCosts = std::map<std::string, StepCost>;

/// Of each recipe a step of all its batches, then one of a single batch.
std::vector<RunConfiguration> timed_configurations(const std::vector<Recipe>& recipes,
                                                   const std::string& corpus) {
  std::vector<RunConfiguration> timed;
  for (const Recipe& recipe : recipes) {
    timed.push_back(configuration_of(recipe, corpus, 0));
    timed.back().trainer.schedule.ramp.steps = 0;
  }
  for (size_t i = 0; i < recipes.size(); ++i) {
    if (timed[i].trainer.accumulate == 1) continue;
    timed.push_back(timed[i]);
    timed.back().trainer.accumulate = 1;
  }
  return timed;
}

/// All recipes take steps interleaved, one each a round. A recipe that has a time already keeps it, so that a
/// later call gives its further seeds as many steps.
StepCosts measure_steps(Compute& compute, const std::vector<Recipe>& recipes, const std::string& corpus,
                        const Text& text, StepSeconds known) {
  constexpr size_t kFirstSteps = 2;  // which also touch their memory for the first time
  constexpr size_t kRounds = 25;
  std::vector<std::unique_ptr<Trial>> trials;
  const std::vector<RunConfiguration> timed = timed_configurations(recipes, corpus);
  trials.reserve(timed.size());
  for (const RunConfiguration& config : timed)
    trials.push_back(std::make_unique<Trial>(compute, config, text, 1));
  std::vector<std::vector<double>> rounds(kRounds);
  for (size_t i = 0; i < kFirstSteps + kRounds; ++i) {
    for (const auto& trial : trials) {
      trial->step();
      if (i >= kFirstSteps) rounds[i - kFirstSteps].push_back(trial->step_seconds().back());
    }
  }
  std::vector<double> of_first;
  of_first.reserve(rounds.size());
  for (const std::vector<double>& round : rounds) of_first.push_back(round[0]);
  const double first = known.try_emplace(recipes[0].name, quiet_seconds(of_first)).first->second;
  const std::vector<double> relative = relative_seconds(rounds);
  StepCosts costs;
  size_t next_one = recipes.size();
  for (size_t i = 0; i < recipes.size(); ++i) {
    const double most = known.try_emplace(recipes[i].name, first * relative[i]).first->second;
    const bool is_one = timed[i].trainer.accumulate == 1;
    costs[recipes[i].name] = {most, is_one ? most : most * relative[next_one++] / relative[i]};
  }
  return costs;
}

/// The trials that are done, in a file that grows by a line each.
class Record {
 public:
  explicit Record(Path file) : file_(std::move(file)) {
    if (file_exists(file_)) {
      outcomes_ = parse_csv(read_file(file_), file_.native());
    } else {
      append(csv_header());
    }
  }

  const std::vector<Outcome>& outcomes() const { return outcomes_; }
  bool has(const std::string& recipe, uint64_t seed, double seconds) const {
    return std::ranges::any_of(outcomes_, [&](const Outcome& o) {
      return o.recipe == recipe && o.seed == seed && o.budget_seconds == seconds;
    });
  }
  StepSeconds step_seconds() const {
    StepSeconds seconds;
    for (const Outcome& outcome : outcomes_) seconds[outcome.recipe] = outcome.quiet_step_seconds;
    return seconds;
  }
  void add(const Outcome& outcome) {
    outcomes_.push_back(outcome);
    append(to_csv(outcome));
  }

 private:
  void append(const std::string& text) const {
    std::ofstream file(file_, std::ios::app);
    file << text << std::flush;
    if (!file) fail(ErrorKind::kRuntime, "can't write {}; is the disk full?", file_.native());
  }

  Path file_;
  std::vector<Outcome> outcomes_;
};

Outcome run_trial(Compute& compute, const Recipe& recipe, const std::string& corpus, const Text& text,
                  Outcome plan) {
  const RunConfiguration config = configuration_of(recipe, corpus, plan.steps);
  Trial trial(compute, config, text, plan.seed);
  while (trial.steps() < plan.steps) trial.step();
  plan.tokens = trial.tokens();
  plan.parameters = trial.parameter_count();
  plan.bits_per_byte = trial.evaluate().bits_per_byte;
  return plan;
}

void check(const Request& request) {
  if (request.recipes.empty()) fail_missing("recipes", kSyntax);
  if (request.corpus.empty()) fail_missing("corpus", kSyntax);
  if (request.output.empty()) fail_missing("output", kSyntax);
}

std::vector<Recipe> chosen_recipes(const Request& request, const std::string& corpus) {
  RecipeBook book = parse_recipes(read_file(request.recipes), request.recipes.native());
  std::erase_if(book.recipes,
                [&](const Recipe& r) { return r.name.find(request.only) == std::string::npos; });
  if (book.recipes.empty())
    fail(ErrorKind::kUsage, "no recipe in {} has '{}' in its name", request.recipes.native(), request.only);
  check_comparable(book.recipes, corpus);
  return book.recipes;
}

/// Writes table.md and returns its text.
std::string write_table(const Request& request, const Record& record, const std::string& first_recipe) {
  const std::string& baseline = request.baseline.empty() ? first_recipe : request.baseline;
  std::string table = to_table(summarize(record.outcomes()), baseline);
  write_file_atomically(real_file_system(), request.output / "table.md", table);
  return table;
}

/// The tokens of the text to train on, as 32-bit numbers in the machine's byte order, and the tokenizer of them.
void write_tokens(const Text& text, const Path& folder) {
  const std::vector<uint32_t>& tokens = text.rows->tokens();
  const std::string_view bytes(reinterpret_cast<const char*>(tokens.data()),
                               tokens.size() * sizeof(uint32_t));
  write_file_atomically(real_file_system(), folder / "tokens.u32", bytes);
}

void compare(const Request& request) {
  check(request);
  std::vector<std::string> inputs;
  for (const Path& path : request.corpus) inputs.push_back(std::filesystem::absolute(path).native());
  const std::string corpus = joined_list(inputs);
  const std::vector<Recipe> recipes = chosen_recipes(request, corpus);
  std::filesystem::create_directories(request.output);
  Record record(request.output / "trials.csv");
  const Text text =
      read_text(configuration_of(recipes.front(), corpus, 0), request.text_bytes, request.output);
  if (request.write_tokens) write_tokens(text, request.output);
  Compute compute(request.threads);
  const StepCosts quiet = measure_steps(compute, recipes, corpus, text, record.step_seconds());
  for (const Recipe& recipe : recipes)
    log_info("{}: {:.2f} ms a step", recipe.name, 1e3 * quiet.at(recipe.name).most);
  const auto seconds = static_cast<double>(request.seconds);
  for (uint64_t seed = 1; seed <= request.seeds; ++seed) {
    for (const Recipe& recipe : recipes) {
      if (record.has(recipe.name, seed, seconds)) continue;
      const StepCost& cost = quiet.at(recipe.name);
      const BatchRamp ramp = configuration_of(recipe, corpus, 0).trainer.schedule.ramp;
      record.add(run_trial(compute, recipe, corpus, text,
                           {.recipe = recipe.name,
                            .seed = seed,
                            .budget_seconds = seconds,
                            .steps = steps_within(seconds, cost, ramp),
                            .quiet_step_seconds = cost.most}));
      fmt::print("{}", to_csv(record.outcomes().back()));
      std::fflush(stdout);
      write_table(request, record, recipes.front().name);
    }
  }
  fmt::print("{}", write_table(request, record, recipes.front().name));
}

}  // namespace
}  // namespace pretrain::learning

int main(int argc, char** argv) {
  using namespace pretrain;
  initialize_log(LogLevel::kInfo);
  try {
    const auto request =
        parse_command<learning::Request>({argv + 1, argv + argc}, learning::options(), learning::kSyntax);
    if (request) learning::compare(*request);
    return 0;
  } catch (const Error& error) {
    log_error("{}", error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    log_error("unexpected: {}", error.what());
    return 1;
  }
}
