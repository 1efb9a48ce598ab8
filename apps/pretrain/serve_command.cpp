// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <utility>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/completion_service.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/default_model.h"
#include "apps/pretrain/page.h"
#include "apps/pretrain/web_place.h"
#include "libs/base/log.h"
#include "libs/base/service.h"
#include "libs/checkpoint/verify.h"

namespace pretrain {
namespace {

constexpr uint16_t kPort = 8078;

struct ServeRequest {
  Path checkpoint;
  WebPlace place{.address = {.port = kPort}};
  int threads = 1;
  bool follow = false;
};

constexpr CommandSyntax kSyntax{
    .name = "serve",
    .usage =
        "pretrain serve [--checkpoint DIR] [--listen ADDRESS:PORT] [--follow]\n\n"
        "Continues texts for other programs, in the words of OpenAI's API (/v1/models,\n"
        "/v1/completions, /v1/chat/completions), and on a page to type into.",
    .examples =
        "Examples:\n"
        "  pretrain serve ~/.local/state/pretrain --follow\n"
        "  curl http://127.0.0.1:8078/v1/completions -d '{\"prompt\": \"The history of\"}'",
    .positional = "checkpoint"};

OptionTable<ServeRequest> options() {
  using Request = ServeRequest;
  return OptionTable<Request>{
             {{"checkpoint", "checkpoint, a run's state folder, or a model folder", "", KeyKind::kChangeable,
               "the newest checkpoint in the default state folder"},
              path_of<Request>(&Request::checkpoint)},
             {{"threads", "number of threads"}, count_of<Request>(&Request::threads, 1, 1024)},
             {{"follow", "use the newest checkpoint of the state folder for each request"},
              switch_of<Request>(&Request::follow)}} +
         web_options<Request>(&Request::place);
}

/// The page, or the API.
WebReply answer(CompletionService& service, const WebRequest& request) {
  const std::string& path = request.target.path;
  if (path == "/healthz") return web_message(200, "ok");
  if (path == "/") {
    WebAnswer page = web_text(200, std::string(typing_markup()), "text/html; charset=utf-8");
    page.policy = served_page_policy();
    return page;
  }
  if (path == "/page.css") return web_text(200, std::string(page_style()), "text/css; charset=utf-8");
  if (path == "/typing.js")
    return web_text(200, std::string(typing_script()), "text/javascript; charset=utf-8");
  return service.answer(request);
}

}  // namespace

int serve_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  constexpr uint64_t kMostBody = 64 * 1024;
  WebServerOptions web = server_options(request->place);
  web.methods = {"GET", "HEAD", "POST"};
  web.limits.body_bytes = kMostBody;
  const Path model = checkpoint_or_newest(request->checkpoint);
  if (request->follow && list_checkpoints(model).empty()) {
    log_warning(
        "--follow has no effect with {}, which is no state folder of a run; leave it out, or name one",
        model.string());
  }
  CompletionService service({.model = model, .threads = request->threads, .follow = request->follow});
  WebServer server(std::move(web),
                   [&service](const WebRequest& web_request) { return answer(service, web_request); });
  check_openness(server.access());
  service.set_on_text([&server] { server.wake_streams(); });
  stop.end_without_answer();
  report_place("model", server.access());
  ServiceNotifier().ready();
  server.run(stop.token());
  service.set_on_text([] {});
  return 0;
}

}  // namespace pretrain
