// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/compression.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/enum_table.h"
#include "pipeline/corpus/archive_source.h"
#include "pipeline/corpus/codecs.h"

namespace pretrain {
namespace {

/// An uncompressed file. The only source that can seek.
class PlainSource : public ByteSource {
 public:
  explicit PlainSource(ReadableFile file) : file_(std::move(file)) {}

  void skip_to(uint64_t offset, const ReadHooks& /*hooks*/) override { position_ = offset; }

 protected:
  /// The size is that of the opened file. Reading nothing before it means that another program has truncated it.
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

class PackedFile : public PackedBytes {
 public:
  explicit PackedFile(ReadableFile file) : file_(std::move(file)) {}

  size_t read(std::span<std::byte> out) override {
    const size_t got = read_file_at(file_, offset_, out);
    offset_ += got;
    return got;
  }
  bool shrunk() const override { return offset_ < file_.size(); }

 private:
  ReadableFile file_;
  uint64_t offset_ = 0;
};

class PackedStream : public PackedBytes {
 public:
  explicit PackedStream(ByteSource& source) : source_(source) {}

  size_t read(std::span<std::byte> out) override {
    return source_.read({reinterpret_cast<char*>(out.data()), out.size()});
  }

 private:
  ByteSource& source_;
};

/// The expansion only serves to estimate the length of an epoch.
struct CompressionRow {
  Compression value;
  std::string_view name;
  double usual_expansion;  ///< as measured on Wikipedia's text
  std::unique_ptr<ByteSource> (*make_source)(std::unique_ptr<PackedBytes> packed, std::string_view name);
};

constexpr CompressionRow kCompressions[] = {
    {Compression::kNone, "none", 1.0, nullptr},
    {Compression::kGzip, "gzip", 2.75, make_gzip_source},
    {Compression::kBzip2, "bzip2", 3.6, make_bzip2_source},
    {Compression::kXz, "xz", 3.7, make_xz_source},
    {Compression::kZstd, "zstd", 3.0, make_zstd_source},
    {Compression::kArchive, "archive", 2.75, nullptr},
};
static_assert(is_in_order(kCompressions));

}  // namespace

std::string_view compression_name(Compression compression) {
  return row_of(kCompressions, compression).name;
}

std::optional<Compression> find_compression(std::string_view name) {
  return find_value(kCompressions, name);
}

double usual_expansion(Compression compression) {
  return row_of(kCompressions, compression).usual_expansion;
}

std::unique_ptr<ByteSource> open_source(ReadableFile file, Compression compression) {
  if (compression == Compression::kNone) return std::make_unique<PlainSource>(std::move(file));
  if (compression == Compression::kArchive) return make_archive_source(std::move(file));
  const CompressionRow& row = row_of(kCompressions, compression);
  return row.make_source(std::make_unique<PackedFile>(std::move(file)), row.name);
}

std::unique_ptr<ByteSource> open_packed(ByteSource& packed, Compression compression) {
  const CompressionRow& row = row_of(kCompressions, compression);
  PRETRAIN_CHECK(row.make_source != nullptr, "{} is no compression of one file", row.name);
  return row.make_source(std::make_unique<PackedStream>(packed), row.name);
}

}  // namespace pretrain
