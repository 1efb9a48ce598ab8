// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_metrics.h"

#include <string_view>

#include <nlohmann/json.hpp>

#include "apps/pretrain/event_words.h"
#include "apps/pretrain/run_json.h"
#include "apps/pretrain/version.h"
#include "libs/metrics/record.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;

/// A number of the summary (run_json.h) as a metric.
struct SummaryMetric {
  const char* key;
  MetricFamily family;
};

constexpr SummaryMetric kSummaryMetrics[] = {
    {"step", {"pretrain_steps_total", MetricType::kCounter, "Steps of the run; falls when a run goes back."}},
    {"tokens", {"pretrain_tokens_total", MetricType::kCounter, "Tokens trained in the run."}},
    {"epoch", {"pretrain_epochs_total", MetricType::kCounter, "Epochs of the corpus that are complete."}},
    {"bad_steps",
     {"pretrain_bad_steps_total", MetricType::kCounter, "Steps that were not finite and changed nothing."}},
    {"loss", {"pretrain_train_loss_nats", MetricType::kGauge, "Loss per token, mean of the newest steps."}},
    {"validation_loss",
     {"pretrain_validation_loss_nats", MetricType::kGauge, "Loss per token of the newest evaluation."}},
    {"best_validation_loss",
     {"pretrain_best_validation_loss_nats", MetricType::kGauge, "Lowest loss per token of an evaluation."}},
    {"bits_per_byte",
     {"pretrain_validation_bits_per_byte", MetricType::kGauge, "Bits per byte of the newest evaluation."}},
    {"learning_rate", {"pretrain_learning_rate", MetricType::kGauge, "Learning rate of the newest steps."}},
    {"grad_norm",
     {"pretrain_gradient_norm", MetricType::kGauge,
      "Norm of the gradient before clipping, mean of the newest steps."}},
    {"tokens_per_second",
     {"pretrain_tokens_per_second", MetricType::kGauge, "Tokens per second of the newest steps."}},
    {"utilization",
     {"pretrain_flops_utilization_ratio", MetricType::kGauge,
      "Operations per second divided by the measured peak."}},
    {"data_wait_share",
     {"pretrain_data_wait_ratio", MetricType::kGauge, "Share of the newest steps that waited for text."}},
    {"sequence_buffer",
     {"pretrain_sequence_buffer_sequences", MetricType::kGauge, "Sequences in the shuffle buffer."}},
    {"batch_queue",
     {"pretrain_batch_queue_batches", MetricType::kGauge,
      "Batches that are ready; 0: training waits for text."}},
    {"resident_bytes", {"pretrain_resident_memory_bytes", MetricType::kGauge, "Memory of the trainer."}},
    {"watts",
     {"pretrain_processor_power_watts", MetricType::kGauge,
      "Of the processor's packages, whatever runs on them; absent where only root may read it."}},
    {"trained_seconds", {"pretrain_trained_seconds_total", MetricType::kCounter, "Time spent in steps."}},
    {"checkpoint_step",
     {"pretrain_checkpoint_last_success_step", MetricType::kGauge, "Step of the newest checkpoint."}},
    {"checkpoint_time",
     {"pretrain_checkpoint_last_success_timestamp_seconds", MetricType::kGauge,
      "When the newest checkpoint was written."}},
    {"skipped_documents",
     {"pretrain_skipped_places_total", MetricType::kCounter, "Places of the corpus that were skipped."}},
    {"seconds_left",
     {"pretrain_time_remaining_seconds", MetricType::kGauge,
      "Estimate until the limit; absent without one."}},
    {"ends_at",
     {"pretrain_end_timestamp_seconds", MetricType::kGauge, "Estimated end; absent without a limit."}},
    {"machines", {"pretrain_machines", MetricType::kGauge, "Machines that make the steps together."}},
    {"exchange_seconds",
     {"pretrain_exchange_seconds", MetricType::kGauge,
      "Of the newest step: exchange of gradients between machines."}},
    {"joined_machines",
     {"pretrain_machines_joined_total", MetricType::kCounter, "Times that a machine has joined."}},
    {"lost_machines",
     {"pretrain_machines_lost_total", MetricType::kCounter, "Machines that were lost or dismissed."}},
    {"threads", {"pretrain_threads", MetricType::kGauge, "Threads that train."}},
    {"updated",
     {"pretrain_last_record_timestamp_seconds", MetricType::kGauge, "When the run recorded something last."}},
};

double throttles_of(const RunView& run) {
  double times = 0;
  for (const RecordedEvent& event : run.record().events)
    if (event.kind == "throttled") times += number_of(event_json(event), "times").value_or(0);
  return times;
}

}  // namespace

void add_build_metrics(Exposition& exposition) {
  exposition.add({"pretrain_build_info", MetricType::kGauge, "1, with the version as a label."},
                 {{"version", std::string(program_version())}}, 1);
}

void add_run_metrics(Exposition& exposition, const RunView& run) {
  const MetricLabels label{{"run", run.id()}};
  const Json json = run_details(run);
  exposition.add({"pretrain_up", MetricType::kGauge, "1 while the trainer runs."}, label,
                 lives(run.phase()) ? 1 : 0);
  for (const ShownPhase phase : kShownPhases) {
    exposition.add({"pretrain_state", MetricType::kGauge, "1 for the state that the run is in."},
                   {{"run", run.id()}, {"state", std::string(phase_name(phase))}},
                   phase == run.phase() ? 1 : 0);
  }
  for (const SummaryMetric& metric : kSummaryMetrics) {
    const Json& value = json[metric.key];
    if (value.is_number()) exposition.add(metric.family, label, value.get<double>());
  }
  for (const auto& [name, seconds] : json["split"].items()) {
    exposition.add({"pretrain_activity_seconds_total", MetricType::kCounter,
                    "Time by activity; loss is a part of forward and backward."},
                   {{"run", run.id()}, {"activity", name}}, seconds.get<double>());
  }
  for (const Json& share : json["machine_shares"]) {
    if (!share["slots"].is_number()) continue;
    exposition.add(
        {"pretrain_machine_slots", MetricType::kGauge, "Slots of each step that the machine computes."},
        {{"run", run.id()}, {"machine", share["machine"].get<std::string>()}}, share["slots"].get<double>());
  }
  for (const auto& [reason, count] : run.skips()) {
    exposition.add({"pretrain_skipped_places_by_reason_total", MetricType::kCounter, "The same by reason."},
                   {{"run", run.id()}, {"reason", reason}}, static_cast<double>(count));
  }
  if (const double times = throttles_of(run); times > 0) {
    exposition.add({"pretrain_processor_throttle_events_total", MetricType::kCounter,
                    "Times that the processor slowed down because of heat."},
                   label, times);
  }
  if (!run.checkpoints().empty()) {
    exposition.add({"pretrain_checkpoint_size_bytes", MetricType::kGauge, "Size of the newest checkpoint."},
                   label, static_cast<double>(run.checkpoints().front().size_bytes));
  }
}

}  // namespace pretrain
