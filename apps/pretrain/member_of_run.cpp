// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/member_of_run.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <tbb/global_control.h>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/version.h"
#include "libs/base/error.h"
#include "libs/base/host.h"
#include "libs/base/json.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"
#include "libs/model/memory_plan.h"
#include "libs/model/transformer.h"
#include "libs/optim/optimizer_set.h"
#include "libs/train/fingerprint.h"
#include "libs/train/slot_plan.h"
#include "libs/world/slot_exchange.h"

namespace pretrain {
namespace {

/// The configuration of the run, for this machine. `description` is the head's.
RunConfiguration configuration_of(const nlohmann::json& description, int threads) {
  const JsonField run(description, "the head's description of the run",
                      "run the same program on all machines");
  KeyValues values = from_json(run.at("configuration").object());
  values["state"] = std::string("/nonexistent");  // nothing is written
  values["workers"] = std::to_string(1);
  if (threads > 0) values["threads"] = std::to_string(threads);
  RunConfiguration c = to_configuration(values);
  c.model.vocabulary = run.at("vocabulary").integer(1, INT32_MAX);
  return c;
}

void check_memory(const RunConfiguration& c, const ParameterLayout& layout, uint64_t optimizer_bytes) {
  const MemoryPlan plan =
      plan_memory({c.model, c.trainer.micro_rows, true, c.trainer.recompute, c.trainer.precision}, c.threads,
                  optimizer_bytes, sums_at_once(c.trainer.slots));
  const uint64_t needed = plan.total() + exchange_bytes(layout.flat_size());
  const Machine& machine = inspect_machine();
  log_info("memory: {}; {} of {} available", format_bytes(needed), format_bytes(machine.available_bytes),
           format_bytes(machine.memory_bytes));
  if (needed <= machine.available_bytes) return;
  fail(
      ErrorKind::kUsage,
      "the run of the head needs {} of memory here, but {} are available; free some, or leave this machine out",
      format_bytes(needed), format_bytes(machine.available_bytes));
}

/// Of the head's description, what decides how this machine computes. A head that comes back may have other limits.
nlohmann::json computation_in(nlohmann::json description) {
  const auto configuration = description.find("configuration");
  if (configuration == description.end() || !configuration->is_object()) return description;
  for (const char* key :
       {"steps", "tokens", "epochs", "time", "budget", "epoch-tokens", "checkpoint-interval",
        "checkpoint-every", "keep", "keep-every", "evaluate-every", "sample-every", "sample-tokens",
        "sample-prompt", "log-every", "peer-timeout", "queue", "continue", "on-changed"})
    configuration->erase(key);
  return description;
}

}  // namespace

/// What a member needs to compute, and the state of the run. Kept while the head is away.
class TrainingMachine {
 public:
  TrainingMachine(const nlohmann::json& description, int threads)
      : computation_(computation_in(description)),
        config_(configuration_of(description, threads)),
        layout_(config_.model),
        limit_(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(config_.threads) + 1),
        compute_(config_.threads) {
    Optimizers optimizers = make_optimizers(layout_, config_.trainer.optimizer);
    check_memory(config_, layout_, optimizer_memory_bytes(optimizers, config_.threads));
    model_.emplace(compute_, PassShape{config_.model, config_.trainer.micro_rows, true,
                                       config_.trainer.recompute, config_.trainer.precision});
    parameters_ = Buffer<float>(layout_.flat_size());
    std::ranges::fill(parameters_.span(), 0.0F);
    optimizer_.emplace(compute_, layout_, std::move(optimizers));
    pass_.emplace(compute_, *model_, config_.trainer.slots, config_.trainer.exchange);
  }

  bool computes(const nlohmann::json& description) const {
    return computation_ == computation_in(description);
  }
  const RunConfiguration& config() const { return config_; }
  uint64_t parameter_count() const { return layout_.parameter_count(); }
  MemberMemory& memory() { return memory_; }
  Replica replica() {
    return {.compute = compute_,
            .model = *model_,
            .parameters = parameters_.span(),
            .optimizer = *optimizer_,
            .pass = *pass_,
            .gradient_clip = config_.trainer.optimizer.gradient_clip};
  }

 private:
  nlohmann::json computation_;
  RunConfiguration config_;
  ParameterLayout layout_;
  tbb::global_control limit_;
  Compute compute_;
  std::optional<Transformer> model_;
  Buffer<float> parameters_;
  std::optional<OptimizerSet> optimizer_;
  std::optional<GradientPass> pass_;
  MemberMemory memory_;
};

MemberOfRun::MemberOfRun(int threads) : threads_(threads > 0 ? threads : inspect_machine().cores) {}

MemberOfRun::~MemberOfRun() = default;

Introduction MemberOfRun::introduction(bool keeps_copies) const {
  return {.name = machine_name(),
          .version = std::string(program_version()),
          .fingerprint = machine_fingerprint(),
          .more = {{"threads", threads_}, {"keeps_copies", keeps_copies}}};
}

Member::Outcome MemberOfRun::take_part(Channel& channel, const Place& place) {
  const nlohmann::json& description = channel.peer().more;
  if (!machine_ || !machine_->computes(description)) {
    machine_.reset();  // before the next one takes memory
    machine_ = std::make_unique<TrainingMachine>(description, threads_);
  }
  const RunConfiguration& c = machine_->config();
  log_info("joined the run of {} ({}): {} parameters, {}, {}", channel.peer().name, channel.peer_host(),
           format_count(machine_->parameter_count()), format_counted(uint64_t{c.trainer.slots}, "slot"),
           format_counted(static_cast<uint64_t>(c.threads), "thread"));
  Member member({.replica = machine_->replica(),
                 .memory = machine_->memory(),
                 .channel = channel,
                 .open_meeting = place.open_meeting,
                 .vocabulary = c.model.vocabulary,
                 .positions = c.batch * c.trainer.accumulate * c.model.context,
                 .stop = place.stop,
                 .on_progress = place.on_progress,
                 .on_step = place.on_step,
                 .copies = place.copies});
  return member.serve();
}

}  // namespace pretrain
