// SPDX-License-Identifier: Apache-2.0
#include "libs/world/step_time.h"

#include <algorithm>
#include <cmath>

#include "libs/base/check.h"
#include "libs/world/slot_exchange.h"

namespace pretrain {
namespace {

/// Bytes that the head sends for a token of another machine: input and target.
constexpr double kBytesOfAToken = 8;

/// What a machine sends, and receives, in each half of a bucket's exchange.
double bytes_of(const SharedRun& run, const ElementRange& bucket, int machines) {
  const double share = (machines - 1.0) / machines;
  return share * static_cast<double>(bucket.size()) * static_cast<double>(run.element_bytes);
}

/// All of its messages to the others at once.
double transfer(const NetworkModel& network, double bytes, int machines) {
  return network.latency + (machines - 2) * network.gap + bytes / network.bytes_per_second;
}

/// When each part of the flat array is complete, counted from the start of the layers' backward pass: the head is, the
/// layers follow one after the other, and the embeddings end with the last.
std::vector<double> times_of_parts(const SharedRun& run, double backward) {
  const auto layers = static_cast<double>(run.parts.size()) - 2;
  std::vector<double> times;
  for (size_t i = 0; i < run.parts.size(); ++i)
    times.push_back(layers > 0 ? backward * std::min(1.0, static_cast<double>(i) / layers) : backward);
  return times;
}

double time_of(const SharedRun& run, const std::vector<double>& times, const ElementRange& bucket) {
  for (size_t i = 0; i < run.parts.size(); ++i) {
    if (run.parts[i].first <= bucket.first) return times[i];
  }
  return times.back();
}

/// The thread that exchanges.
class Timeline {
 public:
  explicit Timeline(double computed_at) : computed_at_(computed_at) {}

  double now() const { return now_; }
  void wait_until(double time) { now_ = std::max(now_, time); }
  void work(double seconds) {
    const double hidden = std::clamp(computed_at_ - now_, 0.0, seconds);
    now_ += seconds;
    exchange_ += seconds;
    hidden_ += hidden;
  }
  double exchange() const { return exchange_; }
  double hidden() const { return hidden_; }

 private:
  double computed_at_;
  double now_ = 0, exchange_ = 0, hidden_ = 0;
};

/// As SlotExchange::exchange() does it. `backward`: seconds of the layers' backward pass of the last micro-batch.
Timeline exchange(const SharedRun& run, int machines, double backward) {
  const std::vector<double> times = times_of_parts(run, backward);
  Timeline line(backward);
  std::optional<double> spreading;  // bytes
  const auto move = [&](double bytes) {
    line.work(transfer(run.network, bytes + spreading.value_or(0), machines));
    spreading.reset();
  };
  for (const ElementRange& bucket : buckets_of(run.parts)) {
    const double complete_at = time_of(run, times, bucket);
    if (spreading && line.now() < complete_at) move(0);
    line.wait_until(complete_at);
    const double bytes = bytes_of(run, bucket, machines);
    move(bytes);
    spreading = bytes;
  }
  line.wait_until(backward);
  move(0);
  return line;
}

}  // namespace

NetworkModel ethernet(double bits_per_second) {
  PRETRAIN_CHECK(bits_per_second > 0, "{} bits a second", bits_per_second);
  constexpr double kGoodput = 0.94;  // what headers leave of frames of 1,500 bytes
  // Measured by tests/bench/fabric_bench.cpp on a busy machine without a cable: 160 to 380 us, 7.5 us, 1.3 GB/s. A card and
  // its driver cost processor time as well, so twice the 0.17 ns of the loopback.
  constexpr double kLatency = 3e-4, kGap = 8e-6, kMostBytesPerSecond = 1.3e9, kCpuSecondsPerByte = 0.35e-9;
  return {.bytes_per_second = std::min(kGoodput * bits_per_second / 8, kMostBytesPerSecond),
          .latency = kLatency,
          .gap = kGap,
          .cpu_seconds_per_byte = kCpuSecondsPerByte};
}

PredictedStep predict_step(const SharedRun& run, int machines, double tokens) {
  PRETRAIN_CHECK(machines >= 1 && tokens > 0 && run.parts.size() >= 2, "{} machines, {} tokens", machines,
                 tokens);
  PredictedStep step{.computing = tokens * run.pace.token};
  if (machines > 1) {
    const NetworkModel& network = run.network;
    const double last_tokens = std::min(tokens, static_cast<double>(run.micro_batch_tokens));
    const Timeline line = exchange(run, machines, last_tokens * run.pace.layers_backward);
    step.exchange = line.exchange();
    step.hidden = line.hidden();
    double moved = 0;
    for (const ElementRange& part : run.parts) moved += 4 * bytes_of(run, part, machines);
    // What is exchanged meanwhile takes processor time from the pass.
    const double stolen =
        step.exchange > 0 ? step.hidden / step.exchange * moved * network.cpu_seconds_per_byte : 0;
    step.computing += stolen / run.pace.threads;
    const double hand_out = (machines - 1) * tokens * kBytesOfAToken / network.bytes_per_second;
    // The order, the answers, and the word to update.
    step.all = hand_out + 3 * transfer(network, 0, machines);
  }
  step.all += step.computing + step.exchange - step.hidden + run.pace.update;
  return step;
}

double efficiency(const SharedRun& run, int machines, double tokens) {
  const double alone = predict_step(run, 1, machines * tokens).all;
  return alone / (machines * predict_step(run, machines, tokens).all);
}

std::optional<double> tokens_for_efficiency(const SharedRun& run, int machines, double least) {
  double few = 1, many = 1U << 26;
  if (efficiency(run, machines, many) < least) return std::nullopt;
  while (many - few > 1) {
    const double middle = std::round((few + many) / 2);
    (efficiency(run, machines, middle) >= least ? many : few) = middle;
  }
  return many;
}

}  // namespace pretrain
