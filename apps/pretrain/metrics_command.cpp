// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/default_model.h"
#include "apps/pretrain/metrics_export.h"
#include "apps/pretrain/output.h"
#include "apps/pretrain/output_file.h"
#include "apps/pretrain/run_view.h"
#include "apps/pretrain/state_folder.h"
#include "apps/pretrain/stop_wait.h"
#include "libs/base/error.h"
#include "libs/base/quantity.h"

namespace pretrain {
namespace {

struct MetricsRequest {
  Path state;
  Path csv;
  Path tensorboard;
  Path prometheus;
  bool follow = false;
};

/// Between two looks at a run that trains.
constexpr std::chrono::seconds kLook{10};

constexpr CommandSyntax kSyntax{
    .name = "export-metrics",
    .usage =
        "pretrain export-metrics [STATE] --csv FILE\n"
        "pretrain export-metrics [STATE] --tensorboard FOLDER [--follow]\n"
        "pretrain export-metrics [STATE] --prometheus FILE [--follow]\n\n"
        "Writes the curves of a run for other programs: as a table, as an event file\n"
        "that TensorBoard reads, or its newest numbers as a file that node_exporter\n"
        "reads. Steps that a resume has repeated are there once.",
    .examples =
        "Examples:\n"
        "  pretrain export-metrics ~/.local/state/pretrain --csv run.csv\n"
        "  pretrain export-metrics runs/base --tensorboard events/base --follow",
    .positional = "state"};

OptionTable<MetricsRequest> options() {
  using Request = MetricsRequest;
  return {
      {{"state", "state folder of the run; default: $PRETRAIN_STATE, or that of train"},
       path_of<Request>(&Request::state)},
      {{"csv", "file to write, - for standard output: a row for each recorded step and evaluation"},
       output_path_of<Request>(&Request::csv)},
      {{"tensorboard", "folder to add an event file to; a folder for each run"},
       output_path_of<Request>(&Request::tensorboard)},
      {{"prometheus", "file to write, NAME.prom, or -; node_exporter reads those in its textfile folder"},
       output_path_of<Request>(&Request::prometheus)},
      {{"follow", "continue while the run trains; not with --csv"}, switch_of<Request>(&Request::follow)}};
}

void check(const MetricsRequest& request) {
  const auto is_given = [](const Path* path) { return !path->empty(); };
  const auto given = {&request.csv, &request.tensorboard, &request.prometheus};
  if (std::ranges::count_if(given, is_given) != 1)
    fail(ErrorKind::kUsage, "give one of --csv FILE, --tensorboard FOLDER and --prometheus FILE");
  if (request.follow && !request.csv.empty())
    fail(ErrorKind::kUsage, "--follow does not go with --csv; write a table again when it is needed");
  if (!request.csv.empty()) {
    check_output_file({.option = "--csv",
                       .path = request.csv,
                       .beginning = "kind,step,",
                       .example = "run.csv",
                       .may_be_standard_output = true});
  }
  if (!request.prometheus.empty()) {
    check_output_file({.option = "--prometheus",
                       .path = request.prometheus,
                       .beginning = "# HELP pretrain_",
                       .example = "run.prom",
                       .may_be_standard_output = true});
  }
  if (request.follow) refuse_standard_output("--prometheus with --follow", request.prometheus, "a file");
  refuse_standard_output("--tensorboard", request.tensorboard, "a folder");
  if (!request.tensorboard.empty()) refuse_output_in_checkpoints("--tensorboard", request.tensorboard);
}

/// The run's state folder.
Path state_of(const MetricsRequest& request) {
  const Path given = request.state.empty() ? chosen_state_folder() : request.state;
  const std::vector<Path> runs = find_runs({given}, 2);
  if (runs.size() > 1) fail(ErrorKind::kUsage, "{} holds several runs; name one of them", given.string());
  return runs.front();
}

void export_table(const Path& state, const Path& file) {
  const uint64_t rows = write_metrics_table(state, file);
  if (!is_standard_output(file)) print_line("wrote {}: {}", file.string(), format_counted(rows, "row"));
}

void export_events(const Path& state, const MetricsRequest& request, const std::stop_token& stop) {
  EventExport events(state, request.tensorboard);
  const uint64_t scalars = events.write_new();
  print_line("wrote {}: {}", request.tensorboard.string(), format_counted(scalars, "scalar"));
  while (request.follow && events.run_lives() && wait_unless_stopped(kLook, stop)) events.write_new();
}

/// The last write, after the run has ended, says so.
void export_numbers(const Path& state, const MetricsRequest& request, const std::stop_token& stop) {
  RunView view(state, run_id(state, {}), {});
  do {
    view.update();
    write_metrics_file(view, request.prometheus);
  } while (request.follow && lives(view.phase()) && wait_unless_stopped(kLook, stop));
  if (!is_standard_output(request.prometheus)) print_line("wrote {}", request.prometheus.string());
}

}  // namespace

int metrics_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  check(*request);
  const Path state = state_of(*request);
  if (request->follow) stop.end_without_answer();
  if (!request->csv.empty()) export_table(state, request->csv);
  if (!request->tensorboard.empty()) export_events(state, *request, stop.token());
  if (!request->prometheus.empty()) export_numbers(state, *request, stop.token());
  return 0;
}

}  // namespace pretrain
