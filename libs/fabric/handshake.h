// SPDX-License-Identifier: Apache-2.0
#pragma once
// The start of a control connection, as bytes in and bytes out: both ends prove that they have the same secret, then say
// what they are. The secret itself is never sent, and what is sent proves nothing in another connection.
//
//   member                                   head
//   hello: protocol, random bytes        ->
//                                        <-  challenge: protocol, random bytes
//   proof: code over both random bytes   ->
//                                        <-  proof: another code over both
//   introduction (JSON)                  ->                                     from here on, frames carry codes
//                                        <-  introduction (JSON)
//
// Instead of its next answer the head may send a refusal: a fault and a line of text.
//
//   std::string out;                                       // on both ends
//   for (handshake.start(out); !handshake.is_done();) {
//     send(std::exchange(out, {}));
//     handshake.take(receive(), out);                      // throws ChannelError; send what is in `out` even then
//   }
//   send(out);
//   handshake.reader().set_limits(limits);                 // then messages: see frame.h

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include <nlohmann/json.hpp>

#include "libs/base/error.h"
#include "libs/fabric/frame.h"
#include "libs/fabric/secret.h"

namespace pretrain {

/// The version of what the two ends say to each other. Raise it with each change that another version would
/// misunderstand.
inline constexpr uint32_t kChannelProtocol = 1;

/// Kinds of messages are below this; the others belong to the channel.
inline constexpr uint32_t kChannelKinds = 0x10000;
/// A message without content that says that the sender is there.
inline constexpr uint32_t kAliveKind = 0x10007;

/// What each end says about itself once both know that the other one has the secret.
struct Introduction {
  std::string name;                                       ///< of the machine, for messages
  std::string version;                                    ///< of the program
  nlohmann::json fingerprint = nlohmann::json::object();  ///< processor, program, libraries: an object
  nlohmann::json more = nlohmann::json::object();         ///< for the layer above: an object
  /// The head's is that of both ends (ChannelOptions::patience); 0: not named.
  std::chrono::milliseconds patience{0};
};

/// As JSON, and back.
/// Errors: kData for what is no introduction.
std::string to_json_text(const Introduction& introduction);
Introduction read_introduction(const std::string& text);

/// A control connection could not be made, or is lost.
class ChannelError : public Error {
 public:
  enum class Fault {
    kUnreachable,    ///< no route, refused, no answer
    kOtherProgram,   ///< something else answers there
    kOtherProtocol,  ///< another version of this program
    kOtherSecret,
    kRejected,  ///< by the head, which says why
    kLost,      ///< ended, reset, silent, or sent what is no message
  };
  ChannelError(Fault fault, const std::string& message);

  Fault fault() const { return fault_; }
  /// Whether it makes sense to try again.
  bool may_pass() const { return fault_ == Fault::kUnreachable || fault_ == Fault::kLost; }

 private:
  Fault fault_;
};

/// One end's part. Single-owner.
class Handshake {
 public:
  enum class Side { kHead, kMember };
  /// Why a machine may not join, as one line for its user; empty when it may.
  using Refusal = std::function<std::optional<std::string>(const Introduction&)>;

  /// `refusal` is the head's.
  Handshake(Side side, std::string secret, const Introduction& own, Refusal refusal = {});

  /// Appends what this end says first.
  void start(std::string& out);
  /// Takes what came, and appends the answer.
  /// Errors: ChannelError with a reason that continues "HOST: "; what is in `out` still goes to the other end.
  void take(std::span<const std::byte> bytes, std::string& out);
  bool is_done() const { return state_ == State::kDone; }
  Side side() const { return side_; }

  /// Requires: is_done().
  const Introduction& peer() const { return peer_; }
  /// The same on both ends, known to nobody else, and different for each connection.
  const std::string& session() const { return session_; }
  /// For the messages that follow; the reader may have taken some of them already.
  FrameReader& reader() { return reader_; }
  FrameWriter& writer() { return writer_; }

 private:
  enum class State { kGreeting, kProof, kIntroduction, kDone };

  void take_frame(const Frame& frame, std::string& out);
  void take_greeting(const Frame& frame, std::string& out);
  void take_proof(const Frame& frame, std::string& out);
  void take_introduction(const Frame& frame, std::string& out);
  void expect(State state);
  void greet(std::string& out);
  std::string nonces() const;
  MessageCode proof_of(Side side) const;
  void write_text(uint32_t kind, std::string_view text, std::string& out);
  [[noreturn]] void refuse(ChannelError::Fault fault, const std::string& text, std::string& out);

  const Side side_;
  const std::string secret_;
  const std::string introduction_;
  const Refusal refusal_;
  State state_ = State::kGreeting;
  std::string own_nonce_, peer_nonce_;
  Introduction peer_;
  std::string session_;
  FrameReader reader_;
  FrameWriter writer_;
};

}  // namespace pretrain
