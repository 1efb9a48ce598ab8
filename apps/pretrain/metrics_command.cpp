// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <string>
#include <vector>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/configuration.h"
#include "apps/pretrain/metrics_export.h"
#include "apps/pretrain/output.h"
#include "apps/pretrain/run_view.h"
#include "apps/pretrain/stop_wait.h"
#include "libs/base/error.h"
#include "libs/base/quantity.h"

namespace pretrain {
namespace {

struct MetricsRequest {
  Path state;
  Path csv;
  Path tensorboard;
  bool follow = false;
};

/// Between two looks at a run that trains.
constexpr std::chrono::seconds kLook{10};

constexpr CommandSyntax kSyntax{
    .name = "export-metrics",
    .usage =
        "pretrain export-metrics [STATE] --csv FILE | --tensorboard FOLDER [--follow]\n\n"
        "Writes the curves of a run for other programs: as a table, or as an event file\n"
        "that TensorBoard reads. Steps that a resume has repeated are there once.",
    .examples =
        "Examples:\n"
        "  pretrain export-metrics ~/.local/state/pretrain --csv run.csv\n"
        "  pretrain export-metrics runs/base --tensorboard events/base --follow",
    .positional = "state"};

OptionTable<MetricsRequest> options() {
  using Request = MetricsRequest;
  return {{{"state", "state folder of the run; default: that of train"}, path_of<Request>(&Request::state)},
          {{"csv", "file to write: a row for each recorded step and evaluation"},
           path_of<Request>(&Request::csv)},
          {{"tensorboard", "folder to add an event file to; a folder for each run"},
           path_of<Request>(&Request::tensorboard)},
          {{"follow", "with --tensorboard: continue while the run trains"},
           switch_of<Request>(&Request::follow)}};
}

void check(const MetricsRequest& request) {
  if (request.csv.empty() == request.tensorboard.empty())
    fail(ErrorKind::kUsage, "give --csv FILE or --tensorboard FOLDER; usage: {}",
         kSyntax.usage.substr(0, kSyntax.usage.find('\n')));
  if (request.follow && request.tensorboard.empty())
    fail(ErrorKind::kUsage, "--follow needs --tensorboard FOLDER; write a table again when it is needed");
}

}  // namespace

int metrics_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  check(*request);
  const Path given = request->state.empty() ? state_folder_of({}) : request->state;
  const std::vector<Path> runs = find_runs({given}, 2);
  if (runs.size() > 1) fail(ErrorKind::kUsage, "{} holds several runs; name one of them", given.string());
  if (!request->csv.empty()) {
    const uint64_t rows = write_metrics_table(runs.front(), request->csv);
    print_line("wrote {}: {}", request->csv.string(), format_counted(rows, "row"));
    return 0;
  }
  EventExport events(runs.front(), request->tensorboard);
  uint64_t scalars = events.write_new();
  print_line("wrote {}: {}", request->tensorboard.string(), format_counted(scalars, "scalar"));
  while (request->follow && events.run_lives() && wait_unless_stopped(kLook, stop.token()))
    events.write_new();
  return 0;
}

}  // namespace pretrain
