// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the corpus as an endless sequence of tickets: pieces of text that a worker can encode in a few
// milliseconds. Reading, decompressing and splitting are serial; workers encode the tickets in parallel.
//
// The sequence is a function of (corpus bytes, options), and each ticket has the cursor after it. A reader
// made from that cursor and the ticket's catalog delivers the same further tickets, in any process, after any
// number of resumes; in uncompressed files without reading the bytes before.
//
//   CorpusReader reader(options, catalog, cursor, Role::kTraining, {.stop = stop});
//   while (auto ticket = reader.next()) encode(std::move(*ticket));   // ticket->after: where to continue

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/corpus/catalog.h"
#include "pipeline/corpus/catalog_ahead.h"
#include "pipeline/corpus/catalog_changes.h"
#include "pipeline/corpus/cursor.h"
#include "pipeline/corpus/region.h"
#include "pipeline/corpus/region_reader.h"
#include "pipeline/corpus/skip_reason.h"

namespace pretrain {

/// A skipped record and its place.
struct Skip {
  std::string shard;
  uint64_t offset = 0;  ///< decompressed
  SkipCause cause = SkipReason::kOther;
  std::string title;  ///< of the document, when known
};

struct Ticket {
  uint64_t number = 0;
  uint32_t epoch = 0;
  std::vector<TextPiece> pieces;  ///< about 32 KiB of text together; may be empty
  std::vector<Skip> skips;
  /// Number of unwanted pages of dumps, by reason; they are too many to record each as a skip.
  std::map<SkipReason, uint64_t> unwanted;
  Cursor after;  ///< the position after this ticket
  /// The catalog that `after` and the pieces' places refer to.
  std::shared_ptr<const Catalog> catalog;
  bool ends_epoch = false;
  CatalogChanges changes = {};  ///< of the first ticket of an epoch: since the epoch before
};

struct ReadStatistics {
  uint64_t documents = 0;  ///< documents that were delivered to their end
  uint64_t text_bytes = 0;
  std::map<SkipReason, uint64_t> skips;  ///< by reason, unwanted pages among them
  std::map<int, uint64_t> pages;         ///< well-formed pages of dumps, by namespace
  uint64_t redirects = 0;                ///< among these pages
};

/// Single-owner.
class CorpusReader {
 public:
  /// Reads from `start` on; `catalog` is that of its epoch, from scan_corpus() or from a checkpoint. Calls
  /// `on_scan` periodically while it scans the inputs again.
  /// Errors: kData when they don't belong together, or the inputs are gone.
  CorpusReader(CorpusOptions options, Catalog catalog, const Cursor& start, Role role, ReadHooks hooks = {},
               std::function<void()> on_scan = {});
  ~CorpusReader();
  CorpusReader(const CorpusReader&) = delete;
  CorpusReader& operator=(const CorpusReader&) = delete;

  /// The next ticket. Only waits for the disk. For training there is always one: epoch follows epoch, and
  /// each begins with a new scan of the inputs. For the held-out role it is empty after one epoch. After
  /// an error the reader can't continue. A ticket has nothing from a shard that was changed while it was read for it.
  /// Errors: kData when a shard changed (with OnChanged::kFail), the device fails, the corpus is gone, or an
  /// epoch had no training text at all; Stopped.
  [[nodiscard]] std::optional<Ticket> next();

  /// The catalog of the current epoch.
  const Catalog& catalog() const { return *catalog_; }
  /// Counts of this reader since its construction. `documents` excludes those of the other role.
  const ReadStatistics& statistics() const { return statistics_; }
  /// Progress of the epoch from 0 to 1, by regions; a file that can't be split is one region.
  double epoch_progress() const;

 private:
  struct Fill;
  struct Mark;

  void use_catalog(Catalog catalog);
  void begin_next_epoch(Ticket& ticket);
  Catalog next_catalog();
  void look_ahead();
  void end_epoch(Ticket& ticket);
  Region region_at(uint64_t index) const;
  bool open_region(Ticket& ticket);
  const Shard& open_file_shard() const { return catalog_->shards[region_at(cursor_.region).shard]; }
  std::string change_of(const ReadableFile& file, const Shard& shard);
  std::string change_while_open();
  std::optional<ReadableFile> open_shard(const Shard& shard, Ticket& ticket);
  void handle_change(const Shard& shard, const std::string& what, Ticket& ticket);
  void note_once(const Shard& shard, SkipReason reason, Ticket& ticket);
  void set_mark(const Ticket& ticket);
  bool abandon_if_changed(Ticket& ticket);
  void abandon_region(const std::string& what, Ticket& ticket);
  void end_document(Ticket& ticket) const;
  void step(Ticket& ticket, Fill& fill);
  void add_piece(Ticket& ticket, Fill& fill);
  void count_page();
  void add_fault(Ticket& ticket);
  void add_skip(Ticket& ticket, Skip skip);
  void end_region(Ticket& ticket);
  void leave_region();

  CorpusOptions options_;
  Role role_;
  ReadHooks hooks_;
  std::function<void()> on_scan_;
  std::shared_ptr<const Catalog> catalog_;
  Regions regions_;
  Cursor cursor_;
  std::unique_ptr<RegionReader> region_;  // of regions_[permuted cursor_.region], when open
  std::optional<FileStamp> opened_;  // of the file that it reads, at a time when that was as in the catalog
  std::unique_ptr<Mark> mark_;       // of the ticket, before that file gave anything to it
  std::set<uint32_t> reported_changes_;  // shards of this epoch, so that each is reported once
  ReadStatistics statistics_;
  std::vector<std::optional<FileStamp>>
      stamps_;                           // by shard: stamp of a file that was found to match the catalog
  std::unique_ptr<CatalogAhead> ahead_;  // in the last part of an epoch
};

}  // namespace pretrain
