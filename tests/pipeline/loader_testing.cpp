// SPDX-License-Identifier: Apache-2.0
#include "tests/pipeline/loader_testing.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <gmock/gmock.h>

#include "libs/base/rng.h"
#include "pipeline/corpus/scan.h"
#include "tests/pipeline/corpus/corpus_testing.h"
#include "tokenizer/vocabulary.h"

namespace pretrain::test {
namespace {

Path sample_shards() {
  return source_folder() / "deploy" / "sample-corpus" / "shards";
}

}  // namespace

const Tokenizer& sample_tokenizer() {
  static const Tokenizer tokenizer = [] {
    std::vector<std::string> documents;
    for (const FolderEntry& entry : list_folder(sample_shards())) {
      documents.push_back(read_file(sample_shards() / entry.name));
    }
    return Tokenizer::from_serialized(
        train_vocabulary(documents, {.type = TokenizerType::kChar, .pieces = 400}, {}, {}));
  }();
  return tokenizer;
}

void copy_sample_corpus(const TempFolder& folder, Compression compression) {
  for (const FolderEntry& entry : list_folder(sample_shards())) {
    const std::string name = entry.name + (compression == Compression::kGzip ? ".gz" : "");
    folder.write(name, compress(read_file(sample_shards() / entry.name), compression));
  }
}

LoaderOptions small_loader(const Path& corpus, Packing packing) {
  LoaderOptions options{.corpus = options_for(corpus)};
  options.assembler = {
      .rows = 16,
      .packing = packing,
      .end_of_text = sample_tokenizer().end_of_text(),
      .buffer = {.capacity = 400,
                 .minimum = 40,
                 .context = 64,
                 .vocabulary = sample_tokenizer().vocabulary_size(),
                 .seed = 11},
  };
  options.queue_batches = 6;
  return options;
}

std::string name_of(const testing::TestParamInfo<StreamCase>& info) {
  return std::string(row_of(kPackings, info.param.packing).name) + "_" +
         std::string(compression_name(info.param.compression));
}

Deadline::Deadline() {
  timer_ = std::jthread([this](const std::stop_token& cancelled) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any wake;
    wake.wait_for(lock, cancelled, kLongestWait, [] { return false; });
    if (!cancelled.stop_requested()) expired_.request_stop();
  });
}

Crew::Crew(int workers, uint64_t seed)
    : workers_(static_cast<size_t>(workers)),
      seed_(seed),
      limit_(tbb::global_control::max_allowed_parallelism, workers_ + 1),
      patience_ends_(std::chrono::steady_clock::now() + kLongestWait) {}

void Crew::enter(const Ticket& ticket) {
  meet();
  const uint64_t random = split_mix64(seed_ ^ ticket.number);
  const uint64_t microseconds = random % 16 == 0 ? 3000 : random % 500;
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  leave();
}

void Crew::meet() {
  std::unique_lock lock(mutex_);
  inside_.insert(std::this_thread::get_id());
  most_ = std::max(most_, inside_.size());
  arrived_.notify_all();
  arrived_.wait_until(lock, patience_ends_, [this] { return most_ >= workers_ || dismissed_; });
}

void Crew::leave() {
  const std::lock_guard lock(mutex_);
  inside_.erase(std::this_thread::get_id());
}

void Crew::dismiss() {
  const std::lock_guard lock(mutex_);
  dismissed_ = true;
  arrived_.notify_all();
}

size_t Crew::most_at_once() const {
  const std::lock_guard lock(mutex_);
  return most_;
}

Session::Session(LoaderOptions options, int workers, const StreamState* state)
    : crew_(workers, static_cast<uint64_t>(workers)) {
  options.workers = workers;
  options.before_encode = [this](const Ticket& ticket) { crew_.enter(ticket); };
  Catalog catalog = state == nullptr ? scan_corpus(options.corpus) : Catalog();
  loader_ = std::make_unique<Loader>(std::move(options), sample_tokenizer(), std::move(catalog), state);
}

std::vector<Batch> Session::take(size_t count) {
  const Deadline deadline;
  std::vector<Batch> batches;
  while (batches.size() < count) {
    std::optional<Batch> batch = loader_->next(deadline.token());
    if (!batch) break;
    batches.push_back(*std::move(batch));
  }
  return batches;
}

StreamState Session::state() {
  const Deadline deadline;
  return loader_->state(deadline.token());
}

std::unique_ptr<Loader> open_loader(const LoaderOptions& options) {
  return std::make_unique<Loader>(options, sample_tokenizer(), scan_corpus(options.corpus));
}

Batch next_of(Loader& loader, const std::stop_token& stop) {
  std::optional<Batch> batch = loader.next(stop);
  if (!batch) fail(ErrorKind::kRuntime, "the stream of the test is over");
  return *std::move(batch);
}

void take_all(Loader& loader, std::vector<Batch>& batches) {
  const Deadline deadline;
  while (auto batch = loader.next(deadline.token())) batches.push_back(*std::move(batch));
}

void expect_error(ErrorKind kind, const std::string& words, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_THAT(error.what(), testing::HasSubstr(words));
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("\n")));
  }
}

}  // namespace pretrain::test
