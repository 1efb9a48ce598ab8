// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/dashboard.h"
#include "apps/pretrain/default_model.h"
#include "apps/pretrain/idle_option.h"
#include "apps/pretrain/output_file.h"
#include "apps/pretrain/web_place.h"
#include "libs/base/service.h"

namespace pretrain {
namespace {

struct DashboardRequest {
  std::vector<Path> states;
  WebPlace place;
  Path new_token;
};

constexpr CommandSyntax kSyntax{
    .name = "dashboard",
    .usage =
        "pretrain dashboard [STATE...] [--listen ADDRESS:PORT]\n\n"
        "Shows runs in a browser while they train: curves, samples, events; and their\n"
        "numbers for programs (/api/v1/runs, /metrics, /healthz, /readyz). Reads only\n"
        "the state folders; a run neither needs it nor notices it.",
    .examples =
        "Examples:\n"
        "  pretrain dashboard\n"
        "  pretrain dashboard runs --listen 127.0.0.1:0\n"
        "  pretrain dashboard --new-token TOKEN.txt\n"
        "  pretrain dashboard --listen 0.0.0.0:8077 --token-file TOKEN.txt",
    .positional = "state"};

OptionTable<DashboardRequest> options() {
  using Request = DashboardRequest;
  return OptionTable<Request>{
             {{"state",
               "state folders of runs, or a folder with several; default: $PRETRAIN_STATE, or that of train"},
              paths_of<Request>(&Request::states)},
             {{"new-token", "write a new token into this file, and end"},
              output_path_of<Request>(&Request::new_token)}} +
         web_options<Request>(&Request::place);
}

bool makes_a_token(const DashboardRequest& request) {
  return !request.new_token.empty();
}

constexpr std::string_view kOnlyToken = "with --new-token, which writes a token and ends";
constexpr IdleOption<DashboardRequest> kIdle[] = {{"state", makes_a_token, kOnlyToken},
                                                  {"listen", makes_a_token, kOnlyToken},
                                                  {"token-file", makes_a_token, kOnlyToken},
                                                  {"allow-host", makes_a_token, kOnlyToken}};

}  // namespace

int dashboard_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  report_idle_options(*request, options(), kIdle);
  refuse_standard_output("--new-token", request->new_token, "a file");
  if (!request->new_token.empty()) {
    write_new_token(request->new_token);
    return 0;
  }
  WebServerOptions web = server_options(request->place);
  std::vector<Path> states = request->states;
  if (states.empty()) states.push_back(chosen_state_folder());
  const RunWatcher runs(states);
  const Dashboard dashboard(runs);
  WebServer server(std::move(web),
                   [&dashboard](const WebRequest& web_request) { return dashboard.answer(web_request); });
  check_openness(server.access());
  stop.end_without_answer();
  report_place("dashboard", server.access());
  ServiceNotifier().ready();
  server.run(stop.token());
  return 0;
}

}  // namespace pretrain
