// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the dashboard answers: the page, the runs as JSON below /api/v1, their metrics, and whether they train.
//
//   Dashboard dashboard(watcher);
//   WebServer server(options, [&](const WebRequest& request) { return dashboard.answer(request); });

#include "apps/pretrain/run_watcher.h"
#include "libs/web/server.h"

namespace pretrain {

/// Single-owner; a view of the watcher.
class Dashboard {
 public:
  explicit Dashboard(const RunWatcher& runs) : runs_(runs) {}

  /// 404 for an unknown path or run.
  /// Errors: kUsage for a parameter that is not allowed.
  WebReply answer(const WebRequest& request) const;

 private:
  WebReply answer_about_run(const WebTarget& target) const;
  WebAnswer metrics() const;
  WebAnswer readiness(const WebTarget& target) const;

  const RunWatcher& runs_;
};

}  // namespace pretrain
