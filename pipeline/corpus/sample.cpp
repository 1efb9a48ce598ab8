#include "pipeline/corpus/sample.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/base/rng.h"
#include "pipeline/corpus/region.h"
#include "pipeline/corpus/region_reader.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

constexpr uint64_t kShares = 32;
/// Keeps the order apart from those of the epochs, which are derived from the same seed by small numbers.
constexpr uint64_t kSampleOrder = 0x73616d706c65;
/// Faulty or held-out regions are left after this much work per region.
constexpr uint64_t kMaxPassedBytes = uint64_t{16} << 20;

struct Visit {
  Region region;
  Position position;
  bool done = false;
};

class Sampler {
 public:
  Sampler(const CorpusOptions& options, const Catalog& catalog, uint64_t max_bytes,
          const std::stop_token& stop)
      : catalog_(catalog),
        selection_{Role::kTraining, options.validation_fraction, options.pages},
        left_(max_bytes),
        hooks_{stop, {}} {}

  /// Takes up to `share` bytes from where the visit stopped the last time.
  void take_from(Visit& visit, uint64_t share) {
    std::optional<ReadableFile> file = open(catalog_.shards[visit.region.shard]);
    visit.done = true;
    if (!file) return;
    RegionReader reader(std::move(*file), catalog_.shards[visit.region.shard], visit.region, selection_,
                        visit.position, hooks_);
    share_left_ = std::min(share, left_);
    visit.done = read(reader);
    visit.position = reader.position();
  }

  bool full() const { return left_ == 0; }
  std::vector<std::string> take() { return std::move(documents_); }

 private:
  static std::optional<ReadableFile> open(const Shard& shard) {
    try {
      ReadableFile file(shard.path);
      if (file.size() == shard.size_bytes) return file;
    } catch (const IoError&) {  // it is named when the epoch comes to it
    }
    return std::nullopt;
  }

  /// True when the region has no more to give.
  bool read(RegionReader& reader) {
    uint64_t passed = 0;
    bool new_document = true;
    while (share_left_ > 0 && passed < kMaxPassedBytes) {
      const RegionReader::Step step = reader.next();
      if (step == RegionReader::Step::kEnd || step == RegionReader::Step::kChanged) return true;
      passed += reader.passed_bytes();
      if (step != RegionReader::Step::kPiece) continue;
      const TextPiece& piece = reader.piece();
      add(piece.text, new_document || piece.begins_document);
      new_document = piece.ends_document;
    }
    return passed >= kMaxPassedBytes;
  }

  void add(const std::string& text, bool new_document) {
    if (new_document) documents_.emplace_back();
    std::string piece = text;
    repair_utf8(piece);
    documents_.back() += piece;
    const uint64_t taken = std::min<uint64_t>(text.size(), share_left_);
    share_left_ -= taken;
    left_ -= taken;
  }

  const Catalog& catalog_;
  Selection selection_;
  uint64_t left_;
  uint64_t share_left_ = 0;
  ReadHooks hooks_;
  std::vector<std::string> documents_;
};

}  // namespace

std::vector<std::string> sample_text(const CorpusOptions& options, const Catalog& catalog, uint64_t max_bytes,
                                     uint64_t seed, const std::stop_token& stop) {
  const std::vector<Region> regions = make_regions(catalog, LongText::kSplit);
  std::vector<Visit> visits(regions.size());
  for (uint64_t i = 0; i < regions.size(); ++i) {
    visits[i].region = regions[permute_index(i, regions.size(), derive_seed(seed, kSampleOrder))];
  }
  Sampler sampler(options, catalog, max_bytes, stop);
  uint64_t share = std::max<uint64_t>(1, max_bytes / kShares);
  for (bool more = true; more && !sampler.full(); share *= 4) {
    more = false;
    for (Visit& visit : visits) {
      if (visit.done || sampler.full()) continue;
      sampler.take_from(visit, share);
      more = more || !visit.done;
    }
  }
  return sampler.take();
}

}  // namespace pretrain
