// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/event_hook.h"

#include <cmath>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "libs/base/file.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;

RunSnapshot with_best(uint64_t step, uint64_t since) {
  RunSnapshot run;
  run.best = BestEvaluation{.step = step, .loss = 3, .since = since};
  return run;
}

TEST(EventHook, RunsTheCommandAtEachKindOfEvent) {
  const TempFolder folder;
  const std::string out = (folder / "events").string();
  {
    EventHook hook(fmt::format("echo \"$PRETRAIN_EVENT $PRETRAIN_STEP\" >> {}", out), folder.path());
    hook.on_evaluation({.step = 0}, with_best(0, 0));  // the first is no news
    hook.on_evaluation({.step = 5}, with_best(5, 0));
    hook.on_evaluation({.step = 6}, with_best(5, 1));
    hook.on_saved({.step = 6, .ok = true});
    hook.on_saved({.step = 7, .ok = false, .error = "full"});
    for (const uint64_t step : {8U, 9U}) hook.on_step({.step = step, .applied = false}, {});
    hook.on_step({.step = 10, .applied = true}, {});
    hook.on_paused(11, PauseReason::kBattery, {});
    hook.note("ended", 12, "limit reached");
  }
  EXPECT_EQ(read_file(out), "new_best 5\nsave_failed 7\nskipped_steps 8\npaused 11\nended 12\n");
}

TEST(EventHook, PassesStateAndMessage) {
  const TempFolder folder;
  const std::string out = (folder / "out").string();
  {
    EventHook hook(fmt::format("echo \"$PRETRAIN_STATE|$PRETRAIN_MESSAGE\" > {}", out), "/a/run");
    hook.note("failed", 3, "no; rm -rf \"$HOME\"");
  }
  EXPECT_EQ(read_file(out), "/a/run|no; rm -rf \"$HOME\"\n");
}

TEST(EventHook, LeavesOutWhatComesTooOftenAndNeverWaits) {
  const TempFolder folder;
  const std::string out = (folder / "out").string(), gate = (folder / "gate").string();
  EventHook hook(fmt::format("while ! test -e {}; do sleep 0.05; done; echo x >> {}", gate, out),
                 folder.path());
  for (uint64_t i = 0; i < 1000; ++i) hook.note("paused", i, "");  // returns although the first one hangs
  folder.write("gate", "");
}

TEST(EventHook, WithoutACommandDoesNothing) {
  EventHook hook("", "/nowhere");
  hook.note("failed", 1, "x");
}

}  // namespace
}  // namespace pretrain
