// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/stream_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "libs/base/check.h"

namespace pretrain {
namespace {

constexpr size_t kChunkBytes = 128_KiB;  // bytes of one read of the source
constexpr size_t kPadding = 64;          // SIMDJSON_PADDING: the parser reads beyond the end of a line
constexpr size_t kFirstCapacity = 2 * kChunkBytes + kPadding;
constexpr size_t kKeptCapacity = 4_MiB;  // a larger buffer, after a very long line, is freed
constexpr size_t kLargestCapacity = kMaxRecordBytes + 2 * kChunkBytes + kPadding;

}  // namespace

StreamBuffer::StreamBuffer(ByteSource& source, const ReadHooks& hooks)
    : source_(source),
      hooks_(hooks),
      storage_(std::make_unique_for_overwrite<char[]>(kFirstCapacity)),
      capacity_(kFirstCapacity),
      offset_(source.position()) {}

std::string_view StreamBuffer::window(size_t wanted) {
  has_line_ = false;
  while (end_ - begin_ < wanted && fill()) {
  }
  return held();
}

void StreamBuffer::take(size_t bytes) {
  PRETRAIN_CHECK(bytes <= end_ - begin_, "{} of {} bytes", bytes, end_ - begin_);
  begin_ += bytes;
  offset_ += bytes;
  has_line_ = false;
}

/// Reads one chunk more; false at the end. The place to notice a stop, because all waiting is here.
bool StreamBuffer::fill() {
  if (ended_) return false;
  if (hooks_.stop.stop_requested()) throw Stopped();
  make_room();
  const size_t got = source_.read({storage_.get() + end_, capacity_ - kPadding - end_});
  end_ += got;
  ended_ = got == 0;
  return !ended_;
}

/// Makes room for at least a chunk: moves the unread bytes to the front, or to a larger buffer.
void StreamBuffer::make_room() {
  const size_t used = end_ - begin_;
  const size_t capacity = capacity_for(used + kChunkBytes + kPadding);
  if (capacity != capacity_) {
    auto storage = std::make_unique_for_overwrite<char[]>(capacity);
    std::memcpy(storage.get(), storage_.get() + begin_, used);
    storage_ = std::move(storage);
    capacity_ = capacity;
  } else if (begin_ > 0) {
    std::memmove(storage_.get(), storage_.get() + begin_, used);
  }
  begin_ = 0;
  end_ = used;
}

/// Doubles the capacity, so that the total cost of copying is linear for long lines.
size_t StreamBuffer::capacity_for(size_t needed) const {
  if (needed > capacity_) return std::max(needed, std::min(2 * capacity_, kLargestCapacity));
  const bool blown_up = capacity_ > kKeptCapacity && needed <= kKeptCapacity / 2;
  return blown_up ? kKeptCapacity / 2 : capacity_;
}

/// Each byte is searched for the newline once, even if the line needs many reads.
const Line* StreamBuffer::peek_line() {
  if (has_line_) return &line_;
  size_t searched = 0;
  while (true) {
    const std::string_view bytes = held();
    const size_t newline = bytes.find('\n', searched);
    const bool found = newline != std::string_view::npos;
    if (found || (ended_ && !bytes.empty())) {
      const size_t length = found ? newline : bytes.size();
      if (length > kMaxRecordBytes) {
        drop_long_line();
        break;
      }
      line_ = {offset_, offset_ + length + (found ? 1 : 0), bytes.substr(0, length), false, found};
      if (found && line_.text.ends_with('\r')) line_.text.remove_suffix(1);
      break;
    }
    if (ended_) return nullptr;
    if (bytes.size() > kMaxRecordBytes) {
      drop_long_line();
      break;
    }
    searched = bytes.size();
    fill();
  }
  has_line_ = true;
  return &line_;
}

/// Reads to the end of a line that is too long, without holding it.
void StreamBuffer::drop_long_line() {
  line_ = {offset_, 0, {}, true, false};
  while (true) {
    const std::string_view bytes = held();
    const size_t newline = bytes.find('\n');
    line_.has_newline = newline != std::string_view::npos;
    const size_t dropped = line_.has_newline ? newline + 1 : bytes.size();
    begin_ += dropped;
    offset_ += dropped;
    if (line_.has_newline || !fill()) break;
  }
  line_.end = offset_;
}

void StreamBuffer::take_line() {
  PRETRAIN_CHECK(has_line_, "no line was looked at");
  const auto rest = static_cast<size_t>(line_.end - offset_);  // 0 if a long line was dropped already
  take(rest);
}

/// Only looks at the bytes that are there, one read at a time, so that a line of any length needs no memory.
void StreamBuffer::skip_line(uint64_t limit) {
  while (offset_ < limit) {
    const std::string_view bytes = window(1).substr(0, limit - offset_);
    if (bytes.empty()) return;
    const size_t newline = bytes.find('\n');
    take(std::min(newline, bytes.size() - 1) + 1);
    if (newline != std::string_view::npos) return;
  }
}

/// Within the window this only moves the position; otherwise the window is dropped and the source skips.
void StreamBuffer::skip_to(uint64_t offset) {
  has_line_ = false;
  if (offset >= offset_ && offset - offset_ <= end_ - begin_) {
    take(static_cast<size_t>(offset - offset_));
    return;
  }
  begin_ = end_ = 0;
  ended_ = false;
  source_.skip_to(offset, hooks_);
  offset_ = source_.position();
}

}  // namespace pretrain
