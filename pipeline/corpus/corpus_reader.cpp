// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/corpus_reader.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "libs/base/io_advice.h"
#include "libs/base/rng.h"
#include "libs/base/units.h"
#include "pipeline/corpus/describe.h"
#include "pipeline/corpus/identify.h"
#include "pipeline/corpus/known_shards.h"
#include "pipeline/corpus/scan.h"

namespace pretrain {
namespace {

/// A ticket ends with the first piece that reaches this, so that it holds about 32 KiB: about 20 ms of
/// encoding, long compared with the cost of a task, and short enough to balance the workers.
constexpr size_t kTicketTextBytes = 28_KiB;
/// A ticket also ends after this much work without text, so that every call is short and a stop is quick.
constexpr size_t kTicketSteps = 4096;
constexpr uint64_t kTicketPassedBytes = 4_MiB;

bool is_gone(const IoError& error) {
  return error.code() == ENOENT || error.code() == ENOTDIR || error.code() == ELOOP;
}

/// Whether the error means that the file was changed, moved or protected; any other error is a failing
/// device.
bool is_change(const IoError& error) {
  return is_gone(error) || error.code() == EACCES || error.code() == EPERM || error.code() == EISDIR ||
         error.code() == EINVAL;
}

std::string reasons_of(const ReadStatistics& statistics) {
  std::string text;
  for (const auto& [reason, count] : statistics.skips) {
    text += fmt::format("; {} x {}", count, reason_text(reason));
  }
  return text;
}

}  // namespace

struct CorpusReader::Fill {
  size_t text_bytes = 0;
  size_t steps = 0;
  uint64_t passed_bytes = 0;

  bool full() const {
    return text_bytes >= kTicketTextBytes || steps >= kTicketSteps || passed_bytes >= kTicketPassedBytes;
  }
};

CorpusReader::CorpusReader(CorpusOptions options, Catalog catalog, const Cursor& start, Role role,
                           ReadHooks hooks, std::function<void()> on_scan)
    : options_(std::move(options)),
      role_(role),
      hooks_(std::move(hooks)),
      on_scan_(std::move(on_scan)),
      cursor_(start) {
  const bool located =
      std::ranges::none_of(catalog.shards, [](const Shard& shard) { return shard.path.empty(); });
  if (!located) locate_shards(options_, catalog);
  use_catalog(std::move(catalog));
  if (regions_.empty() || cursor_.region > regions_.size()) {
    fail(ErrorKind::kData,
         "the position in the corpus (region {} of {}) doesn't belong to this catalog; use an older "
         "checkpoint",
         cursor_.region, regions_.size());
  }
}

/// Adds steps to the ticket until it is full. Regions are visited in an order that is a permutation of (seed,
/// epoch), so the cursor only needs the number of the region.
std::optional<Ticket> CorpusReader::next() {
  Ticket ticket;
  if (cursor_.region == regions_.size()) {
    if (role_ == Role::kHeldOut) return std::nullopt;
    begin_next_epoch(ticket);
  }
  ticket.number = cursor_.ticket++;
  ticket.epoch = cursor_.epoch;
  ticket.catalog = catalog_;
  for (Fill fill; !fill.full() && !ticket.ends_epoch; ++fill.steps) {
    if (hooks_.stop.stop_requested()) throw Stopped();
    if (cursor_.region == regions_.size()) {
      end_epoch(ticket);
    } else if (region_ != nullptr || open_region(ticket)) {
      step(ticket, fill);
    }
  }
  ticket.after = cursor_;
  return ticket;
}

double CorpusReader::epoch_progress() const {
  return static_cast<double>(cursor_.region) / static_cast<double>(regions_.size());
}

void CorpusReader::use_catalog(Catalog catalog) {
  regions_ = Regions(catalog);
  stamps_.clear();
  for (const Shard& shard : catalog.shards) stamps_.push_back(shard.stamp);
  catalog_ = std::make_shared<const Catalog>(std::move(catalog));
}

/// The first ticket of an epoch reports the shards that have vanished. A changed shard is read as it is now.
void CorpusReader::begin_next_epoch(Ticket& ticket) {
  const auto before = catalog_;
  use_catalog(next_catalog());
  for (const Shard& shard : before->shards) {
    if (catalog_->find(shard.name) == nullptr) {
      add_skip(ticket, {shard.name, 0, SkipReason::kVanishedShard, ""});
    }
  }
  reported_changes_.clear();
  cursor_ = {.epoch = cursor_.epoch + 1, .position = {}, .ticket = cursor_.ticket};
}

Catalog CorpusReader::next_catalog() {
  std::optional<Catalog> seen;
  if (ahead_ != nullptr) seen = ahead_->take(hooks_.stop, on_scan_);
  ahead_.reset();
  return scan_corpus(options_, catalog_.get(),
                     {.stop = hooks_.stop, .on_file = on_scan_, .seen = seen ? &*seen : nullptr});
}

/// Starts the scan for the next epoch in the last eighth of the current one: early enough to be done in time,
/// and so late that few files change afterwards.
void CorpusReader::look_ahead() {
  constexpr uint64_t kPartOfEpoch = 8;
  const uint64_t left = regions_.size() - cursor_.region;
  if (role_ != Role::kTraining || ahead_ != nullptr ||
      left > std::max<uint64_t>(1, regions_.size() / kPartOfEpoch))
    return;
  Catalog known = *catalog_;
  for (size_t i = 0; i < known.shards.size(); ++i) known.shards[i].stamp = stamps_[i];
  ahead_ = std::make_unique<CatalogAhead>(options_, std::move(known));
}

/// An epoch without any text would repeat forever, so it is an error that lists why everything was skipped.
void CorpusReader::end_epoch(Ticket& ticket) {
  ticket.ends_epoch = true;
  if (role_ == Role::kHeldOut || cursor_.delivered_pieces > 0) return;
  fail(ErrorKind::kData,
       "epoch {} of the corpus ({}) had no text to train on{}; give --corpus more text or lower "
       "--validation-fraction",
       cursor_.epoch, count_of(catalog_->shards.size(), "file"), reasons_of(statistics_));
}

Region CorpusReader::region_at(uint64_t index) const {
  return regions_[permute_index(index, regions_.size(), derive_seed(options_.seed, cursor_.epoch))];
}

bool CorpusReader::open_region(Ticket& ticket) {
  look_ahead();
  const Region region = region_at(cursor_.region);
  const Shard& shard = catalog_->shards[region.shard];
  std::optional<ReadableFile> file = open_shard(shard, ticket);
  if (!file) {
    leave_region();
    return false;
  }
  region_ =
      std::make_unique<RegionReader>(std::move(*file), shard, region,
                                     Selection{role_, options_.validation_fraction, options_.pages,
                                               options_.text(), options_.min_words, options_.signatures},
                                     cursor_.position, hooks_);
  return true;
}

/// Whether a file still has the content in the catalog. Only reads it if its stamp has changed since the last
/// check.
bool CorpusReader::is_as_catalogued(const ReadableFile& file, const Shard& shard) {
  std::optional<FileStamp>& known = stamps_[static_cast<size_t>(&shard - catalog_->shards.data())];
  const std::optional<FileStamp> stamp = stamp_of(shard.path);
  if (stamp && stamp == known) return true;
  const auto now = std::chrono::system_clock::now();
  if (file.size() != shard.size_bytes || identify(file) != shard.hash) return false;
  if (stamp && stamp->is_settled(now) && stamp == stamp_of(shard.path)) known = stamp;
  return true;
}

/// Opens the shard and checks its identity; empty if it has changed and changes are skipped.
std::optional<ReadableFile> CorpusReader::open_shard(const Shard& shard, Ticket& ticket) {
  if (shard.left_out) {
    note_once(shard, SkipReason::kFileOfRun, ticket);
    return std::nullopt;
  }
  std::string change;
  try {
    ReadableFile file(shard.path);
    if (is_as_catalogued(file, shard)) return file;
    change = fmt::format("it has {} bytes and had {}", file.size(), shard.size_bytes);
    if (file.size() == shard.size_bytes) change = "its content is different";
  } catch (const IoError& error) {
    if (!is_change(error))
      fail(ErrorKind::kData, "cannot read shard {}: {}", shard.name,
           with_io_advice(error.what(), error.code()));
    change = is_gone(error) ? "it is gone" : error.what();
  }
  handle_change(shard, change, ticket);
  return std::nullopt;
}

/// Silently reading other bytes would break the promise of an exact resume, so the default is to fail.
void CorpusReader::handle_change(const Shard& shard, const std::string& what, Ticket& ticket) {
  if (options_.on_changed == OnChanged::kFail) {
    fail(ErrorKind::kData, "shard {} changed since the epoch began: {}; restore it or pass --on-changed skip",
         shard.name, what);
  }
  note_once(shard, SkipReason::kChangedShard, ticket);
}

void CorpusReader::note_once(const Shard& shard, SkipReason reason, Ticket& ticket) {
  const auto index = static_cast<uint32_t>(&shard - catalog_->shards.data());
  if (!reported_changes_.insert(index).second) return;
  add_skip(ticket, {shard.name, cursor_.position.offset, reason, ""});
}

/// Takes one step of the region's reader and moves the cursor after it, so that the cursor is always exact.
void CorpusReader::step(Ticket& ticket, Fill& fill) {
  const RegionReader::Step step = region_->next();
  fill.passed_bytes += region_->passed_bytes();
  cursor_.position = region_->position();
  switch (step) {
    case RegionReader::Step::kPiece:
      add_piece(ticket, fill);
      break;
    case RegionReader::Step::kSkip:
      count_page();
      add_fault(ticket);
      break;
    case RegionReader::Step::kPassed:
      count_page();
      if (const auto reason = region_->unwanted()) {
        ++statistics_.skips[*reason];
        ++ticket.unwanted[*reason];
      }
      break;
    case RegionReader::Step::kEnd:
      leave_region();
      break;
    case RegionReader::Step::kChanged:
      handle_change(catalog_->shards[region_at(cursor_.region).shard], "it became shorter", ticket);
      leave_region();
      break;
  }
}

void CorpusReader::add_piece(Ticket& ticket, Fill& fill) {
  TextPiece& piece = region_->piece();
  fill.text_bytes += piece.text.size();
  statistics_.text_bytes += piece.text.size();
  statistics_.documents += piece.ends_document ? 1 : 0;
  ++cursor_.delivered_pieces;
  if (piece.begins_document) count_page();
  ticket.pieces.push_back(std::move(piece));
}

void CorpusReader::count_page() {
  const auto page_namespace = region_->page_namespace();
  if (!page_namespace) return;
  ++statistics_.pages[*page_namespace];
  statistics_.redirects += region_->redirects() ? 1 : 0;
}

void CorpusReader::add_fault(Ticket& ticket) {
  const Record& fault = region_->fault();
  const Region region = region_at(cursor_.region);
  add_skip(ticket, {catalog_->shards[region.shard].name, fault.offset, *fault.fault, fault.title});
  if (region_->over()) leave_region();
}

void CorpusReader::add_skip(Ticket& ticket, Skip skip) {
  ++statistics_.skips[skip.cause.reason];
  ticket.skips.push_back(std::move(skip));
}

void CorpusReader::leave_region() {
  region_.reset();
  ++cursor_.region;
  cursor_.position = {};
}

}  // namespace pretrain
