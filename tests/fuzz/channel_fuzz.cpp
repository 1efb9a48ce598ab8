// SPDX-License-Identifier: Apache-2.0
// What a control connection may get: frames, with and without codes, and the start of a connection at both ends, also
// from a machine that has the secret and introduces itself as it likes. Each input ends in messages within their limits
// or in one line of error. Nobody completes the start without the secret.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/fabric/frame.h"
#include "libs/fabric/handshake.h"
#include "libs/fabric/secret.h"

namespace {

using namespace pretrain;

constexpr std::string_view kSecret = "a secret of this fuzz target";
constexpr size_t kHeaderBytes = 16, kNonceBytes = 32;
constexpr uint32_t kHello = 0x10001, kMemberProof = 0x10003, kMemberIntroduction = 0x10005;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

void check_line(std::string_view line) {
  constexpr size_t kMostBytes = 4096;
  PRETRAIN_CHECK(!line.empty() && line.size() < kMostBytes, "{} bytes", line.size());
}

/// Hands the bytes over in pieces whose size depends on them.
template <typename Take>
void in_pieces(std::string_view bytes, const Take& take) {
  const size_t piece = bytes.empty() ? 1 : 1 + static_cast<unsigned char>(bytes.back());
  for (size_t i = 0; i < bytes.size(); i += piece) take(bytes_of(bytes.substr(i, piece)));
}

void read_frames(std::string_view bytes, const std::string& key) {
  const FrameLimits limits{{1, 0}, {2, 100}, {3, 60'000}};
  FrameReader reader(limits);
  reader.set_key(key);
  try {
    in_pieces(bytes, [&](std::span<const std::byte> piece) {
      reader.take(piece);
      while (const auto frame = reader.next()) {
        PRETRAIN_CHECK(frame->payload.size() <= limits.at(frame->kind), "kind {} with {} bytes", frame->kind,
                       frame->payload.size());
      }
    });
  } catch (const BadFrame& bad) {
    check_line(bad.what());
  }
}

void start_without_secret(std::string_view bytes, Handshake::Side side) {
  Handshake end(side, std::string(kSecret), {.name = "this"});
  std::string out;
  end.start(out);
  try {
    in_pieces(bytes, [&](std::span<const std::byte> piece) { end.take(piece, out); });
  } catch (const ChannelError&) {
    // a refusal may have an empty text: its sender chooses it
  }
  PRETRAIN_CHECK(!end.is_done(), "completed the start without the secret");
}

/// A member that has the secret, and whose introduction is the input.
void introduce(std::string_view introduction) {
  Handshake head(Handshake::Side::kHead, std::string(kSecret), {.name = "this"});
  FrameWriter writer;
  const std::string nonce(kNonceBytes, 'n');
  std::string greeting{static_cast<char>(kChannelProtocol), '\0', '\0', '\0'}, to_head, to_member;
  greeting += nonce;
  writer.write(kHello, bytes_of(greeting), to_head);
  head.take(bytes_of(to_head), to_member);
  const std::string nonces = nonce + to_member.substr(kHeaderBytes + 4, kNonceBytes);
  to_head.clear();
  writer.write(kMemberProof, message_code(kSecret, fmt::format("pretrain member {}", nonces)), to_head);
  writer.set_key(derived_key(kSecret, fmt::format("pretrain member writes {}", nonces)));
  writer.write(kMemberIntroduction, bytes_of(introduction), to_head);
  try {
    head.take(bytes_of(to_head), to_member);
    PRETRAIN_CHECK(head.is_done() && head.peer().fingerprint.is_object(), "neither accepted nor refused");
  } catch (const ChannelError& error) {
    check_line(error.what());
    PRETRAIN_CHECK(error.fault() != ChannelError::Fault::kOtherSecret, "did not take the proof");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      read_frames(bytes, "");
      break;
    case 1:
      read_frames(bytes, "a key");
      break;
    case 2:
      start_without_secret(bytes, Handshake::Side::kHead);
      break;
    case 3:
      start_without_secret(bytes, Handshake::Side::kMember);
      break;
    default:
      introduce(bytes);
  }
  return 0;
}
