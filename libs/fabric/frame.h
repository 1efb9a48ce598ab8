// SPDX-License-Identifier: Apache-2.0
#pragma once
// Frames: the messages of a control connection as bytes. A header of 16 bytes (four that are always the same, kind,
// length of the payload; little-endian), the payload and, once both ends have keys, a code of 32 bytes over a counter,
// header and payload, so that nobody can invent, change, repeat, drop or reorder a message unseen.
//
// The reader takes bytes as they come from the network. It checks the length against the most that the kind may have
// before it takes memory, and memory grows only with the bytes that have come.
//
//   writer.write(kind, payload, out);                      // one end
//   reader.take(bytes);                                    // the other, for whatever bytes have come
//   while (const auto frame = reader.next()) act_on(*frame);

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libs/base/error.h"

namespace pretrain {

struct Frame {
  uint32_t kind = 0;
  std::string payload;
};

/// The most bytes that a payload of each kind may have. Other kinds are refused.
using FrameLimits = std::map<uint32_t, uint64_t>;

/// Why bytes are no frame, such as "a message of unknown kind 7". Ends the connection that they came from.
class BadFrame : public Error {
 public:
  explicit BadFrame(const std::string& reason) : Error(ErrorKind::kData, reason) {}
};

/// Makes frames. Single-owner.
class FrameWriter {
 public:
  /// From now on frames carry codes made with this key.
  void set_key(std::string key) { key_ = std::move(key); }
  /// Appends a frame to `out`.
  void write(uint32_t kind, std::span<const std::byte> payload, std::string& out);

 private:
  std::string key_;
  uint64_t written_ = 0;  // with a code
};

/// Finds frames in a stream of bytes. Single-owner.
class FrameReader {
 public:
  explicit FrameReader(FrameLimits limits) : limits_(std::move(limits)) {}

  void set_key(std::string key) { key_ = std::move(key); }
  void set_limits(FrameLimits limits) { limits_ = std::move(limits); }
  /// Takes what came.
  void take(std::span<const std::byte> bytes);
  /// The next whole frame; empty when more bytes are needed.
  /// Errors: BadFrame.
  std::optional<Frame> next();
  /// Bytes of a frame that is not complete yet.
  size_t pending_bytes() const { return bytes_.size() - begin_; }

 private:
  FrameLimits limits_;
  std::string key_;
  uint64_t read_ = 0;  // with a code
  std::string bytes_;
  size_t begin_ = 0;  // of what is not yet returned
};

}  // namespace pretrain
