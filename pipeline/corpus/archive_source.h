// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the files in an archive one after the other. Single-owner; used by compression.cpp and member_reader.cpp.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/corpus/decompressor.h"

namespace pretrain {

/// The line before the content of each file of an archive, in the stream that an archive source delivers:
/// kMemberMark, the size, a space, the name, a line end.
struct MemberHead {
  uint64_t size_bytes = 0;
  std::string name;
};
constexpr std::string_view kMemberMark = "\x01member ";
constexpr size_t kMaxMemberHead = 5000;  ///< names are cut to 4 KiB

std::string member_line(const MemberHead& head);
/// What the line holds, without its line end; empty if it is none.
std::optional<MemberHead> parse_member_line(std::string_view line);

/// An archive (tar with any compression, zip, 7z) as the stream of its regular files, in their order, each after
/// its line. Positions count the bytes of that stream, so they depend on the archive alone.
std::unique_ptr<ByteSource> make_archive_source(ReadableFile file);

}  // namespace pretrain
