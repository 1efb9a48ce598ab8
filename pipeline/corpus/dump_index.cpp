// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/dump_index.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "libs/base/units.h"
#include "pipeline/corpus/bzip2_blocks.h"
#include "pipeline/corpus/compression.h"
#include "pipeline/corpus/decompressor.h"

namespace pretrain {
namespace {

/// Bytes to read at each end of an index: some thousand lines.
constexpr size_t kEndBytes = 64_KiB;
/// So many bytes of a compressed index always have the start of a bzip2 block.
constexpr uint64_t kTailBytes = 1_MiB;
/// Limit of decompression; a real index has about 5 MiB in those bytes.
constexpr uint64_t kMaxTailBytes = 64_MiB;

/// The offset of a line of an index.
std::optional<uint64_t> index_offset(std::string_view line) {
  uint64_t offset = 0;
  uint64_t page = 0;
  const char* const end = line.data() + line.size();
  const auto first = std::from_chars(line.data(), end, offset);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, page);
  if (second.ec != std::errc() || second.ptr == end || *second.ptr != ':') return std::nullopt;
  return offset;
}

/// Bytes [begin, end) of an index; for a bzip2 file, the first or last kEndBytes of the content of the blocks
/// that begin there.
std::string part_of(const Shard& index, uint64_t begin, bool last, const std::stop_token& stop) {
  ReadableFile file(index.path);
  const auto source = index.compression == Compression::kBzip2
                          ? open_bzip2_blocks(std::move(file), begin, index.size_bytes)
                          : open_source(std::move(file), Compression::kNone);
  if (index.compression == Compression::kNone) source->skip_to(begin, {stop, {}});
  std::string text;
  std::array<char, kEndBytes> piece;
  while (last ? source->position() < begin + kMaxTailBytes : text.size() < kEndBytes) {
    if (stop.stop_requested()) throw Stopped();
    const size_t got = source->read(piece);
    if (got == 0) break;
    text.append(piece.data(), got);
    if (last && text.size() > kEndBytes) text.erase(0, text.size() - kEndBytes);
  }
  return text;
}

/// The offsets in complete lines, each once, in order.
std::vector<uint64_t> offsets_in(std::string_view lines) {
  std::vector<uint64_t> offsets;
  for (size_t at = 0; at < lines.size();) {
    const size_t newline = lines.find('\n', at);
    if (newline == std::string_view::npos) break;
    const auto offset = index_offset(lines.substr(at, newline - at));
    if (offset && (offsets.empty() || offsets.back() != *offset)) offsets.push_back(*offset);
    at = newline + 1;
  }
  return offsets;
}

/// The offsets at the two ends of an index. Ignores the first line of the tail: it may be truncated at its
/// start and then show a wrong offset.
std::vector<uint64_t> known_offsets(const Shard& index, const std::stop_token& stop) {
  std::vector<uint64_t> offsets = offsets_in(part_of(index, 0, false, stop));
  const uint64_t tail_begin = index.size_bytes - std::min(index.size_bytes, kTailBytes);
  const std::string tail = part_of(index, tail_begin, true, stop);
  const size_t newline = tail.find('\n');
  if (newline == std::string::npos) return offsets;
  for (const uint64_t offset : offsets_in(std::string_view(tail).substr(newline + 1))) {
    offsets.push_back(offset);
  }
  return offsets;
}

bool begins_stream(const ReadableFile& dump, uint64_t offset) {
  std::array<char, 4> head{};
  const size_t got = read_file_at(dump, offset, std::as_writable_bytes(std::span(head)));
  return got == head.size() && std::string_view(head.data(), 3) == "BZh" && head[3] >= '1' && head[3] <= '9';
}

/// Whether most of the offsets inside the dump are not the start of a stream. A single one may be damage.
bool is_of_another_dump(const Shard& dump, const std::vector<uint64_t>& offsets) {
  constexpr size_t kLookedAt = 64;
  const ReadableFile file(dump.path);
  const size_t stride = std::max<size_t>(1, offsets.size() / kLookedAt);
  size_t inside = 0;
  size_t misses = 0;
  for (size_t i = 0; i < offsets.size(); i += stride) {
    if (offsets[i] >= dump.size_bytes) continue;
    ++inside;
    misses += begins_stream(file, offsets[i]) ? 0 : 1;
  }
  return misses * 2 > inside;
}

}  // namespace

bool is_dump_index(std::string_view head) {
  constexpr size_t kLines = 3;
  uint64_t before = 0;
  size_t lines = 0;
  for (size_t at = 0; at < head.size() && lines < kLines; ++lines) {
    const size_t end = std::min(head.find('\n', at), head.size());
    const auto offset = index_offset(head.substr(at, end - at));
    if (!offset || *offset < before) return false;
    before = *offset;
    at = end + 1;
  }
  return lines > 0;
}

std::string dump_of_index(std::string_view index_name) {
  constexpr std::string_view kMark = "-index";
  constexpr std::string_view kText = ".txt";
  constexpr std::string_view kPacked = ".bz2";
  std::string name(index_name);
  const size_t mark = name.rfind(kMark);
  if (mark == std::string::npos) return {};
  name.erase(mark, kMark.size());
  const size_t text = name.find(kText, mark);
  if (text == std::string::npos) return {};
  name.replace(text, kText.size(), ".xml");
  return name.ends_with(kPacked) ? name : name + std::string(kPacked);
}

std::string doubt_dump(const Shard& index, const Shard& dump, const std::stop_token& stop) {
  if (index.compression != Compression::kNone && index.compression != Compression::kBzip2) return {};
  if (dump.compression != Compression::kBzip2) return {};
  const std::vector<uint64_t> offsets = known_offsets(index, stop);
  if (offsets.empty()) return {};
  if (is_of_another_dump(dump, offsets)) {
    return fmt::format(
        "{} is not the index of {}: no stream begins where it names one; the dump is read without it, but "
        "check which of the two is right",
        index.name, dump.name);
  }
  const uint64_t last = std::ranges::max(offsets);
  if (last < dump.size_bytes) return {};
  return fmt::format(
      "{} ends at byte {} and its index names streams up to byte {}: it is cut short; what is there is read, "
      "fetch it again for the rest",
      dump.name, format_count(dump.size_bytes), format_count(last));
}

}  // namespace pretrain
