// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/handshake.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "libs/base/json.h"
#include "libs/base/text.h"

namespace pretrain {
namespace {

using Fault = ChannelError::Fault;

constexpr uint32_t kHello = 0x10001, kChallenge = 0x10002, kMemberProof = 0x10003, kHeadProof = 0x10004,
                   kMemberIntroduction = 0x10005, kHeadIntroduction = 0x10006, kRefusal = 0x10008;

constexpr size_t kNonceBytes = 32;
constexpr size_t kProtocolBytes = 4;
/// A greeting of any version begins with its number, so that another version can be named.
constexpr uint64_t kMostGreetingBytes = 256;
constexpr uint64_t kMostIntroductionBytes = 64 * 1024;
constexpr uint64_t kMostRefusalBytes = 2 * 1024;

template <typename Bytes>
std::string text_of(const Bytes& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

uint32_t protocol_in(const std::string& greeting) {
  uint32_t protocol = 0;
  for (size_t i = 0; i < kProtocolBytes; ++i)
    protocol |= static_cast<uint32_t>(static_cast<unsigned char>(greeting[i])) << (8 * i);
  return protocol;
}

std::string other_protocol(uint32_t other) {
  return fmt::format(
      "it speaks version {} of the protocol, and this program version {}; install the same version "
      "of pretrain on both machines",
      other, kChannelProtocol);
}

/// A refusal as bytes: the fault, then the text.
Fault fault_in(const std::string& refusal) {
  const int number = refusal.empty() ? -1 : static_cast<unsigned char>(refusal.front());
  for (const Fault fault : {Fault::kOtherProtocol, Fault::kOtherSecret, Fault::kRejected}) {
    if (static_cast<int>(fault) == number) return fault;
  }
  return Fault::kRejected;
}

ErrorKind kind_of(Fault fault) {
  return fault == Fault::kUnreachable || fault == Fault::kLost ? ErrorKind::kRuntime : ErrorKind::kUsage;
}

}  // namespace

std::string to_json_text(const Introduction& introduction) {
  const nlohmann::json json{{"name", introduction.name},
                            {"version", introduction.version},
                            {"fingerprint", introduction.fingerprint},
                            {"more", introduction.more},
                            {"patience_milliseconds", introduction.patience.count()}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Introduction read_introduction(const std::string& text) {
  constexpr size_t kMostNameBytes = 256;
  const nlohmann::json json =
      parse_json(text, {.bytes = kMostIntroductionBytes, .depth = 16, .values = 10'000});
  constexpr uint64_t kMostPatience = uint64_t{7} * 24 * 3600 * 1000;
  const JsonField field(json, "introduction", "install the same version on both machines");
  const auto patience = field.find("patience_milliseconds");
  return {.name = field.at("name").text(kMostNameBytes),
          .version = field.at("version").text(kMostNameBytes),
          .fingerprint = field.at("fingerprint").object(),
          .more = field.at("more").object(),
          .patience = std::chrono::milliseconds(patience ? patience->count(kMostPatience) : 0)};
}

ChannelError::ChannelError(Fault fault, const std::string& message)
    : Error(kind_of(fault), message), fault_(fault) {}

Handshake::Handshake(Side side, std::string secret, const Introduction& own, Refusal refusal)
    : side_(side),
      secret_(std::move(secret)),
      introduction_(to_json_text(own)),
      refusal_(std::move(refusal)),
      own_nonce_(text_of(random_bytes())),
      reader_({}) {
  expect(State::kGreeting);
}

/// Lets the reader accept only what the other end may send next.
void Handshake::expect(State state) {
  state_ = state;
  const bool is_head = side_ == Side::kHead;
  FrameLimits limits;
  if (!is_head) limits[kRefusal] = kMostRefusalBytes;
  if (state == State::kGreeting) limits[is_head ? kHello : kChallenge] = kMostGreetingBytes;
  if (state == State::kProof) limits[is_head ? kMemberProof : kHeadProof] = sizeof(MessageCode);
  if (state == State::kIntroduction)
    limits[is_head ? kMemberIntroduction : kHeadIntroduction] = kMostIntroductionBytes;
  if (state != State::kDone) reader_.set_limits(std::move(limits));
}

void Handshake::write_text(uint32_t kind, std::string_view text, std::string& out) {
  writer_.write(kind, std::as_bytes(std::span(text)), out);
}

void Handshake::greet(std::string& out) {
  std::string greeting;
  for (size_t i = 0; i < kProtocolBytes; ++i)
    greeting += static_cast<char>(kChannelProtocol >> (8 * i) & 0xff);
  write_text(side_ == Side::kHead ? kChallenge : kHello, greeting + own_nonce_, out);
}

void Handshake::start(std::string& out) {
  if (side_ == Side::kMember) greet(out);
}

void Handshake::take(std::span<const std::byte> bytes, std::string& out) {
  reader_.take(bytes);
  while (!is_done()) {
    std::optional<Frame> frame;
    try {
      frame = reader_.next();
    } catch (const BadFrame& bad) {
      const bool is_known = state_ != State::kGreeting;
      throw ChannelError(is_known ? Fault::kLost : Fault::kOtherProgram,
                         fmt::format("it sent {}", bad.what()));
    }
    if (!frame) return;
    take_frame(*frame, out);
  }
}

void Handshake::take_frame(const Frame& frame, std::string& out) {
  if (frame.kind == kRefusal) {
    const Fault fault = fault_in(frame.payload);
    const std::string text = frame.payload.empty() ? "" : printable(frame.payload.substr(1));
    throw ChannelError(fault, text);
  }
  if (state_ == State::kGreeting) return take_greeting(frame, out);
  if (state_ == State::kProof) return take_proof(frame, out);
  take_introduction(frame, out);
}

void Handshake::take_greeting(const Frame& frame, std::string& out) {
  if (frame.payload.size() < kProtocolBytes)
    throw ChannelError(Fault::kOtherProgram, "it sent a short greeting");
  const uint32_t protocol = protocol_in(frame.payload);
  if (protocol != kChannelProtocol) {
    if (side_ == Side::kMember) throw ChannelError(Fault::kOtherProtocol, other_protocol(protocol));
    greet(out);  // with the number, by which the member knows
    throw ChannelError(Fault::kOtherProtocol, other_protocol(protocol));
  }
  if (frame.payload.size() != kProtocolBytes + kNonceBytes)
    throw ChannelError(Fault::kOtherProgram, "it sent a greeting of another length");
  peer_nonce_ = frame.payload.substr(kProtocolBytes);
  if (side_ == Side::kHead) {
    greet(out);
  } else {
    write_text(kMemberProof, text_of(proof_of(Side::kMember)), out);
  }
  expect(State::kProof);
}

std::string Handshake::nonces() const {
  return side_ == Side::kMember ? own_nonce_ + peer_nonce_ : peer_nonce_ + own_nonce_;
}

MessageCode Handshake::proof_of(Side side) const {
  return message_code(secret_,
                      fmt::format("pretrain {} {}", side == Side::kHead ? "head" : "member", nonces()));
}

void Handshake::take_proof(const Frame& frame, std::string& out) {
  const MessageCode expected = proof_of(side_ == Side::kHead ? Side::kMember : Side::kHead);
  MessageCode given{};
  const auto bytes = std::as_bytes(std::span(frame.payload));
  const bool is_whole = bytes.size() == given.size();
  if (is_whole) std::copy(bytes.begin(), bytes.end(), given.begin());
  if (!is_whole || !is_same_code(given, expected)) refuse(Fault::kOtherSecret, "it has another secret", out);
  if (side_ == Side::kHead) write_text(kHeadProof, text_of(proof_of(Side::kHead)), out);
  session_ = derived_key(secret_, fmt::format("pretrain session {}", nonces()));
  const std::string member_key = derived_key(secret_, fmt::format("pretrain member writes {}", nonces()));
  const std::string head_key = derived_key(secret_, fmt::format("pretrain head writes {}", nonces()));
  writer_.set_key(side_ == Side::kHead ? head_key : member_key);
  reader_.set_key(side_ == Side::kHead ? member_key : head_key);
  if (side_ == Side::kMember) write_text(kMemberIntroduction, introduction_, out);
  expect(State::kIntroduction);
}

void Handshake::take_introduction(const Frame& frame, std::string& out) {
  try {
    peer_ = read_introduction(frame.payload);
  } catch (const Error& error) {
    refuse(Fault::kRejected, fmt::format("it introduces itself wrongly: {}", error.what()), out);
  }
  if (side_ == Side::kHead) {
    if (const auto reason = refusal_ ? refusal_(peer_) : std::nullopt) refuse(Fault::kRejected, *reason, out);
    write_text(kHeadIntroduction, introduction_, out);
  }
  expect(State::kDone);
}

void Handshake::refuse(Fault fault, const std::string& text, std::string& out) {
  if (side_ == Side::kHead) {
    std::string refusal(1, static_cast<char>(fault));
    refusal += text.substr(0, kMostRefusalBytes - 1);
    write_text(kRefusal, refusal, out);
  }
  throw ChannelError(fault, text);
}

}  // namespace pretrain
