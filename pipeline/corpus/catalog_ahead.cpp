// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/catalog_ahead.h"

#include <chrono>
#include <exception>
#include <utility>

#include "pipeline/corpus/scan.h"

namespace pretrain {

CatalogAhead::CatalogAhead(CorpusOptions options, Catalog known)
    : options_(std::move(options)),
      known_(std::move(known)),
      thread_([this](const std::stop_token& stop) { look(stop); }) {}

CatalogAhead::~CatalogAhead() = default;

/// An error here is not reported: the scan at the end of the epoch meets it again, if it still exists then.
void CatalogAhead::look(const std::stop_token& stop) {
  try {
    found_ = scan_corpus(options_, &known_, {.stop = stop, .on_file = [this] { ++files_; }});
  } catch (const std::exception&) {  // see take()
  }
  done_ = true;
}

/// Polls every 20 ms instead of joining, so that a stop is quick and progress is reported.
std::optional<Catalog> CatalogAhead::take(const std::stop_token& stop,
                                          const std::function<void()>& on_progress) {
  constexpr std::chrono::milliseconds kLookEvery{20};
  uint64_t told = 0;
  while (!done_) {
    if (stop.stop_requested()) throw Stopped();
    const uint64_t files = files_;
    if (std::exchange(told, files) != files && on_progress) on_progress();
    std::this_thread::sleep_for(kLookEvery);
  }
  thread_.join();
  return std::move(found_);
}

}  // namespace pretrain
