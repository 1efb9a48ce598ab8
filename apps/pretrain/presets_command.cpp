// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tbb/global_control.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/bench_step.h"
#include "apps/pretrain/bytes_per_token.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/idle_option.h"
#include "apps/pretrain/output.h"
#include "apps/pretrain/token_cost.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/model/architecture.h"
#include "libs/model/parameters.h"

namespace pretrain {
namespace {

/// Text of the articles of the English Wikipedia of March 2024, 6.8 million, cleaned of markup.
constexpr double kWikipediaBytes = 22e9;

struct PresetsRequest {
  std::vector<std::string> names;
  bool measures = false;
  int steps = 3;
  std::string precision = "auto";
  int threads = 0;
  bool json = false;
};

constexpr CommandSyntax kSyntax{
    .name = "presets",
    .usage =
        "pretrain presets [NAME...] [--measure] [--json]\n\n"
        "Lists the presets: sizes, the memory of a training step, and how long an epoch\n"
        "of the English Wikipedia (22 GB of text) takes on this machine. Without\n"
        "--measure the speed is estimated from that of two small models.",
    .examples =
        "Examples:\n"
        "  pretrain presets\n"
        "  pretrain presets qwen3-15m qwen3-30m --measure",
    .positional = "name"};

/// Presets by name, each of which must exist.
OptionValue<PresetsRequest> names_option() {
  std::vector<std::string_view> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  return {{.placeholder = "NAME", .is_list = true, .choices = names},
          [](PresetsRequest& request, std::span<const std::string> texts) {
            std::vector<std::string_view> known;
            for (const Preset& preset : presets()) known.push_back(preset.name);
            for (const std::string& text : texts) request.names.emplace_back(known[read_choice(text, known)]);
          },
          [](const PresetsRequest& request) { return request.names; }};
}

OptionTable<PresetsRequest> options() {
  using Request = PresetsRequest;
  return {{{"name", "preset to list, all by default; '--name' may be omitted"}, names_option()},
          {{"measure", "train some steps of each; large presets take minutes"},
           switch_of<Request>(&Request::measures)},
          {{"steps", "steps of each to measure"}, count_of<Request>(&Request::steps, 1, 1'000'000)},
          {{"precision", "number format of matrix products: f32, bf16 or auto"},
           word_of<Request>(&Request::precision, {"auto", "f32", "bf16"})},
          threads_option<Request>(&Request::threads),
          {{"json", "print JSON"}, switch_of<Request>(&Request::json)}};
}

bool only_estimates(const PresetsRequest& request) {
  return !request.measures;
}

constexpr IdleOption<PresetsRequest> kIdle[] = {{"steps", only_estimates, "without --measure", "--measure"}};

BenchModel bench_model(const Preset& preset, Precision precision) {
  return {model_config(preset, kEnglishCharacters), preset.batch, precision};
}

TokenWork work_of(const ModelConfig& c) {
  return {flops_per_token(c), static_cast<double>(c.layers * c.d_model)};
}

/// Measures a narrow model and one of medium width, which takes a second or so.
TokenCost measure_token_cost(Compute& compute, Precision precision, const StopSignal& stop) {
  constexpr int kSteps = 3;
  const auto sample = [&](std::string_view name) {
    const BenchModel b = bench_model(*find_preset(name), precision);
    const nlohmann::json step = measure_step(compute, b, kSteps, stop);
    return TokenSample{work_of(b.config), 1 / step["tokens_per_second"].get<double>()};
  };
  const TokenSample narrow = sample("shakespeare");
  return fit_token_cost(narrow, sample("prototype"));
}

/// What a preset is, without its speed.
nlohmann::json describe(const Preset& preset, const BenchModel& b, int threads) {
  const ModelConfig& c = b.config;
  return {
      {"name", preset.name},
      {"architecture", c.architecture->name},
      {"layers", c.layers},
      {"width", c.d_model},
      {"heads", c.heads},
      {"kv_heads", c.key_value_heads()},
      {"head_size", c.head_size()},
      {"mlp_width", c.d_ff},
      {"vocabulary", preset.vocabulary == 0 ? nlohmann::json("characters") : nlohmann::json(c.vocabulary)},
      {"context", c.context},
      {"batch", preset.batch},
      {"learning_rate", preset.learning_rate},
      {"parameters", ParameterLayout(c).parameter_count()},
      {"planned_bytes", planned_bytes(b, threads)},
      {"purpose", preset.purpose}};
}

/// Adds speed, and the time of an epoch.
void add_speed(nlohmann::json& row, double tokens_per_second, bool is_measured, int64_t vocabulary) {
  const double tokens = kWikipediaBytes / english_bytes_per_token(vocabulary);
  row["tokens_per_second"] = tokens_per_second;
  row["is_measured"] = is_measured;
  row["epoch_tokens"] = std::round(tokens);
  row["epoch_hours"] = tokens / tokens_per_second / 3600;
}

/// Measures one preset; a preset that does not fit into memory has no speed.
void measure(Compute& compute, const BenchModel& b, int steps, const StopSignal& stop, nlohmann::json& row) {
  if (row["planned_bytes"].get<uint64_t>() > inspect_machine().available_bytes) {
    log_warning("{} is not measured: a step takes {} and {} are available", row["name"].get<std::string>(),
                format_bytes(row["planned_bytes"].get<uint64_t>()),
                format_bytes(inspect_machine().available_bytes));
    return;
  }
  const nlohmann::json step = measure_step(compute, b, steps, stop);
  row["resident_bytes"] = step["resident_bytes"];
  row["flops_utilization"] = step["flops_utilization_then"];
  add_speed(row, step["tokens_per_second"].get<double>(), true, b.config.vocabulary);
}

/// "1.2 M", "351 M": so many millions.
std::string format_millions(uint64_t count) {
  const double millions = static_cast<double>(count) / 1e6;
  return fmt::format("{:.{}f} M", millions, millions < 9.95 ? 1 : 0);
}

/// A number of three digits, with '~' before it where it is estimated; '-' where there is none.
std::string shown_speed(const nlohmann::json& row, const char* key) {
  if (!row.contains(key)) return "-";
  return fmt::format("{}{}", row["is_measured"].get<bool>() ? "" : "~",
                     format_count(round_estimate(row[key].get<double>())));
}

void print_row(const nlohmann::json& row) {
  const auto count = [&](const char* key) { return row[key].get<uint64_t>(); };
  const nlohmann::json& vocabulary = row["vocabulary"];
  print_line(
      "{:12} {:5} {:>2} x {:<4} {:>6} {:>10} {:>7} {:>5} {:>10} {:>8} {:>9} {:>8}",
      row["name"].get<std::string>(), row["architecture"].get<std::string>(), count("layers"), count("width"),
      fmt::format("{}/{}", count("heads"), count("kv_heads")),
      vocabulary.is_string() ? vocabulary.get<std::string>() : format_count(vocabulary.get<uint64_t>()),
      format_count(count("context")), count("batch"), format_millions(count("parameters")),
      format_bytes(count("planned_bytes")), shown_speed(row, "tokens_per_second"),
      shown_speed(row, "epoch_hours"));
}

void print_table(const nlohmann::json& report) {
  print_line("{:12} {:5} {:>9} {:>6} {:>10} {:>7} {:>5} {:>10} {:>8} {:>9} {:>8}", "preset", "arch",
             "layers x C", "H/K", "vocabulary", "context", "batch", "parameters", "memory", "tokens/s",
             "h/epoch");
  for (const nlohmann::json& row : report["presets"]) print_row(row);
  const auto is_measured = [](const nlohmann::json& row) { return row.value("is_measured", false); };
  print_text("\n{}, {}, {}. C: width; H/K: heads, and key-value heads that they share.\n",
             report["processor"].get<std::string>(),
             format_counted(report["threads"].get<uint64_t>(), "thread"),
             report["precision"].get<std::string>());
  print_line("h/epoch: hours for the text of the English Wikipedia, {} GB.", kWikipediaBytes / 1e9);
  if (std::ranges::none_of(report["presets"], is_measured))
    print_line("~: estimated from the speed of two small models; --measure trains some steps of each.");
}

/// The presets that were asked for, in the order of the table.
std::vector<Preset> chosen(const std::vector<std::string>& names) {
  std::vector<Preset> result;
  for (const Preset& preset : presets()) {
    if (names.empty() || std::ranges::find(names, preset.name) != names.end()) result.push_back(preset);
  }
  return result;
}

nlohmann::json make_report(Compute& compute, const PresetsRequest& request, const StopSignal& stop) {
  const Precision precision = parse_precision(request.precision);
  nlohmann::json report = {{"processor", inspect_machine().processor},
                           {"threads", compute.threads()},
                           {"precision", precision_name(precision)},
                           {"epoch_bytes", kWikipediaBytes},
                           {"presets", nlohmann::json::array()}};
  const TokenCost cost = request.measures ? TokenCost{} : measure_token_cost(compute, precision, stop);
  for (const Preset& preset : chosen(request.names)) {
    const BenchModel b = bench_model(preset, precision);
    nlohmann::json row = describe(preset, b, compute.threads());
    if (request.measures) {
      measure(compute, b, request.steps, stop, row);
    } else {
      add_speed(row, 1 / cost.seconds(work_of(b.config)), false, b.config.vocabulary);
    }
    report["presets"].push_back(std::move(row));
  }
  return report;
}

}  // namespace

int presets_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  report_idle_options(*request, options(), kIdle);
  const int threads = request->threads > 0 ? request->threads : inspect_machine().cores;
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
  Compute compute(threads);
  const nlohmann::json report = make_report(compute, *request, stop);
  if (request->json) {
    fmt::print("{}\n", report.dump(2));
  } else {
    print_table(report);
  }
  return 0;
}

}  // namespace pretrain
