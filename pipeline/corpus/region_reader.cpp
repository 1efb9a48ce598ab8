// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/region_reader.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "pipeline/corpus/bzip2_blocks.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// Bytes after a cut that decide whether it splits a character or CRLF.
constexpr size_t kBeyondCut = 4;

std::unique_ptr<ByteSource> open_region(ReadableFile file, const Shard& shard, const Region& region) {
  if (has_block_regions(shard)) return open_bzip2_blocks(std::move(file), region.begin, region.end);
  return open_source(std::move(file), shard.compression);
}

}  // namespace

RegionReader::RegionReader(ReadableFile file, const Shard& shard, const Region& region,
                           const Selection& selection, const Position& start, const ReadHooks& hooks)
    : hooks_(hooks),
      selection_(selection),
      region_(region),
      range_(has_block_regions(shard) ? RecordRange{} : RecordRange{region.begin, region.end}),
      dump_{shard.site, selection.pages, false, selection.text},
      format_(shard.format),
      compression_(shard.compression),
      source_(open_region(std::move(file), shard, region)),
      stream_(*source_, hooks_),
      position_(start) {
  piece_.place.shard = region.shard;
  start_at(start);
}

/// Short documents are read again from their start, because their whole text decides their role.
void RegionReader::start_at(const Position& start) {
  const bool in_text = row_of(format_).one_document;
  if (in_text && start.inside > kLongDocumentBytes) return enter_long_text(start.inside, start.begun);
  if (in_text && region_.begin > 0 && start == Position{}) return enter_long_text(first_cut(), false);
  records_ = make_record_reader(format_, stream_,
                                {range_.begin, range_.end, std::max(start.offset, range_.begin)}, dump_);
  if (start.inside == 0 || !records_->next(record_) || record_.fault) return;
  if (record_.streamed) stream_.skip_to(start.inside);
  open_blocks(start.inside, start.begun);
}

/// Long plain text can be entered at any cut, without reading the text before it.
void RegionReader::enter_long_text(uint64_t inside, bool begun) {
  records_ = make_record_reader(format_, stream_, {.start = inside});
  record_.streamed = true;
  open_blocks(inside, begun);
}

/// The cut near the region's start, found from the bytes around it alone.
uint64_t RegionReader::first_cut() {
  const uint64_t before = region_.begin - kCutSlack;
  stream_.skip_to(before);
  const std::string_view around = stream_.window(kCutSlack + kBeyondCut);
  return before + (around.size() > kCutSlack ? cut_near(around, kCutSlack) : around.size());
}

RegionReader::Step RegionReader::next() {
  passed_bytes_ = 0;
  return upcoming_ ? deliver() : begin_document();
}

/// Reads the next record: a fault, a document of this role (its first piece), or one that is passed.
RegionReader::Step RegionReader::begin_document() {
  const bool found = records_->next(record_);
  if (!found) return finish();
  if (record_.fault) {
    fault_ = std::move(record_);
    passed_bytes_ = fault_.end - fault_.offset;
    position_ = {fault_.end, 0, false};
    fault_.offset = source_->place_of(fault_.offset);
    return Step::kSkip;
  }
  const bool wanted = !record_.unwanted && (is_long() || is_mine(record_.text));
  if (wanted && is_too_short()) return skip_short();
  if (wanted) open_blocks(0, false);
  if (upcoming_) {
    facts_ = facts_of_record();
    return deliver();
  }
  position_ = {record_.streamed ? stream_.offset() : record_.end, 0, false};
  passed_bytes_ = position_.offset - record_.offset;
  return Step::kPassed;
}

/// Reads the next block before it delivers this one, because a piece must say whether it ends its document.
RegionReader::Step RegionReader::deliver() {
  const bool alone =
      is_long() && selection_.role == Role::kHeldOut;  // the blocks around it have the other role
  piece_.text = std::move(upcoming_->text);
  piece_.place.offset = source_->place_of(record_.offset);
  piece_.begins_document = alone || !begun_;
  piece_.invalid_utf8 = begun_ ? 0 : record_.invalid_utf8;
  piece_.facts = std::exchange(facts_, nullptr);
  begun_ = true;
  upcoming_ = next_block();
  piece_.ends_document = alone || !upcoming_;
  if (upcoming_) {
    position_ = {record_.offset, upcoming_->position, true};
  } else {
    position_ = {record_.streamed ? stream_.offset() : record_.end, 0, false};
  }
  return Step::kPiece;
}

/// Reports a truncated or damaged stream as one skip at its end; everything before that has been delivered.
RegionReader::Step RegionReader::finish() {
  const bool behind = stream_.offset() >= std::min(range_.end, source_->records_end());
  if (checked_end_ || behind || !stream_.window(1).empty()) return Step::kEnd;
  checked_end_ = true;
  if (source_->status() == StreamStatus::kShrunk) return Step::kChanged;
  if (source_->status() == StreamStatus::kTruncated)
    return skip(source_->position(), {SkipReason::kTruncatedStream, source_->reason()});
  if (source_->status() == StreamStatus::kDamaged)
    return skip(source_->position(), {SkipReason::kDamagedStream, source_->reason()});
  if (source_->trailing_garbage()) {
    return skip(source_->position(),
                {SkipReason::kTrailingGarbage,
                 fmt::format("garbage after the {} stream", compression_name(compression_))});
  }
  return Step::kEnd;
}

RegionReader::Step RegionReader::skip(uint64_t offset, SkipCause cause) {
  fault_ = Record{};
  fault_.offset = fault_.end = offset;
  fault_.fault = std::move(cause);
  return Step::kSkip;
}

/// Only training text has a least length, so that runs with and without one are evaluated on the same text.
bool RegionReader::is_too_short() const {
  if (selection_.role == Role::kHeldOut || record_.streamed) return false;
  return count_words(record_.text, selection_.min_words) < selection_.min_words;
}

RegionReader::Step RegionReader::skip_short() {
  position_ = {record_.end, 0, false};
  passed_bytes_ = record_.end - record_.offset;
  const Step step = skip(source_->place_of(record_.offset), SkipReason::kFewWords);
  fault_.title = std::move(record_.title);
  return step;
}

std::shared_ptr<const DocumentFacts> RegionReader::facts_of_record() const {
  if (!selection_.signatures || selection_.role == Role::kHeldOut || record_.streamed) return nullptr;
  return std::make_shared<const DocumentFacts>(DocumentFacts{signature_of(record_.text), record_.title});
}

void RegionReader::open_blocks(uint64_t inside, bool begun) {
  begun_ = begun;
  inside_ = inside;
  upcoming_ = next_block();
}

/// The next block of the document that belongs to the role. A short document belongs to it as a whole.
/// Blocks of a long document that have the other role are passed here.
std::optional<RegionReader::Block> RegionReader::next_block() {
  const size_t grid = is_long() ? kBlockBytes : kPieceBytes;
  while (!record_.streamed || inside_ < region_.end) {
    const std::string_view window = rest_of_document(distance_to_cut(inside_, grid) + kBeyondCut);
    if (window.empty()) break;
    const size_t length = block_length(window, inside_, grid);
    Block block{inside_, std::string(window.substr(0, length))};
    take_of_document(length);
    if (record_.streamed) {
      unify_line_ends(block.text);
      if (block.position == 0) block.text.erase(0, utf8_mark_length(block.text));
    }
    if (!is_long() || is_mine(block.text)) return block;
    passed_bytes_ += length;
  }
  return std::nullopt;
}

std::string_view RegionReader::rest_of_document(size_t wanted) {
  if (record_.streamed) return stream_.window(wanted);
  return std::string_view(record_.text).substr(std::min<size_t>(inside_, record_.text.size()));
}

void RegionReader::take_of_document(size_t bytes) {
  inside_ += bytes;
  if (record_.streamed) stream_.take(bytes);
}

bool RegionReader::is_mine(std::string_view text) const {
  return is_held_out(text, selection_.validation_fraction) == (selection_.role == Role::kHeldOut);
}

}  // namespace pretrain
