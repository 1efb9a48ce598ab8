// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/frame.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "libs/base/check.h"
#include "libs/base/units.h"
#include "libs/fabric/secret.h"

namespace pretrain {
namespace {

/// The first bytes of each frame: what does not begin with them is another program.
constexpr std::array<char, 4> kMagic{'P', 'T', 'F', '1'};
constexpr size_t kHeaderBytes = 16;

template <typename Integer>
void append_integer(Integer value, std::string& out) {
  for (size_t i = 0; i < sizeof(Integer); ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

template <typename Integer>
Integer integer_at(std::string_view bytes, size_t offset) {
  Integer value = 0;
  for (size_t i = 0; i < sizeof(Integer); ++i)
    value |= static_cast<Integer>(static_cast<unsigned char>(bytes[offset + i])) << (8 * i);
  return value;
}

/// Over how many frames came before it in this direction, and the frame.
MessageCode code_of(std::string_view key, uint64_t number, std::string_view frame) {
  std::string message;
  append_integer(number, message);
  message += frame;
  return message_code(key, message);
}

}  // namespace

void FrameWriter::write(uint32_t kind, std::span<const std::byte> payload, std::string& out) {
  const size_t begin = out.size();
  out.append(kMagic.data(), kMagic.size());
  append_integer(kind, out);
  append_integer(static_cast<uint64_t>(payload.size()), out);
  if (!payload.empty()) out.append(reinterpret_cast<const char*>(payload.data()), payload.size());
  if (key_.empty()) return;
  const MessageCode code = code_of(key_, written_++, std::string_view(out).substr(begin));
  out.append(reinterpret_cast<const char*>(code.data()), code.size());
}

void FrameReader::take(std::span<const std::byte> bytes) {
  bytes_.erase(0, std::exchange(begin_, 0));
  if (!bytes.empty()) bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::optional<Frame> FrameReader::next() {
  const std::string_view bytes = std::string_view(bytes_).substr(begin_);
  const size_t known = std::min(bytes.size(), kMagic.size());
  if (!std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(known), kMagic.begin()))
    throw BadFrame("bytes of another protocol");
  if (bytes.size() < kHeaderBytes) return std::nullopt;
  const auto kind = integer_at<uint32_t>(bytes, 4);
  const auto length = integer_at<uint64_t>(bytes, 8);
  const auto limit = limits_.find(kind);
  if (limit == limits_.end()) throw BadFrame(fmt::format("a message of unknown kind {}", kind));
  if (length > limit->second) {
    throw BadFrame(fmt::format("a message of kind {} with {} bytes, more than {}", kind, format_count(length),
                               format_count(limit->second)));
  }
  const size_t code_bytes = key_.empty() ? 0 : sizeof(MessageCode);
  // The limit of each kind is far below what a size holds.
  const size_t frame_bytes = kHeaderBytes + static_cast<size_t>(length);
  if (bytes.size() < frame_bytes + code_bytes) return std::nullopt;
  if (!key_.empty()) {
    MessageCode code;
    std::memcpy(code.data(), bytes.data() + frame_bytes, code.size());
    if (!is_same_code(code, code_of(key_, read_++, bytes.substr(0, frame_bytes))))
      throw BadFrame("a message with a wrong code");
  }
  begin_ += frame_bytes + code_bytes;
  return Frame{.kind = kind, .payload = std::string(bytes.substr(kHeaderBytes, length))};
}

}  // namespace pretrain
