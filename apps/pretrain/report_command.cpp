// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <set>

#include <fmt/format.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/default_model.h"
#include "apps/pretrain/output.h"
#include "apps/pretrain/output_file.h"
#include "apps/pretrain/page.h"
#include "apps/pretrain/run_report.h"
#include "apps/pretrain/stop_wait.h"
#include "libs/base/error.h"
#include "libs/base/io_advice.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

struct ReportRequest {
  std::vector<Path> states;
  Path output;
  std::chrono::milliseconds every{0};
  uint64_t points = ReportOptions{}.points;
  bool no_samples = false;
};

constexpr size_t kMostRuns = 64;

constexpr CommandSyntax kSyntax{
    .name = "report",
    .usage =
        "pretrain report STATE... --output FILE.html [--every TIME]\n\n"
        "Writes a page with the curves, samples, events and configuration of runs: one\n"
        "file that holds everything and requests nothing. Reads only the state folders.",
    .examples =
        "Examples:\n"
        "  pretrain report ~/.local/state/pretrain --output run.html\n"
        "  pretrain report runs/first runs/second --output both.html --every 1min",
    .positional = "state"};

OptionTable<ReportRequest> options() {
  using Request = ReportRequest;
  constexpr uint64_t kLeastPoints = 2, kMostPoints = 4096;
  return {
      {{"state",
        "state folders of runs, or a folder with several; default: $PRETRAIN_STATE, or that of train"},
       paths_of<Request>(&Request::states)},
      {{"output", "file to write, - for standard output; an existing page is replaced"},
       output_path_of<Request>(&Request::output)},
      {{"every", "write it again after this time, until all runs have ended; 0: once"},
       duration_of<Request>(&Request::every)},
      {{"points", "points of each curve"}, count_of<Request>(&Request::points, kLeastPoints, kMostPoints)},
      {{"no-samples", "leave out what the models wrote"}, switch_of<Request>(&Request::no_samples)}};
}

void check(const ReportRequest& request) {
  if (request.output.empty()) fail_missing("output", kSyntax);
  check_output_file({.option = "--output",
                     .path = request.output,
                     .beginning = "<!doctype html>",
                     .example = "report.html",
                     .may_be_standard_output = true});
  if (request.every.count() > 0) refuse_standard_output("--output with --every", request.output, "a file");
  constexpr std::chrono::seconds kOften{1};
  if (request.every.count() > 0 && request.every < kOften)
    fail(ErrorKind::kUsage, "--every must be 1s or more (got {})", exact_duration(request.every));
}

RunViews open_runs(const ReportRequest& request) {
  std::vector<Path> paths = request.states;
  if (paths.empty()) paths.push_back(chosen_state_folder());
  std::set<std::string> ids;
  RunViews runs;
  for (const Path& folder : find_runs(paths, kMostRuns)) {
    const std::string id = run_id(folder, ids);
    ids.insert(id);
    runs.push_back(std::make_unique<RunView>(folder, id, RecordLimits{.curve_points = Curve::kMostPoints}));
  }
  return runs;
}

/// The bytes that were written.
size_t write_report(const RunViews& runs, const ReportRequest& request) {
  for (const auto& run : runs) run->update();
  const ReportOptions options{.points = request.points, .samples = !request.no_samples};
  const std::string page = report_page(report_data(runs, options), report_summary(runs));
  if (is_standard_output(request.output)) {
    fmt::print("{}", page);
  } else {
    write_file_atomically(real_file_system(), request.output, page);
  }
  return page.size();
}

bool any_lives(const RunViews& runs) {
  return std::ranges::any_of(runs, [](const auto& run) { return lives(run->phase()); });
}

/// A write that fails, for example on a full disk, is tried again: the next report replaces the last one.
void keep_writing(const RunViews& runs, const ReportRequest& request, const std::stop_token& stop) {
  bool failing = false;
  for (bool lives = any_lives(runs); lives && wait_unless_stopped(request.every, stop);
       lives = any_lives(runs)) {
    try {
      write_report(runs, request);
      failing = false;
    } catch (const IoError& error) {
      if (!failing)
        log_warning("{}; the report is tried again each {}", message_with_advice(error),
                    exact_duration(request.every));
      failing = true;
    }
  }
  if (stop.stop_requested()) return;
  print_line("all runs have ended; {} is complete", request.output.string());
}

}  // namespace

int report_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  check(*request);
  const RunViews runs = open_runs(*request);
  const size_t bytes = write_report(runs, *request);
  if (is_standard_output(request->output)) return 0;
  print_line("wrote {}: {}, {}", request->output.string(), format_counted(runs.size(), "run"),
             format_bytes(bytes));
  if (request->every.count() == 0) return 0;
  stop.end_without_answer();
  keep_writing(runs, *request, stop.token());
  return 0;
}

}  // namespace pretrain
