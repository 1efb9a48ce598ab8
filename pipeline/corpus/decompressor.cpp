// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/decompressor.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/io_advice.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

constexpr size_t kSkipBytes = 64_KiB;       // bytes of one read while skipping
constexpr uint64_t kProgressBytes = 4_MiB;  // bytes between two reports of progress

}  // namespace

size_t ByteSource::read(std::span<char> out) {
  const size_t made = produce(out);
  position_ += made;
  return made;
}

/// A compressed stream has no index, so what lies before `offset` is decompressed and dropped. In a large file
/// that takes minutes: hence the stop and the reports.
void ByteSource::skip_to(uint64_t offset, const ReadHooks& hooks) {
  PRETRAIN_CHECK(offset >= position_, "cannot go back from {} to {}", position_, offset);
  std::vector<char> dropped(kSkipBytes);
  uint64_t reported = position_;
  while (position_ < offset) {
    if (hooks.stop.stop_requested()) throw Stopped();
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(dropped.size(), offset - position_));
    if (read(std::span(dropped).first(wanted)) == 0) return;
    if (hooks.progress && position_ - reported >= kProgressBytes) {
      hooks.progress(position_, offset);
      reported = position_;
    }
  }
}

void ByteSource::end_with(StreamStatus status, std::string reason) {
  status_ = status;
  reason_ = std::move(reason);
}

/// A read error of the corpus is an error of the data (exit code 3), which a restart would not solve.
size_t read_file_at(const ReadableFile& file, uint64_t offset, std::span<std::byte> out) {
  try {
    return file.read_at(offset, out);
  } catch (const IoError& error) {
    const std::string_view advice = io_advice(error.code());
    fail(ErrorKind::kData, "cannot read {} at byte {}: {}; {}, then start again", file.path().string(),
         offset, std::generic_category().message(error.code()),
         advice.empty() ? "check the file and its disk" : advice);
  }
}

}  // namespace pretrain
