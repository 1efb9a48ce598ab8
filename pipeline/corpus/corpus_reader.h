#pragma once
// The corpus as an endless sequence of tickets: pieces of text small enough to be worked on in a few
// milliseconds. Reading, decompressing and splitting are serial; workers take the text from there.
//
// The sequence is a function of (corpus bytes, options), and each ticket carries the cursor behind it. A
// reader made from that cursor and that ticket's catalog delivers the same further tickets, in any process,
// after any number of resumes; in uncompressed files without reading what stands before.

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
#include "pipeline/corpus/cursor.h"
#include "pipeline/corpus/region.h"
#include "pipeline/corpus/region_reader.h"

namespace pretrain {

/// Something that was passed over, and where.
struct Skip {
  std::string shard;
  uint64_t offset = 0;  ///< decompressed
  std::string reason;
  std::string title;  ///< of the document, when known
};

struct Ticket {
  uint64_t number = 0;
  uint32_t epoch = 0;
  std::vector<TextPiece> pieces;  ///< about 32 KiB of text together; may be empty
  std::vector<Skip> skips;
  /// Pages of dumps that are not wanted, by why; they are too many for a skip each.
  std::map<std::string, uint64_t> unwanted;
  Cursor after;  ///< just behind this ticket
  /// What `after` and the pieces' places refer to.
  std::shared_ptr<const Catalog> catalog;
  bool ends_epoch = false;
};

struct ReadStatistics {
  uint64_t documents = 0;  ///< whose end was delivered
  uint64_t text_bytes = 0;
  std::map<std::string, uint64_t> skips;  ///< by reason, unwanted pages among them
  std::map<int, uint64_t> pages;          ///< sound pages of dumps that were decided on, by namespace
  uint64_t redirects = 0;                 ///< among these pages
};

/// Single-owner.
class CorpusReader {
 public:
  /// Reads from `start` on; `catalog` is that of its epoch, fresh from scan_corpus() or from a checkpoint.
  /// Errors: kData when they don't belong together, or the inputs are gone.
  /// `on_scan` is called as long as a new look at the inputs advances.
  CorpusReader(CorpusOptions options, Catalog catalog, const Cursor& start, Role role, ReadHooks hooks = {},
               std::function<void()> on_scan = {});

  /// The next ticket. Waits for nothing but the disk. For training it never returns false: epochs follow each
  /// other, and each begins with a new look at the inputs. For the held-out role it returns false after one
  /// epoch. After an error the reader can't continue.
  /// Errors: kData when a shard changed (with OnChanged::kFail), the device fails, the corpus is gone, or an
  /// epoch had no training text at all; Stopped.
  [[nodiscard]] bool next(Ticket& ticket);

  /// Of the epoch being read.
  const Catalog& catalog() const { return *catalog_; }
  /// Of this reader, since it was made. Pages of the other role are not among `documents`.
  const ReadStatistics& statistics() const { return statistics_; }
  /// How much of the epoch is done, from 0 to 1; told by regions, of which a file that can't be split is one.
  double epoch_progress() const;

 private:
  struct Fill;

  void use_catalog(Catalog catalog);
  void begin_next_epoch(Ticket& ticket);
  Catalog next_catalog();
  void look_ahead();
  void end_epoch(Ticket& ticket);
  Region region_at(uint64_t index) const;
  bool open_region(Ticket& ticket);
  bool is_as_catalogued(const ReadableFile& file, const Shard& shard);
  std::optional<ReadableFile> open_shard(const Shard& shard, Ticket& ticket);
  void handle_change(const Shard& shard, const std::string& what, Ticket& ticket);
  void note_once(const Shard& shard, const char* reason, Ticket& ticket);
  void step(Ticket& ticket, Fill& fill);
  void add_piece(Ticket& ticket, Fill& fill);
  void count_page();
  void add_fault(Ticket& ticket);
  void add_skip(Ticket& ticket, Skip skip);
  void leave_region();

  CorpusOptions options_;
  Role role_;
  ReadHooks hooks_;
  std::function<void()> on_scan_;
  std::shared_ptr<const Catalog> catalog_;
  Regions regions_;
  Cursor cursor_;
  std::unique_ptr<RegionReader> region_;  // of regions_[permuted cursor_.region], when open
  std::set<uint32_t> reported_changes_;   // shards of this epoch, so that each is reported once
  ReadStatistics statistics_;
  std::vector<std::optional<FileStamp>> stamps_;  // by shard: of a file that is known to be as catalogued
  std::unique_ptr<CatalogAhead> ahead_;           // in the last part of an epoch
};

}  // namespace pretrain
