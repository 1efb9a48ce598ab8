// SPDX-License-Identifier: Apache-2.0
#include "libs/world/copy_fetch.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/units.h"
#include "libs/world/checkpoint_copy.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Members try to reach the head every second, so that others come soon after the first.
constexpr milliseconds kForOthers(3000);

struct Offer {
  std::unique_ptr<Channel> channel;
  std::optional<CopyOffer> copy = {};  // nothing: it has not said yet
};

void pause(const std::stop_token& stop) {
  constexpr milliseconds kLook(50);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, kLook, [] { return false; });
  if (stop.stop_requested()) throw Stopped();
}

/// False when the machine is gone.
bool listen_to(Offer& offer) {
  try {
    const auto frame = offer.channel->try_receive();
    if (frame && frame->kind == kOfferCopy) offer.copy = CopyOffer::unpack(frame->payload);
    return true;
  } catch (const Error&) {  // lost, or damaged
    return false;
  }
}

bool has_copy(const Offer& offer) {
  return offer.copy && offer.copy->has;
}

/// The offers of all machines that come in time, the newest first.
std::vector<Offer> gather_offers(const CopyFetch& fetch, const std::stop_token& stop) {
  std::vector<Offer> offers;
  auto until = Clock::now() + fetch.wait;
  bool any = false;
  while (Clock::now() < until) {
    while (auto channel = fetch.listener.take()) offers.push_back({.channel = std::move(channel)});
    std::erase_if(offers, [](Offer& offer) { return !listen_to(offer); });
    if (!any && std::ranges::any_of(offers, has_copy)) {
      any = true;
      until = std::min(until, Clock::now() + kForOthers);
    }
    if (fetch.on_progress) fetch.on_progress();
    pause(stop);
  }
  std::erase_if(offers, [](const Offer& offer) { return !has_copy(offer); });
  std::ranges::stable_sort(offers, std::ranges::greater(),
                           [](const Offer& offer) { return offer.copy->step; });
  return offers;
}

/// Empty when the copy is complete, else why not.
std::string take_copy(const CopyFetch& fetch, Channel& channel, uint64_t step, const std::stop_token& stop) {
  constexpr milliseconds kLook(1000);
  CopyTarget target(fetch.files, fetch.state_folder, CopyTarget::Keeps::kAll);
  channel.send(kSendCopy, CopyOffer{.has = true, .step = step}.pack());
  try {
    while (true) {
      const auto frame = channel.receive(kLook, stop);
      if (fetch.on_progress) fetch.on_progress();
      if (!frame) continue;
      if (frame->kind == kCopied) return CopyAnswer::unpack(frame->payload).problem;
      if (frame->kind != kCopyPart) continue;
      const CopyAnswer answer = target.take(CopyPart::unpack(frame->payload));
      channel.send(kCopied, answer.pack());
      if (!answer.problem.empty() || answer.is_complete) return answer.problem;
    }
  } catch (const Error& error) {  // lost, or damaged
    return error.what();
  }
}

}  // namespace

std::optional<uint64_t> fetch_copy(const CopyFetch& fetch, const std::stop_token& stop) {
  for (const Offer& offer : gather_offers(fetch, stop)) {
    const std::string& name = offer.channel->peer().name;
    log_info("taking the checkpoint of step {} from {} ({})", format_count(offer.copy->step), name,
             offer.channel->peer_host());
    const std::string problem = take_copy(fetch, *offer.channel, offer.copy->step, stop);
    if (problem.empty()) return offer.copy->step;
    log_warning("the copy of {} can't be used: {}", name, problem);
  }
  return std::nullopt;
}

void offer_copy(Channel& channel, const Path& state_folder, const std::stop_token& stop) {
  const CopyTarget copies(real_file_system(), state_folder, CopyTarget::Keeps::kAll);
  const std::optional<CheckpointEntry> newest = copies.newest();
  channel.send(kOfferCopy, CopyOffer{.has = newest.has_value(), .step = newest ? newest->step : 0}.pack());
  std::optional<CopySource> source;
  while (true) {
    const Frame frame = channel.receive(stop);
    if (frame.kind == kSendCopy && newest) {
      log_info("the head has lost its checkpoints; sending it the copy of step {}",
               format_count(newest->step));
      source.emplace(newest->folder, newest->step);
    }
    if (frame.kind == kCopied && source) source->note_answer();
    if (!source) continue;
    try {
      while (const auto part = source->next()) channel.send(kCopyPart, part->pack());
    } catch (const Error& error) {
      log_warning("can't read the copy of step {}: {}", format_count(newest->step), error.what());
      channel.send(kCopied, CopyAnswer{.step = newest->step, .problem = error.what()}.pack());
      source.reset();
    }
  }
}

}  // namespace pretrain
