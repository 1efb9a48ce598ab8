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

/// How the file differs from the catalog; empty if it doesn't.
std::string difference(const ReadableFile& file, const Shard& shard) {
  if (file.size() != shard.size_bytes)
    return fmt::format("it has {} bytes and had {}", file.size(), shard.size_bytes);
  return identify(file) == shard.hash ? "" : "its content is different";
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

/// What a ticket and the counts were before the open file gave anything to the ticket.
struct CorpusReader::Mark {
  size_t pieces = 0, skips = 0;
  std::map<SkipReason, uint64_t> unwanted;
  ReadStatistics statistics;
  uint64_t delivered_pieces = 0;
  Position position;
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

CorpusReader::~CorpusReader() = default;

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
  if (region_ != nullptr) set_mark(ticket);
  for (Fill fill; !fill.full() && cursor_.region < regions_.size(); ++fill.steps) {
    if (hooks_.stop.stop_requested()) throw Stopped();
    if (region_ != nullptr || open_region(ticket)) step(ticket, fill);
  }
  if (region_ != nullptr) abandon_if_changed(ticket);
  // Also of a full ticket: a cursor after the last region begins the next epoch.
  if (cursor_.region == regions_.size()) end_epoch(ticket);
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

/// The first ticket of an epoch reports the shards that have vanished. A changed shard is read as it is now. Without any
/// shard of before it is another corpus: another disk may be mounted in its place.
void CorpusReader::begin_next_epoch(Ticket& ticket) {
  const auto before = catalog_;
  Catalog next = next_catalog();
  ticket.changes = changes_between(*before, next);
  if (options_.on_changed == OnChanged::kFail && ticket.changes.lost.size() == before->shards.size()) {
    fail(
        ErrorKind::kData,
        "the corpus no longer has any of its files, but others ({}); put them back, or pass --on-changed skip to "
        "continue with what is there now",
        describe(ticket.changes));
  }
  use_catalog(std::move(next));
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
    end_document(ticket);
    leave_region();
    return false;
  }
  region_ =
      std::make_unique<RegionReader>(std::move(*file), shard, region,
                                     Selection{role_, options_.validation_fraction, options_.pages,
                                               options_.text(), options_.min_words, options_.signatures},
                                     cursor_.position, hooks_);
  set_mark(ticket);
  return true;
}

/// How a file differs from the catalog; empty if it doesn't. Only reads it if its stamp has changed since the last check.
std::string CorpusReader::change_of(const ReadableFile& file, const Shard& shard) {
  std::optional<FileStamp>& known = stamps_[static_cast<size_t>(&shard - catalog_->shards.data())];
  opened_ = stamp_of(shard.path);
  if (opened_ && opened_ == known) return "";
  const auto now = std::chrono::system_clock::now();
  std::string change = difference(file, shard);
  if (change.empty() && opened_ && opened_->is_settled(now) && opened_ == stamp_of(shard.path))
    known = opened_;
  return change;
}

/// How the open file differs from the catalog because it was written to since it was opened; empty if it doesn't. One
/// that was removed, or replaced by another file, is still read as it was.
std::string CorpusReader::change_while_open() {
  const Shard& shard = open_file_shard();
  const std::optional<FileStamp> now = stamp_of(shard.path);
  if (!opened_ || !now || now == opened_ || !now->is_of_file(*opened_)) return "";
  std::string change;
  try {
    change = difference(ReadableFile(shard.path), shard);
  } catch (const IoError& error) {  // its rights may have been taken away
    if (now->modified_nanoseconds != opened_->modified_nanoseconds || now->size_bytes != opened_->size_bytes)
      change = error.what();
  }
  if (change.empty()) opened_ = now;
  return change;
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
    change = change_of(file, shard);
    if (change.empty()) return file;
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

void CorpusReader::set_mark(const Ticket& ticket) {
  mark_ = std::make_unique<Mark>(Mark{.pieces = ticket.pieces.size(),
                                      .skips = ticket.skips.size(),
                                      .unwanted = ticket.unwanted,
                                      .statistics = statistics_,
                                      .delivered_pieces = cursor_.delivered_pieces,
                                      .position = cursor_.position});
}

/// What was read of a file while it was written to may be of neither content, and faults in it are no damage. Looking
/// once a ticket is cheap, and early enough that no such text is trained.
bool CorpusReader::abandon_if_changed(Ticket& ticket) {
  const std::string change = change_while_open();
  if (change.empty()) return false;
  abandon_region(change, ticket);
  return true;
}

/// Takes back what the ticket has of the open file, and leaves its region.
void CorpusReader::abandon_region(const std::string& what, Ticket& ticket) {
  ticket.pieces.erase(ticket.pieces.begin() + static_cast<ptrdiff_t>(mark_->pieces), ticket.pieces.end());
  ticket.skips.erase(ticket.skips.begin() + static_cast<ptrdiff_t>(mark_->skips), ticket.skips.end());
  ticket.unwanted = mark_->unwanted;
  statistics_ = mark_->statistics;
  cursor_.delivered_pieces = mark_->delivered_pieces;
  cursor_.position = mark_->position;
  handle_change(open_file_shard(), what, ticket);
  end_document(ticket);
  leave_region();
}

/// Ends the document under way, whose rest is not read.
void CorpusReader::end_document(Ticket& ticket) const {
  if (!cursor_.position.begun) return;
  const uint32_t shard = region_at(cursor_.region).shard;
  ticket.pieces.push_back({.ends_document = true, .place = {shard, cursor_.position.offset}});
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
      end_region(ticket);
      break;
    case RegionReader::Step::kChanged:
      abandon_region("it became shorter", ticket);
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
  if (region_->over()) end_region(ticket);
}

void CorpusReader::add_skip(Ticket& ticket, Skip skip) {
  ++statistics_.skips[skip.cause.reason];
  ticket.skips.push_back(std::move(skip));
}

void CorpusReader::end_region(Ticket& ticket) {
  if (!abandon_if_changed(ticket)) leave_region();
}

void CorpusReader::leave_region() {
  region_.reset();
  ++cursor_.region;
  cursor_.position = {};
}

}  // namespace pretrain
