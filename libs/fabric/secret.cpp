// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/secret.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <sodium.h>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/private_file.h"
#include "libs/base/text.h"

namespace pretrain {
namespace {

static_assert(std::tuple_size_v<MessageCode> == crypto_auth_hmacsha256_BYTES);

/// libsodium's own source of random numbers needs this before; repeating it costs nothing.
void need_sodium() {
  static const int started = sodium_init();
  PRETRAIN_CHECK(started >= 0, "libsodium does not start");
}

const unsigned char* unsigned_bytes(const void* data) {
  return static_cast<const unsigned char*>(data);
}

std::string hexadecimal(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

}  // namespace

MessageCode message_code(std::string_view key, std::span<const std::byte> message) {
  need_sodium();
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, unsigned_bytes(key.data()), key.size());
  crypto_auth_hmacsha256_update(&state, unsigned_bytes(message.data()), message.size());
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> code{};
  crypto_auth_hmacsha256_final(&state, code.data());
  MessageCode result;
  std::ranges::transform(code, result.begin(), [](unsigned char c) { return std::byte{c}; });
  return result;
}

MessageCode message_code(std::string_view key, std::string_view message) {
  return message_code(key, std::as_bytes(std::span(message)));
}

bool is_same_code(const MessageCode& a, const MessageCode& b) {
  return sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::array<std::byte, 32> random_bytes() {
  need_sodium();
  std::array<std::byte, 32> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

std::string derived_key(std::string_view secret, std::string_view purpose) {
  return hexadecimal(message_code(secret, purpose));
}

std::string read_secret(const Path& path) {
  constexpr size_t kMostBytes = 4096;
  const std::string name = path.string();
  if (!file_exists(path)) {
    fail(ErrorKind::kUsage,
         "there is no secret file {0}; make one with (umask 077; head -c 32 /dev/urandom | base64 > {0}) and "
         "copy it to all machines",
         name);
  }
  if (others_may_read(path))
    fail(ErrorKind::kUsage, "other users may read the secret file {0}; use chmod 600 {0}", name);
  const std::string content = read_file(path, kMostBytes);
  const std::string_view secret = trim_blanks(content);
  if (secret.size() < kFewestSecretBytes) {
    fail(ErrorKind::kUsage,
         "the secret in {} must have at least {} characters (got {}); make a longer one and copy it to all "
         "machines",
         name, kFewestSecretBytes, secret.size());
  }
  return std::string(secret);
}

std::string make_secret() {
  return hexadecimal(random_bytes());
}

}  // namespace pretrain
