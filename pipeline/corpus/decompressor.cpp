#include "pipeline/corpus/decompressor.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/units.h"
#include "pipeline/corpus/codecs.h"

namespace pretrain {
namespace {

constexpr size_t kInputBytes = 64_KiB;
constexpr size_t kSkipBytes = 64_KiB;
constexpr uint64_t kProgressBytes = 4_MiB;

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(ReadableFile file) : file_(std::move(file)) {}

  void skip_to(uint64_t offset, const ReadHooks& /*hooks*/) override { position_ = offset; }

 protected:
  size_t produce(std::span<char> out) override {
    if (position_ >= file_.size()) return 0;
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(out.size(), file_.size() - position_));
    const size_t got = read_file_at(file_, position_, std::as_writable_bytes(out.first(wanted)));
    if (got == 0) end_with(StreamStatus::kShrunk, "file became shorter while it was read");
    return got;
  }

 private:
  ReadableFile file_;
};

}  // namespace

std::string_view compression_name(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "none";
    case Compression::kGzip:
      return "gzip";
    case Compression::kBzip2:
      return "bzip2";
    case Compression::kXz:
      return "xz";
    case Compression::kZstd:
      return "zstd";
  }
  return "none";
}

size_t ByteSource::read(std::span<char> out) {
  const size_t made = produce(out);
  position_ += made;
  return made;
}

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

size_t read_file_at(const ReadableFile& file, uint64_t offset, std::span<std::byte> out) {
  try {
    return file.read_at(offset, out);
  } catch (const IoError& error) {
    fail(ErrorKind::kData, "cannot read {} at byte {}: {}; check the disk, then resume", file.path().string(),
         offset, error.what());
  }
}

CompressedSource::CompressedSource(ReadableFile file, Compression compression)
    : file_(std::move(file)), name_(compression_name(compression)), storage_(kInputBytes) {}

size_t CompressedSource::produce(std::span<char> out) {
  size_t made = 0;
  while (made == 0 && !ended_) {
    if (input_.empty() && !file_ended_) refill();
    if (between_members_) {
      begin_member();
    } else {
      made = decode(out);
    }
  }
  return made;
}

/// Zero bytes may pad the space between members and after the last one.
void CompressedSource::begin_member() {
  while (!input_.empty() && input_.front() == std::byte{0}) take(1);
  ended_ = input_ended();
  if (input_.empty()) return;
  restart();
  between_members_ = false;
}

void CompressedSource::end_member() {
  ++members_;
  between_members_ = true;
}

void CompressedSource::refill() {
  const size_t got = read_file_at(file_, file_offset_, storage_);
  file_offset_ += got;
  file_ended_ = got == 0;
  input_ = std::span<const std::byte>(storage_).first(got);
}

void CompressedSource::end_with_garbage() {
  ended_ = true;
  trailing_garbage_ = true;
}

void CompressedSource::end_truncated() {
  ended_ = true;
  if (file_offset_ < file_.size()) {
    end_with(StreamStatus::kShrunk, "file became shorter while it was read");
  } else {
    end_with(StreamStatus::kTruncated, "truncated " + name_ + " stream");
  }
}

void CompressedSource::end_damaged(const std::string& detail) {
  ended_ = true;
  end_with(StreamStatus::kDamaged, "damaged " + name_ + " stream (" + detail + ")");
}

std::unique_ptr<ByteSource> open_source(ReadableFile file, Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return make_gzip_source(std::move(file));
    case Compression::kBzip2:
      return make_bzip2_source(std::move(file));
    case Compression::kXz:
      return make_xz_source(std::move(file));
    case Compression::kZstd:
      return make_zstd_source(std::move(file));
    case Compression::kNone:
      break;
  }
  return std::make_unique<PlainSource>(std::move(file));
}

}  // namespace pretrain
