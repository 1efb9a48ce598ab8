// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tbb/global_control.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/bench_step.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/machine_arguments.h"
#include "apps/pretrain/machine_pace.h"
#include "apps/pretrain/machines.h"
#include "apps/pretrain/output.h"
#include "libs/base/error.h"
#include "libs/base/machine.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/model/parameters.h"
#include "libs/world/step_time.h"

namespace pretrain {
namespace {

struct ScaleRequest {
  std::string preset = "base", layers, width, heads, vocabulary, context;
  MachineRange machines{.least = 2, .most = 8};
  LineRate network;
  Precision exchange = Precision::kFloat32;
  int threads = 0;
  std::string precision = "auto";
  double speed = 0;
  bool json = false;
};

constexpr CommandSyntax kSyntax{
    .name = "scale",
    .usage =
        "pretrain scale [MODEL] [--machines A-B] [--network RATE] [--json]\n\n"
        "Predicts how fast several machines like this one would train a model together:\n"
        "measures steps here, and computes the exchange of gradients over a network of\n"
        "the rate. Efficiency: tokens a second of all, compared with so many times one\n"
        "machine. It rises with the tokens of a step; --accumulate sets these.",
    .examples =
        "Examples:\n"
        "  pretrain scale base --machines 2-4 --network 1G\n"
        "  pretrain scale qwen3-30m --network 10G --exchange bf16 --json",
    .positional = "model"};

OptionTable<ScaleRequest> options() {
  using Request = ScaleRequest;
  const auto size = [](std::string Request::*member) {
    OptionValue<Request> value = text_of<Request>(member);
    value.shape.placeholder = "N";
    return value;
  };
  const std::vector<std::pair<std::string_view, Precision>> precisions{{"f32", Precision::kFloat32},
                                                                       {"bf16", Precision::kBf16}};
  const OptionValue<Request> range{{"A-B"},
                                   [](Request& request, std::span<const std::string> texts) {
                                     request.machines = read_machine_range(texts.front());
                                   },
                                   [](const Request& request) -> std::vector<std::string> {
                                     return {write_machine_range(request.machines)};
                                   }};
  return {{{"model", "preset to train; '--model' may be omitted"}, text_of<Request>(&Request::preset)},
          {{"layers", "number of layers, instead of the preset's", "", KeyKind::kChangeable, "preset's"},
           size(&Request::layers)},
          {{"d-model", "width, as --layers", "", KeyKind::kChangeable, "preset's"}, size(&Request::width)},
          {{"heads", "attention heads, as --layers", "", KeyKind::kChangeable, "preset's"},
           size(&Request::heads)},
          {{"vocab", "size of the vocabulary, as --layers", "", KeyKind::kChangeable, "preset's"},
           size(&Request::vocabulary)},
          {{"context", "tokens in a sequence, as --layers", "", KeyKind::kChangeable, "preset's"},
           size(&Request::context)},
          {{"machines", "numbers of machines: all powers of two from A to B, and B"}, range},
          network_option<Request>(&Request::network),
          {{"exchange", "as that of pretrain train"}, choice_of<Request>(&Request::exchange, precisions)},
          threads_option<Request>(&Request::threads),
          {{"precision", "number format of matrix products: f32, bf16 or auto"},
           word_of<Request>(&Request::precision, {"auto", "f32", "bf16"})},
          {{"speed", "GFLOP/s of a machine in training steps, instead of measuring them", "",
            KeyKind::kChangeable, "measured"},
           number_of<Request>(&Request::speed, 0, 1e9)},
          {{"json", "print JSON"}, switch_of<Request>(&Request::json)}};
}

RunConfiguration configuration_of(const ScaleRequest& request) {
  KeyValues given{{"corpus", "none"}, {"model", request.preset}, {"precision", request.precision}};
  const auto set = [&](const char* key, const std::string& value) {
    if (!value.empty()) given[key] = value;
  };
  set("layers", request.layers);
  set("d-model", request.width);
  set("heads", request.heads);
  set("vocab", request.vocabulary);
  set("context", request.context);
  if (request.threads > 0) given["threads"] = std::to_string(request.threads);
  return to_configuration(resolve(given));
}

MachinePace measured_pace(const RunConfiguration& c, const StopSignal& stop) {
  constexpr int kSteps = 3;
  const BenchModel b{.config = c.model, .batch_rows = c.trainer.micro_rows, .precision = c.trainer.precision};
  if (const uint64_t needed = planned_bytes(b, c.threads); needed > inspect_machine().available_bytes) {
    fail(ErrorKind::kUsage,
         "a step of this model takes {} to measure and {} are available; give --speed GFLOPS",
         format_bytes(needed), format_bytes(inspect_machine().available_bytes));
  }
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<size_t>(c.threads));
  Compute compute(c.threads);
  const nlohmann::json step = measure_step(compute, b, kSteps, stop);
  const auto seconds = [&](const char* key) { return step[key].get<double>(); };
  const auto tokens = static_cast<double>(b.batch_rows * c.model.context);
  constexpr double kBackwardOfLoss = 2.0 / 3;
  return {.token = (seconds("forward_seconds") + seconds("backward_seconds")) / tokens,
          .layers_backward =
              std::max(0.0, seconds("backward_seconds") - kBackwardOfLoss * seconds("loss_seconds")) / tokens,
          .update = seconds("optimizer_seconds"),
          .threads = c.threads};
}

std::vector<int> numbers_of_machines(const MachineRange& range) {
  std::vector<int> numbers;
  const int most = static_cast<int>(range.most);
  for (int n = 1; n < most; n *= 2) {
    if (n >= std::max(2, static_cast<int>(range.least))) numbers.push_back(n);
  }
  if (most > 1) numbers.push_back(most);
  return numbers;
}

std::vector<double> numbers_of_tokens(double tokens_of_batch) {
  std::vector<double> tokens;
  for (int factor = 1; factor <= 256; factor *= 4) tokens.push_back(tokens_of_batch * factor);
  return tokens;
}

nlohmann::json make_report(const RunConfiguration& c, const ScaleRequest& request, const SharedRun& run) {
  const auto batch = static_cast<double>(c.batch * c.model.context);
  nlohmann::json rows = nlohmann::json::array();
  for (const int machines : numbers_of_machines(request.machines)) {
    nlohmann::json steps = nlohmann::json::array();
    for (const double tokens : numbers_of_tokens(batch)) {
      const PredictedStep step = predict_step(run, machines, tokens);
      steps.push_back({{"tokens", tokens},
                       {"seconds", step.all},
                       {"exchange_seconds", step.exchange},
                       {"exchange_hidden_seconds", step.hidden},
                       {"efficiency", efficiency(run, machines, tokens)}});
    }
    nlohmann::json row{{"machines", machines}, {"steps", steps}, {"tokens_for_efficiency", nullptr}};
    if (const auto tokens = tokens_for_efficiency(run, machines, kGoodEfficiency)) {
      row["tokens_for_efficiency"] = *tokens;
      row["accumulate"] = static_cast<uint64_t>(std::ceil(machines * *tokens / batch));
    }
    rows.push_back(std::move(row));
  }
  return {{"model", model_name(c)},
          {"parameters", ParameterLayout(c.model).parameter_count()},
          {"threads", c.threads},
          {"precision", precision_name(c.trainer.precision)},
          {"tokens_per_second", 1 / run.pace.token},
          {"is_measured", request.speed == 0},
          {"network_bits_per_second", request.network.bits_per_second},
          {"exchange", precision_name(request.exchange)},
          {"batch_tokens", batch},
          {"machines", rows}};
}

void print_row(const nlohmann::json& row) {
  std::string line = fmt::format("{:>8}", row["machines"].get<int>());
  for (const nlohmann::json& step : row["steps"])
    line += fmt::format(" {:>9.2f}", step["efficiency"].get<double>());
  const nlohmann::json& tokens = row["tokens_for_efficiency"];
  const bool reached = !tokens.is_null();
  print_line("{} {:>10} {:>12}", line, reached ? format_count(round_estimate(tokens.get<double>())) : "never",
             reached ? format_count(row["accumulate"].get<uint64_t>()) : "-");
}

void print_report(const nlohmann::json& report, const ScaleRequest& request) {
  print_line("{}: {} parameters; {} tokens/s a machine ({} in {}, {}); {}bit/s; exchange in {}",
             report["model"].get<std::string>(), format_count(report["parameters"].get<uint64_t>()),
             format_count(round_estimate(report["tokens_per_second"].get<double>())),
             format_counted(report["threads"].get<uint64_t>(), "thread"),
             report["precision"].get<std::string>(), report["is_measured"].get<bool>() ? "measured" : "given",
             write_line_rate(request.network), report["exchange"].get<std::string>());
  print_text("\nEfficiency, by the tokens of each machine in a step:\n\n");
  std::string head = fmt::format("{:>8}", "machines");
  for (const nlohmann::json& step : report["machines"].front()["steps"])
    head += fmt::format(" {:>9}", format_count(round_estimate(step["tokens"].get<double>())));
  print_line("{} {:>10} {:>12}", head, fmt::format("{} from", kGoodEfficiency), "--accumulate");
  for (const nlohmann::json& row : report["machines"]) print_row(row);
  print_text(
      "\n{} from: tokens of each machine from which on that efficiency is reached, and the\n"
      "--accumulate that gives them. Larger steps learn less from each token.\n",
      kGoodEfficiency);
}

}  // namespace

int scale_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  if (request->machines.most < 2)
    fail(ErrorKind::kUsage, "--machines must be 2 or more (got {})", write_machine_range(request->machines));
  const RunConfiguration c = configuration_of(*request);
  const SharedRun run{
      .parts = ParameterLayout(c.model).backward_parts(),
      .micro_batch_tokens = c.trainer.micro_rows * c.model.context,
      .element_bytes = request->exchange == Precision::kBf16 ? 2 : 4,
      .pace = request->speed > 0 ? pace_at(request->speed * 1e9, c.model, c.threads) : measured_pace(c, stop),
      .network = ethernet(request->network.bits_per_second)};
  const nlohmann::json report = make_report(c, *request, run);
  if (request->json) {
    fmt::print("{}\n", report.dump(2));
  } else {
    print_report(report, *request);
  }
  return 0;
}

}  // namespace pretrain
