// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_memory.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "libs/base/units.h"
#include "libs/optim/optimizer_set.h"
#include "libs/train/slot_plan.h"
#include "libs/world/slot_exchange.h"

namespace pretrain {
namespace {

/// The values that the loader's memory depends on.
LoaderOptions loader_sizes(const RunConfiguration& c) {
  LoaderOptions options{.workers = c.workers, .queue_batches = c.queue};
  options.assembler.rows = c.batch;
  options.assembler.buffer.capacity = c.shuffle_buffer;
  options.assembler.buffer.context = static_cast<uint32_t>(c.model.context);
  options.assembler.buffer.vocabulary = static_cast<uint32_t>(c.model.vocabulary);
  options.assembler.deduplication = c.deduplication;
  return options;
}

struct Remedy {
  std::string_view option;
  bool at_any_time;  ///< a run that has begun may change it
  void (*apply)(RunConfiguration&);
};

void work_in_small_parts(RunConfiguration& c) {
  constexpr int64_t kTokens = 1024;
  c.trainer.micro_rows =
      std::min(c.trainer.micro_rows,
               micro_batch_rows(most_rows_at_once(c.batch, c.trainer.accumulate, c.trainer.slots),
                                c.model.context, kTokens));
}

/// Those that change no result first, then those that cost time or mix the text less; another optimizer is last.
constexpr std::array kRemedies{
    Remedy{"--queue 2", true, [](RunConfiguration& c) { c.queue = std::min(c.queue, decltype(c.queue){2}); }},
    Remedy{"--micro-batch-tokens 1024", false, work_in_small_parts},
    Remedy{"--recompute layers", true, [](RunConfiguration& c) { c.trainer.recompute = Recompute::kLayers; }},
    Remedy{"--shuffle-buffer 1000", false,
           [](RunConfiguration& c) {
             c.shuffle_buffer = std::min(c.shuffle_buffer, decltype(c.shuffle_buffer){1000});
           }},
    Remedy{"--optimizer muon", false,
           [](RunConfiguration& c) { c.trainer.optimizer.kind = OptimizerKind::kMuon; }},
};

}  // namespace

RunMemory plan_run_memory(const RunConfiguration& c, const ParameterLayout& layout) {
  const Optimizers optimizers = make_optimizers(layout, c.trainer.optimizer);
  return {.pass = plan_memory({c.model, c.trainer.micro_rows, true, c.trainer.recompute, c.trainer.precision},
                              c.threads, optimizer_memory_bytes(optimizers, c.threads),
                              sums_at_once(c.trainer.slots)),
          .loading = plan_loader_memory(loader_sizes(c)),
          .exchange = c.machines.shared() ? exchange_bytes(layout.flat_size()) : 0,
          .program = 80'000'000,
          .optimizer_file = optimizer_state_bytes(optimizers)};
}

std::string memory_remedy(const RunConfiguration& config, uint64_t available, bool begun) {
  const ParameterLayout layout(config.model);
  RunConfiguration changed = config;
  uint64_t needed = plan_run_memory(config, layout).total();
  std::string options;
  for (const Remedy& remedy : kRemedies) {
    if (needed <= available) break;
    if (begun && !remedy.at_any_time) continue;
    RunConfiguration next = changed;
    remedy.apply(next);
    const uint64_t then = plan_run_memory(next, layout).total();
    if (then >= needed - needed / 100) continue;
    options += fmt::format("{}{}", options.empty() ? "" : " ", remedy.option);
    changed = std::move(next);
    needed = then;
  }
  if (needed <= available) return fmt::format("use {}, which needs {}", options, format_bytes(needed));
  const char* smaller = begun ? "end other programs, or use a machine with more memory"
                        : config.initial_model.empty() ? "use a smaller --model or --context"
                                                       : "use a smaller --context";
  return options.empty() ? smaller
                         : fmt::format("with {} it needs {}; {}", options, format_bytes(needed), smaller);
}

}  // namespace pretrain
