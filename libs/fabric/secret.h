// SPDX-License-Identifier: Apache-2.0
#pragma once
// The secret that all machines of a run share, and proofs of having it. Stateless, thread-safe.

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "libs/base/file.h"

namespace pretrain {

/// A code that only the owners of a key can make for a message: HMAC-SHA-256.
/// Source: RFC 2104, FIPS 180-4.
using MessageCode = std::array<std::byte, 32>;
MessageCode message_code(std::string_view key, std::span<const std::byte> message);
MessageCode message_code(std::string_view key, std::string_view message);

/// Compares in a time that does not depend on where they differ.
bool is_same_code(const MessageCode& a, const MessageCode& b);

/// Bytes that nobody can guess.
std::array<std::byte, 32> random_bytes();

/// A key for one purpose, such as one generation's fabric: it says nothing about the secret or other keys.
std::string derived_key(std::string_view secret, std::string_view purpose);

/// Fewest bytes of a secret. A recorded start lets an attacker try guesses, so it must not be guessable.
inline constexpr size_t kFewestSecretBytes = 16;

/// The content of a file without white space at both ends.
/// Errors: kUsage when there is none, when others may read it, or when it is shorter than kFewestSecretBytes;
/// IoError, also for more than 4,096 bytes.
std::string read_secret(const Path& path);

/// A new secret of 64 hexadecimal digits, for write_private_file().
std::string make_secret();

}  // namespace pretrain
