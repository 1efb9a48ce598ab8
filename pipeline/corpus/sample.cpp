// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/sample.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/base/rng.h"
#include "pipeline/corpus/compression.h"
#include "pipeline/corpus/region.h"
#include "pipeline/corpus/region_reader.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// A region gives at most this part of the sample, so that the sample has text from many places.
constexpr uint64_t kShares = 32;
/// Makes the order independent of those of the epochs, which are derived from the same seed by small numbers.
constexpr uint64_t kSampleOrder = 0x73616d706c65;
/// Damaged or held-out regions are abandoned after this much work.
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
        selection_{Role::kTraining, options.validation_fraction, options.pages, options.text(),
                   options.min_words},
        left_(max_bytes),
        hooks_{stop, {}} {}

  /// Takes up to `share` bytes from where the previous visit stopped.
  /// A visit opens the region again at its last position, so that no file stays open between visits.
  void take_from(Visit& visit, uint64_t share) {
    std::optional<ReadableFile> file = open(catalog_.shards[visit.region.shard]);
    visit.done = true;
    if (!file) return;
    RegionReader reader(std::move(*file), catalog_.shards[visit.region.shard], visit.region, selection_,
                        visit.position, hooks_);
    share_left_ = std::min(share, left_);
    Unpacked& unpacked = unpacked_[catalog_.shards[visit.region.shard].format];
    unpacked.bytes -= position_of(visit);
    visit.done = read(reader, unpacked.text);
    visit.position = reader.position();
    unpacked.bytes += position_of(visit);
  }

  bool full() const { return left_ == 0; }
  TextSample take() {
    TextSample sample{.documents = std::move(documents_),
                      .invalid_utf8 = invalid_utf8_,
                      .found_held_out = found_held_out_,
                      .text_shares = {}};
    for (const auto& [format, unpacked] : unpacked_) {
      if (unpacked.bytes > 0)
        sample.text_shares[format] = static_cast<double>(unpacked.text) / static_cast<double>(unpacked.bytes);
    }
    return sample;
  }

 private:
  struct Unpacked {
    uint64_t bytes = 0;
    uint64_t text = 0;  ///< training text among them
  };

  /// Decompressed position from which a visit continues; its origin depends on the region.
  uint64_t position_of(const Visit& visit) const {
    const bool from_block = has_block_regions(catalog_.shards[visit.region.shard]);
    return std::max(from_block ? 0 : visit.region.begin, visit.position.offset + visit.position.inside);
  }

  static std::optional<ReadableFile> open(const Shard& shard) {
    try {
      ReadableFile file(shard.path);
      if (file.size() == shard.size_bytes) return file;
    } catch (const IoError&) {  // reported when the epoch reaches it
    }
    return std::nullopt;
  }

  /// True at the end of the region. Adds the bytes of its text to `text_bytes`.
  bool read(RegionReader& reader, uint64_t& text_bytes) {
    uint64_t passed = 0;
    bool new_document = true;
    while (share_left_ > 0 && passed < kMaxPassedBytes) {
      const RegionReader::Step step = reader.next();
      if (step == RegionReader::Step::kEnd || step == RegionReader::Step::kChanged) return true;
      passed += reader.passed_bytes();
      found_held_out_ |= step == RegionReader::Step::kPassed && !reader.unwanted();
      if (step != RegionReader::Step::kPiece) continue;
      const TextPiece& piece = reader.piece();
      invalid_utf8_ += piece.invalid_utf8;
      add(piece.text, new_document || piece.begins_document);
      text_bytes += piece.text.size();
      new_document = piece.ends_document;
    }
    return passed >= kMaxPassedBytes;
  }

  void add(const std::string& text, bool new_document) {
    if (new_document) documents_.emplace_back();
    std::string piece = text;
    invalid_utf8_ += repair_utf8(piece);
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
  uint64_t invalid_utf8_ = 0;
  bool found_held_out_ = false;
  std::map<TextFormat, Unpacked> unpacked_;
};

}  // namespace

/// Visits all regions in random order for a small share each, then again for four times as much, until there is
/// enough. So a large corpus is sampled in many places, and a small one is read whole.
TextSample sample_text(const CorpusOptions& options, const Catalog& catalog, uint64_t max_bytes,
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

/// Size times usual expansion times the share of text in what was unpacked for the sample, by format.
double estimate_text_bytes(const Catalog& catalog, const TextSample& sample) {
  double bytes = 0;
  for (const Shard& shard : catalog.shards) {
    const auto share = sample.text_shares.find(shard.format);
    bytes += static_cast<double>(shard.size_bytes) * usual_expansion(shard.compression) *
             (share == sample.text_shares.end() ? 1.0 : share->second);
  }
  return bytes;
}

}  // namespace pretrain
