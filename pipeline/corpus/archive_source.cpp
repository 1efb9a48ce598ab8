// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/archive_source.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "libs/base/check.h"
#include "libs/base/number.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

constexpr size_t kInputBytes = 64_KiB;  // bytes of one read of the file
constexpr size_t kMaxNameBytes = 4_KiB;

/// A name for one line: control characters become `?`.
std::string one_line(std::string name) {
  name.resize(std::min(name.size(), kMaxNameBytes));
  std::ranges::replace_if(
      name, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  return name;
}

/// Whether the file is one of an archive's own: "._x" of macOS, ".git".
bool is_hidden(std::string_view name) {
  const size_t slash = name.rfind('/');
  return name.substr(slash == std::string_view::npos ? 0 : slash + 1).starts_with('.');
}

/// libarchive finds out what the archive is and how it is compressed, and reads it through the callbacks below.
class ArchiveSource : public ByteSource {
 public:
  explicit ArchiveSource(ReadableFile file)
      : file_(std::move(file)), storage_(kInputBytes), archive_(archive_read_new(), archive_read_free) {
    PRETRAIN_CHECK(archive_ != nullptr, "out of memory");
    for (const auto support :
         {archive_read_support_filter_gzip, archive_read_support_filter_bzip2, archive_read_support_filter_xz,
          archive_read_support_filter_zstd, archive_read_support_format_tar,
          archive_read_support_format_zip_seekable, archive_read_support_format_7zip}) {
      support(archive_.get());
    }
    archive_read_set_read_callback(archive_.get(), read_bytes);
    archive_read_set_skip_callback(archive_.get(), skip_bytes);
    archive_read_set_seek_callback(archive_.get(), seek_bytes);
    archive_read_set_callback_data(archive_.get(), this);
    if (archive_read_open1(archive_.get()) != ARCHIVE_OK) end();
  }

 protected:
  /// The stream that readers see: for each file of the archive a line with its name and size, then its bytes. So an
  /// archive is one stream with positions, like a compressed file, and a resume finds its place in it.
  size_t produce(std::span<char> out) override {
    while (!ended_ && line_.empty() && left_ == 0) next_member();
    if (!line_.empty()) {
      const size_t taken = std::min(out.size(), line_.size());
      std::copy_n(line_.begin(), taken, out.begin());
      line_.erase(0, taken);
      return taken;
    }
    return ended_ ? 0 : content(out);
  }

 private:
  static ArchiveSource& self(void* data) { return *static_cast<ArchiveSource*>(data); }

  // An exception may not pass through libarchive, so it is kept until the call returns.

  static la_ssize_t read_bytes(archive* reader, void* data, const void** bytes) {
    ArchiveSource& source = self(data);
    *bytes = source.storage_.data();
    try {
      const size_t got = read_file_at(source.file_, source.offset_, source.storage_);
      source.offset_ += got;
      source.shrunk_ = got == 0 && source.offset_ < source.file_.size();
      return static_cast<la_ssize_t>(got);
    } catch (...) {
      source.problem_ = std::current_exception();
      archive_set_error(reader, EIO, "cannot be read");
      return -1;
    }
  }

  static la_int64_t skip_bytes(archive* /*reader*/, void* data, la_int64_t bytes) {
    ArchiveSource& source = self(data);
    const uint64_t rest = source.file_.size() - std::min(source.offset_, source.file_.size());
    const uint64_t skipped = std::min<uint64_t>(rest, static_cast<uint64_t>(std::max<la_int64_t>(bytes, 0)));
    source.offset_ += skipped;
    return static_cast<la_int64_t>(skipped);
  }

  /// zip and 7z have their list of files at the end, so libarchive has to seek.
  static la_int64_t seek_bytes(archive* /*reader*/, void* data, la_int64_t offset, int whence) {
    ArchiveSource& source = self(data);
    const auto base = static_cast<la_int64_t>(whence == SEEK_SET   ? 0
                                              : whence == SEEK_CUR ? source.offset_
                                                                   : source.file_.size());
    if (offset < -base) return ARCHIVE_FATAL;
    source.offset_ = static_cast<uint64_t>(base + offset);
    return base + offset;
  }

  /// Only regular files are members: a hard link would be the same text twice, and hidden files are the archiver's.
  void next_member() {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(archive_.get(), &entry);
    if (result == ARCHIVE_EOF) {
      ended_ = true;
      check_shrunk();
      return;
    }
    if (result == ARCHIVE_RETRY) return;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return end();
    const char* written = archive_entry_pathname(entry);
    const std::string name = written == nullptr ? "" : one_line(written);
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr ||
        is_hidden(name))
      return;
    left_ = archive_entry_size_is_set(entry) != 0
                ? static_cast<uint64_t>(std::max<la_int64_t>(archive_entry_size(entry), 0))
                : 0;
    line_ = member_line({left_, name});
  }

  size_t content(std::span<char> out) {
    const size_t wanted = std::min<uint64_t>(out.size(), left_);
    const la_ssize_t got = archive_read_data(archive_.get(), out.data(), wanted);
    if (got <= 0) {
      end();
      return 0;
    }
    left_ -= static_cast<uint64_t>(got);
    return static_cast<size_t>(got);
  }

  /// Ends the stream at damage, or where a file of the archive is shorter than its head says.
  void end() {
    ended_ = true;
    if (problem_) std::rethrow_exception(std::exchange(problem_, nullptr));
    if (check_shrunk()) return;
    const char* message = archive_error_string(archive_.get());
    std::string detail = message == nullptr ? "a file in it is shorter than it says" : message;
    detail.resize(std::min(detail.size(), size_t{200}));
    end_with(StreamStatus::kDamaged, "damaged archive (" + one_line(std::move(detail)) + ")");
  }

  bool check_shrunk() {
    if (shrunk_) end_with(StreamStatus::kShrunk, "file became shorter while it was read");
    return shrunk_;
  }

  ReadableFile file_;
  std::vector<std::byte> storage_;
  uint64_t offset_ = 0;
  std::unique_ptr<archive, decltype(&archive_read_free)> archive_;
  std::exception_ptr problem_;
  bool shrunk_ = false;
  bool ended_ = false;
  std::string line_;   // not yet delivered
  uint64_t left_ = 0;  // of the content of the member
};

}  // namespace

std::string member_line(const MemberHead& head) {
  std::string line(kMemberMark);
  line += std::to_string(head.size_bytes);
  line += ' ';
  line += head.name;
  line += '\n';
  return line;
}

std::optional<MemberHead> parse_member_line(std::string_view line) {
  if (!line.starts_with(kMemberMark)) return std::nullopt;
  line.remove_prefix(kMemberMark.size());
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto size = parse_number<uint64_t>(line.substr(0, space));
  constexpr uint64_t kMost = uint64_t{1} << 60;  // more than any file system holds
  if (!size || *size > kMost) return std::nullopt;
  return MemberHead{*size, std::string(line.substr(space + 1))};
}

std::unique_ptr<ByteSource> make_archive_source(ReadableFile file) {
  return std::make_unique<ArchiveSource>(std::move(file));
}

}  // namespace pretrain
