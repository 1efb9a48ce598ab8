// SPDX-License-Identifier: Apache-2.0
// Failing workers, a bad corpus or a stop request never make the loader hang.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task.h>
#include <tbb/task_group.h>

#include "pipeline/corpus/scan.h"
#include "tests/pipeline/assembler_testing.h"
#include "tests/pipeline/corpus/corpus_testing.h"
#include "tests/pipeline/loader_testing.h"

namespace pretrain {
namespace {

using namespace test;

class LoaderFault : public testing::Test {
 protected:
  LoaderFault() {
    copy_sample_corpus(folder_, Compression::kNone);
    options_ = small_loader(folder_.path());
    options_.workers = 4;
  }

  const TempFolder folder_;
  LoaderOptions options_;
  const tbb::global_control threads_{tbb::global_control::max_allowed_parallelism, 9};
};

TEST_F(LoaderFault, OfAWorkerComesBehindTheBatchesBeforeIt) {
  const auto clean = hashes_of(Session(options_, 1).take(300));
  std::vector<std::vector<uint64_t>> before;
  for (const int workers : {1, 4, 8}) {
    options_.workers = workers;
    options_.before_encode = [](const Ticket& ticket) {
      if (ticket.number == 5) throw std::runtime_error("worker failed at ticket 5");
    };
    const auto loader = open_loader(options_);
    std::vector<Batch> batches;
    EXPECT_THROW(take_all(*loader, batches), std::runtime_error);
    EXPECT_THROW((void)loader->next({}), std::runtime_error) << "again";
    before.push_back(hashes_of(batches));
  }
  EXPECT_GT(before[0].size(), 50u);
  EXPECT_EQ(before[0],
            std::vector<uint64_t>(clean.begin(), clean.begin() + static_cast<int64_t>(before[0].size())));
  EXPECT_EQ(before[1], before[0]);
  EXPECT_EQ(before[2], before[0]);
}

TEST_F(LoaderFault, OfEveryWorkerIsReportedOnceByTheFirstTicket) {
  options_.before_encode = [](const Ticket& ticket) {
    fail(ErrorKind::kRuntime, "worker failed at ticket {}", ticket.number);
  };
  const auto loader = open_loader(options_);
  std::vector<Batch> batches;
  expect_error(ErrorKind::kRuntime, "ticket 0", [&] { take_all(*loader, batches); });
  EXPECT_TRUE(batches.empty());
}

TEST_F(LoaderFault, LeavesAStateFromWhichTheStreamGoesOn) {
  const auto clean = hashes_of(Session(options_, 1).take(300));
  options_.before_encode = [](const Ticket& ticket) {
    if (ticket.number == 5) throw std::runtime_error("worker failed");
  };
  std::vector<Batch> batches;
  StreamState state;
  {
    const auto loader = open_loader(options_);
    EXPECT_THROW(take_all(*loader, batches), std::runtime_error);
    state = through_text(loader->state(Deadline().token()));
  }
  auto hashes = hashes_of(batches);
  const auto rest = hashes_of(Session(options_, 2, &state).take(300 - hashes.size()));
  hashes.insert(hashes.end(), rest.begin(), rest.end());
  EXPECT_EQ(hashes, clean);
}

void expect_data_error(const Path& corpus, const std::string& words) {
  for (const uint32_t epochs : {0u, 1u}) {
    LoaderOptions options = small_loader(corpus);
    options.assembler.epochs = epochs;
    std::vector<Batch> batches;
    expect_error(ErrorKind::kData, words, [&] { take_all(*open_loader(options), batches); });
    EXPECT_TRUE(batches.empty());
  }
}

TEST_F(LoaderFault, AFolderWithoutAReadableFileIsADataError) {
  const TempFolder empty;
  expect_data_error(empty.path(), "no readable text");
  const TempFolder binary;
  binary.write("image.png", std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16) + std::string(1000, '\0'));
  expect_data_error(binary.path(), "no readable text");
}

TEST_F(LoaderFault, ACorpusWithoutTextIsADataError) {
  const TempFolder folder;
  folder.write(
      "wiki_00",
      "<doc id=\"1\" url=\"\" title=\"\">\n\n</doc>\n<doc id=\"2\" url=\"\" title=\"\">\n\n</doc>\n");
  expect_data_error(folder.path(), "text");
}

TEST_F(LoaderFault, ACorpusSmallerThanOneBatchIsADataError) {
  const TempFolder folder;
  folder.write("wiki_00", random_shard(TextFormat::kDoc, 1, 2, 100));
  expect_data_error(folder.path(), "less than one batch of 16");
}

TEST_F(LoaderFault, ACorpusSmallerThanOneBatchIsOneAfterEachResumeUntilItHasMoreText) {
  const TempFolder folder;
  folder.write("wiki_00", random_shard(TextFormat::kDoc, 1, 2, 100));
  const LoaderOptions options = small_loader(folder.path());
  StreamState state;
  for (int start = 0; start < 3; ++start) {
    Loader loader(options, sample_tokenizer(), start == 0 ? scan_corpus(options.corpus) : Catalog(),
                  start == 0 ? nullptr : &state);
    std::vector<Batch> batches;
    expect_error(ErrorKind::kData, "less than one batch of 16", [&] { take_all(loader, batches); });
    EXPECT_TRUE(batches.empty()) << start;
    state = through_text(loader.state({}));
    EXPECT_EQ(state.scalars["cursor"]["epoch"], 0) << "it read on";
  }
  copy_sample_corpus(folder, Compression::kNone);
  Loader loader(options, sample_tokenizer(), {}, &state);
  EXPECT_TRUE(loader.next(Deadline().token()));
}

TEST_F(LoaderFault, ACorpusWithoutTrainingTextIsADataError) {
  options_.corpus.validation_fraction = 1;
  std::vector<Batch> batches;
  expect_error(ErrorKind::kData, "no text to train on", [&] { take_all(*open_loader(options_), batches); });
}

TEST_F(LoaderFault, AStopWakesWhoWaitsForABatch) {
  std::latch entered(1);
  std::latch released(1);
  std::atomic_flag first;
  options_.before_encode = [&](const Ticket&) {
    if (!first.test_and_set()) entered.count_down();
    released.wait();
  };
  const auto loader = open_loader(options_);
  std::stop_source stop;
  std::jthread stopper([&] {
    entered.wait();
    stop.request_stop();
  });
  EXPECT_THROW((void)loader->next(stop.get_token()), Stopped);
  EXPECT_TRUE(loader->state(stop.get_token()).scalars.at("queued").empty()) << "what there is, at once";
  released.count_down();
  EXPECT_TRUE(loader->next(Deadline().token())) << "a stop of the wait is not the end of the loader";
}

/// Counts the tickets that workers begin, and makes each take a while.
struct SlowWorkers {
  std::atomic<size_t> begun{0};

  void enter() {
    ++begun;
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
  }
};

/// Destroys a loader whose workers are at work; returns how many tickets were started meanwhile.
size_t tickets_begun_while_it_is_destroyed(LoaderOptions options) {
  constexpr size_t kFastTickets = 4;  // enough for a full queue
  SlowWorkers workers;
  options.assembler.buffer.minimum = 1;
  options.assembler.buffer.capacity = 10;
  options.before_encode = [&](const Ticket& ticket) {
    if (ticket.number >= kFastTickets) workers.enter();
  };
  auto loader = open_loader(options);
  loader->state(Deadline().token());
  while (workers.begun == 0) std::this_thread::yield();
  const size_t before = workers.begun;
  loader.reset();
  return workers.begun - before;
}

/// Without a stop the loader would continue until 17 tickets are in flight, each time. On a busy machine some
/// may be started before the stop request, but not always.
TEST_F(LoaderFault, TheDestructorWaitsOnlyForWhatWorkersHaveBegun) {
  constexpr int kAttempts = 20;
  size_t fewest = SIZE_MAX;
  for (int i = 0; i < kAttempts && fewest > 4; ++i)
    fewest = std::min(fewest, tickets_begun_while_it_is_destroyed(options_));
  EXPECT_LE(fewest, 4u);
}

TEST_F(LoaderFault, TheDestructorReturnsAtAnyMoment) {
  for (size_t taken = 0; taken < 40; ++taken) {
    options_.workers = 1 + static_cast<int>(taken % 4);
    const auto loader = open_loader(options_);
    for (size_t i = 0; i < taken % 8; ++i) EXPECT_TRUE(loader->next(Deadline().token()));
  }
}

TEST_F(LoaderFault, OfTheReaderItselfEndsTheStream) {
  options_.before_read = [reads = 0]() mutable {
    if (++reads == 9) throw std::bad_alloc();
  };
  const auto loader = open_loader(options_);
  std::vector<Batch> batches;
  EXPECT_THROW(take_all(*loader, batches), std::bad_alloc);
  EXPECT_NO_THROW(loader->state(Deadline().token())) << "what came before can be saved";
}

TEST_F(LoaderFault, ThatIsNoExceptionOfTheStandardEndsTheStream) {
  options_.before_encode = [](const Ticket& ticket) {
    if (ticket.number == 5) throw 42;
  };
  const auto loader = open_loader(options_);
  std::vector<Batch> batches;
  EXPECT_THROW(take_all(*loader, batches), int);
}

/// What oneTBB throws on its own, for want of memory, only cancels the graph: no node runs any more, and nobody
/// would close the queue.
TEST_F(LoaderFault, OfTheGraphItselfEndsTheStreamAndLeavesAStateFromWhichItGoesOn) {
  const auto clean = hashes_of(Session(options_, 1).take(300));
  options_.before_encode = [](const Ticket& ticket) {
    if (ticket.number == 5) tbb::task::current_context()->cancel_group_execution();
  };
  std::vector<Batch> batches;
  StreamState state;
  {
    const auto loader = open_loader(options_);
    expect_error(ErrorKind::kRuntime, "the loader died", [&] { take_all(*loader, batches); });
    state = through_text(loader->state(Deadline().token()));
  }
  options_.before_encode = {};
  auto hashes = hashes_of(batches);
  const auto rest = hashes_of(Session(options_, 2, &state).take(300 - hashes.size()));
  hashes.insert(hashes.end(), rest.begin(), rest.end());
  EXPECT_EQ(hashes, clean);
}

TEST_F(LoaderFault, OfTheGraphItselfIsToldToWhoSaves) {
  options_.before_encode = [](const Ticket& ticket) {
    if (ticket.number == 0) tbb::task::current_context()->cancel_group_execution();
  };
  const auto loader = open_loader(options_);
  EXPECT_NO_THROW(loader->state(Deadline().token())) << "it waits for a full queue no longer";
}

TEST_F(LoaderFault, BatchesThatWereGivenBackComeAgainAndBelongToTheState) {
  const auto clean = hashes_of(Session(options_, 2).take(60));
  const auto loader = open_loader(options_);
  std::vector<Batch> taken;
  while (taken.size() < 7) taken.push_back(next_of(*loader));
  loader->state(Deadline().token());  // the queue is full
  loader->give_back({taken.begin() + 3, taken.end()});
  const StreamState state = loader->state(Deadline().token());
  const std::vector<uint64_t> expected(clean.begin() + 3, clean.begin() + 53);
  EXPECT_EQ(hashes_of(Session(options_, 2, &state).take(50)), expected);
  std::vector<uint64_t> again;
  for (size_t i = 0; i < 50; ++i) {
    again.push_back(next_of(*loader).hash);
  }
  EXPECT_EQ(again, expected);
}

/// A watchdog would take the silence of a long one for a loader that hangs.
TEST_F(LoaderFault, TheLookAtTheCorpusBeforeAnotherEpochIsToldOf) {
  std::atomic<size_t> looks{0};
  options_.on_scan = [&] { ++looks; };
  const auto loader = open_loader(options_);
  while (next_of(*loader).epoch == 0) {
  }
  EXPECT_GE(looks, 4u) << "once for each file at least";
}

TEST_F(LoaderFault, OneWorkerIsEnough) {
  options_.workers = 1;
  const tbb::global_control two{tbb::global_control::max_allowed_parallelism, 2};
  const auto loader = open_loader(options_);
  for (uint64_t i = 0; i < 200; ++i) ASSERT_EQ(next_of(*loader).number, i);
}

}  // namespace
}  // namespace pretrain
