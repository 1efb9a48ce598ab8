// SPDX-License-Identifier: Apache-2.0
#pragma once
// Loaders for tests: with as many threads at work as claimed, whatever the machine, seeded delays, and a
// deadline instead of a hang. Single-owner unless said otherwise.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include "libs/base/error.h"
#include "pipeline/loader.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {

/// A character model of the sample corpus, trained at the first call.
/// Requires: no other thread at work then.
const Tokenizer& sample_tokenizer();

/// Puts the shards of the sample corpus into `folder`, compressed each for itself.
void copy_sample_corpus(const TempFolder& folder, Compression compression);

/// Batches of 16 x 64 from all text below `corpus`: about 180 batches an epoch of the sample corpus.
LoaderOptions small_loader(const Path& corpus, Packing packing = Packing::kConcat);

/// What the tests of the stream go through.
struct StreamCase {
  Packing packing = Packing::kConcat;
  Compression compression = Compression::kNone;
};
constexpr StreamCase kStreamCases[] = {{Packing::kConcat, Compression::kNone},
                                       {Packing::kChunk, Compression::kNone},
                                       {Packing::kConcat, Compression::kGzip},
                                       {Packing::kChunk, Compression::kGzip}};
std::string name_of(const testing::TestParamInfo<StreamCase>& info);

/// No verdict: however busy the machine is, what does not hang is done by then.
constexpr std::chrono::minutes kLongestWait{5};

/// A token that asks for a stop after that time, so that what hangs fails.
class Deadline {
 public:
  Deadline();
  std::stop_token token() const { return expired_.get_token(); }

 private:
  std::stop_source expired_;
  std::jthread timer_;
};

/// The workers of one loader. Raises TBB's limit to them, delays each ticket by a seeded time, and holds the
/// first ones until all workers are there at once: a fast machine would else do with fewer.
class Crew {
 public:
  Crew(int workers, uint64_t seed);

  /// For LoaderOptions::before_encode. Thread-safe.
  void enter(const Ticket& ticket);
  /// Releases all threads and blocks none from now on. Thread-safe.
  void dismiss();
  /// Most threads that were ever inside enter() together. Thread-safe.
  size_t most_at_once() const;

 private:
  void meet();
  void leave();

  const size_t workers_;
  const uint64_t seed_;
  const tbb::global_control limit_;
  const std::chrono::steady_clock::time_point patience_ends_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable arrived_;
  std::set<std::thread::id> inside_;
  size_t most_ = 0;
  bool dismissed_ = false;
};

/// A loader with its crew. One at a time.
class Session {
 public:
  /// A new stream, or one that continues from `state`.
  Session(LoaderOptions options, int workers, const StreamState* state = nullptr);
  ~Session() { crew_.dismiss(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Further batches, fewer only at the end of the stream.
  /// Errors: as Loader; Stopped after kLongestWait.
  std::vector<Batch> take(size_t count);
  StreamState state();
  Loader& loader() { return *loader_; }
  /// For streams with fewer tickets than workers.
  void dismiss_crew() { crew_.dismiss(); }
  size_t most_at_once() const { return crew_.most_at_once(); }

 private:
  Crew crew_;
  std::unique_ptr<Loader> loader_;
};

/// Makes a loader for a fresh stream, scanning the corpus.
std::unique_ptr<Loader> open_loader(const LoaderOptions& options);

/// The next batch of a stream that has one; fails the test otherwise.
Batch next_of(Loader& loader, const std::stop_token& stop = Deadline().token());
/// Appends to `batches` until the end of the stream or an error, which it passes on. Stopped after
/// kLongestWait.
void take_all(Loader& loader, std::vector<Batch>& batches);

/// Expects a pretrain::Error of this kind with these words in it.
void expect_error(ErrorKind kind, const std::string& words, const std::function<void()>& action);

}  // namespace pretrain::test
