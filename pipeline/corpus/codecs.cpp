// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/codecs.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "libs/base/check.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

/// Memory limit of a decompressor. xz -9 needs 65 MiB, so a file that needs more than this is malicious or
/// unusual.
constexpr uint64_t kXzMemoryLimit = 256_MiB;
/// The default of zstd: a window of 128 MiB, as `zstd -d` accepts without --long.
constexpr int kZstdWindowLog = 27;

constexpr size_t kInputBytes = 64_KiB;  // bytes of one read

unsigned clamp_size(size_t size) {
  return static_cast<unsigned>(std::min<size_t>(size, std::numeric_limits<unsigned>::max()));
}

// Each class maps the return codes of its library to the same four ends: a member is complete, the file is
// truncated, the data is damaged, or bytes of another kind follow the last member. The last is only possible
// after a complete member; at the start of the file it is damage.

class GzipSource : public CompressedSource {
 public:
  GzipSource(std::unique_ptr<PackedBytes> packed, std::string_view name)
      : CompressedSource(std::move(packed), name) {
    constexpr int kGzipOnly = 15 + 16;  // the largest window, plus zlib's flag for the gzip format
    PRETRAIN_CHECK(inflateInit2(&stream_, kGzipOnly) == Z_OK, "out of memory");
  }
  ~GzipSource() override { inflateEnd(&stream_); }

 protected:
  size_t decode(std::span<char> out) override {
    // zlib's C interface lacks const; it only reads the input.
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input().data()));
    stream_.avail_in = clamp_size(input().size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = clamp_size(out.size());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    const size_t made = out.size() - stream_.avail_out;
    take(input().size() - stream_.avail_in);
    finish_step(result, made);
    return made;
  }

  void restart() override { inflateReset(&stream_); }

 private:
  /// Z_BUF_ERROR only means that inflate() could not progress without more input or output.
  void finish_step(int result, size_t made) {
    if (result == Z_STREAM_END) {
      end_member();
    } else if (result == Z_OK || result == Z_BUF_ERROR) {
      if (made == 0 && input_ended()) end_truncated();
    } else if (result == Z_DATA_ERROR && members() > 0 && stream_.total_out == 0) {
      end_with_garbage();
    } else {
      end_damaged(stream_.msg != nullptr ? stream_.msg : "invalid data");
    }
  }

  z_stream stream_{};
};

class Bzip2Source : public CompressedSource {
 public:
  Bzip2Source(std::unique_ptr<PackedBytes> packed, std::string_view name)
      : CompressedSource(std::move(packed), name) {
    open();
  }
  ~Bzip2Source() override { BZ2_bzDecompressEnd(&stream_); }

 protected:
  size_t decode(std::span<char> out) override {
    stream_.next_in = const_cast<char*>(reinterpret_cast<const char*>(input().data()));
    stream_.avail_in = clamp_size(input().size());
    stream_.next_out = out.data();
    stream_.avail_out = clamp_size(out.size());
    const int result = BZ2_bzDecompress(&stream_);
    const size_t made = out.size() - stream_.avail_out;
    take(input().size() - stream_.avail_in);
    finish_step(result, made);
    return made;
  }

  /// libbz2 has no reset, so the decompressor is closed and opened again.
  void restart() override {
    BZ2_bzDecompressEnd(&stream_);
    open();
  }

 private:
  void open() {
    stream_ = bz_stream{};
    PRETRAIN_CHECK(BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK, "out of memory");
  }

  void finish_step(int result, size_t made) {
    if (result == BZ_STREAM_END) {
      end_member();
    } else if (result == BZ_OK) {
      if (made == 0 && input_ended()) end_truncated();
    } else if (result == BZ_DATA_ERROR_MAGIC && members() > 0) {
      end_with_garbage();
    } else {
      end_damaged(result == BZ_MEM_ERROR ? "out of memory" : "invalid data");
    }
  }

  bz_stream stream_{};
};

std::string xz_error(lzma_ret result) {
  switch (result) {
    case LZMA_MEMLIMIT_ERROR:
      return "needs more than 256 MiB to decompress";
    case LZMA_FORMAT_ERROR:
      return "not an xz header";
    case LZMA_OPTIONS_ERROR:
      return "unsupported options";
    case LZMA_MEM_ERROR:
      return "out of memory";
    default:
      return "invalid data";
  }
}

class XzSource : public CompressedSource {
 public:
  XzSource(std::unique_ptr<PackedBytes> packed, std::string_view name)
      : CompressedSource(std::move(packed), name) {
    open();
  }
  ~XzSource() override { lzma_end(&stream_); }

 protected:
  size_t decode(std::span<char> out) override {
    stream_.next_in = reinterpret_cast<const uint8_t*>(input().data());
    stream_.avail_in = input().size();
    stream_.next_out = reinterpret_cast<uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret result = lzma_code(&stream_, LZMA_RUN);
    take(input().size() - stream_.avail_in);
    finish_step(result);
    return out.size() - stream_.avail_out;
  }

  void restart() override { open(); }

 private:
  void open() {
    PRETRAIN_CHECK(lzma_stream_decoder(&stream_, kXzMemoryLimit, 0) == LZMA_OK, "out of memory");
  }

  /// LZMA_BUF_ERROR means no progress: truncation if the file has ended, otherwise more input is needed.
  void finish_step(lzma_ret result) {
    if (result == LZMA_OK || (result == LZMA_BUF_ERROR && !input_ended())) return;
    if (result == LZMA_STREAM_END) {
      end_member();
    } else if (result == LZMA_BUF_ERROR) {
      end_truncated();
    } else if (result == LZMA_FORMAT_ERROR && members() > 0) {
      end_with_garbage();
    } else {
      end_damaged(xz_error(result));
    }
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
};

class ZstdSource : public CompressedSource {
 public:
  ZstdSource(std::unique_ptr<PackedBytes> packed, std::string_view name)
      : CompressedSource(std::move(packed), name), stream_(ZSTD_createDStream()) {
    PRETRAIN_CHECK(stream_ != nullptr, "out of memory");
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kZstdWindowLog);
  }
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }
  ZstdSource(const ZstdSource&) = delete;
  ZstdSource& operator=(const ZstdSource&) = delete;

 protected:
  size_t decode(std::span<char> out) override {
    ZSTD_inBuffer in{input().data(), input().size(), 0};
    ZSTD_outBuffer made{out.data(), out.size(), 0};
    const size_t result = ZSTD_decompressStream(stream_, &made, &in);
    take(in.pos);
    finish_step(result, made.pos);
    return made.pos;
  }

  void restart() override { ZSTD_DCtx_reset(stream_, ZSTD_reset_session_only); }

 private:
  /// A result of 0 means that a frame is complete; other values are hints of the next input size, or errors.
  void finish_step(size_t result, size_t made) {
    if (!ZSTD_isError(result)) {
      if (result == 0) {
        end_member();
      } else if (made == 0 && input_ended()) {
        end_truncated();
      }
      return;
    }
    const ZSTD_ErrorCode code = ZSTD_getErrorCode(result);
    if (code == ZSTD_error_prefix_unknown && members() > 0) {
      end_with_garbage();
    } else if (code == ZSTD_error_frameParameter_windowTooLarge) {
      end_damaged("needs a window of more than 128 MiB");
    } else {
      end_damaged(ZSTD_getErrorString(code));
    }
  }

  ZSTD_DStream* stream_;
};

}  // namespace

CompressedSource::CompressedSource(std::unique_ptr<PackedBytes> packed, std::string_view name)
    : packed_(std::move(packed)), name_(name), storage_(kInputBytes) {}

/// Steps until there is output: a step may only consume a header or a trailer.
size_t CompressedSource::produce(std::span<char> out) {
  size_t made = 0;
  while (made == 0 && !ended_) {
    if (input_.empty() && !packed_ended_) refill();
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

/// Only called when all input is consumed, so nothing has to be kept.
void CompressedSource::refill() {
  const size_t got = packed_->read(storage_);
  packed_ended_ = got == 0;
  input_ = std::span<const std::byte>(storage_).first(got);
}

/// No damage: the text before it is whole. It is reported as a skip at the end of the file.
void CompressedSource::end_with_garbage() {
  ended_ = true;
  trailing_garbage_ = true;
}

/// Distinguishes a file that is truncated from one that became shorter since it was opened, which is a
/// change.
void CompressedSource::end_truncated() {
  ended_ = true;
  if (packed_->shrunk()) {
    end_with(StreamStatus::kShrunk, "file became shorter while it was read");
  } else {
    end_with(StreamStatus::kTruncated, "truncated " + name_ + " stream");
  }
}

void CompressedSource::end_damaged(const std::string& detail) {
  ended_ = true;
  end_with(StreamStatus::kDamaged, "damaged " + name_ + " stream (" + detail + ")");
}

std::unique_ptr<ByteSource> make_gzip_source(std::unique_ptr<PackedBytes> packed, std::string_view name) {
  return std::make_unique<GzipSource>(std::move(packed), name);
}
std::unique_ptr<ByteSource> make_bzip2_source(std::unique_ptr<PackedBytes> packed, std::string_view name) {
  return std::make_unique<Bzip2Source>(std::move(packed), name);
}
std::unique_ptr<ByteSource> make_xz_source(std::unique_ptr<PackedBytes> packed, std::string_view name) {
  return std::make_unique<XzSource>(std::move(packed), name);
}
std::unique_ptr<ByteSource> make_zstd_source(std::unique_ptr<PackedBytes> packed, std::string_view name) {
  return std::make_unique<ZstdSource>(std::move(packed), name);
}

}  // namespace pretrain
