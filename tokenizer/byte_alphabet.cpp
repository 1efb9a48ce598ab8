// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/byte_alphabet.h"

#include <array>

#include "libs/base/utf8.h"

namespace pretrain {
namespace {

constexpr uint32_t kBytes = 256;
constexpr uint32_t kFirstOther = 0x100;

constexpr bool is_its_own_letter(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

/// The letter of each byte.
constexpr std::array<uint32_t, kBytes> make_letters() {
  std::array<uint32_t, kBytes> letters{};
  uint32_t next = kFirstOther;
  for (uint32_t byte = 0; byte < kBytes; ++byte) letters[byte] = is_its_own_letter(byte) ? byte : next++;
  return letters;
}

constexpr std::array<uint32_t, kBytes> kLetters = make_letters();
constexpr int kNone = -1;

/// The byte of each letter, or kNone.
constexpr std::array<int, 2 * kBytes> make_bytes() {
  std::array<int, 2 * kBytes> bytes{};
  bytes.fill(kNone);
  for (uint32_t byte = 0; byte < kBytes; ++byte) bytes[kLetters[byte]] = static_cast<int>(byte);
  return bytes;
}

constexpr std::array<int, 2 * kBytes> kBytesOf = make_bytes();

}  // namespace

std::string to_byte_letters(std::string_view bytes) {
  std::string letters;
  for (const char byte : bytes) append_utf8(kLetters[static_cast<unsigned char>(byte)], letters);
  return letters;
}

std::optional<std::string> from_byte_letters(std::string_view letters) {
  std::string bytes;
  while (!letters.empty()) {
    const Utf8Character letter = read_utf8(letters);
    if (letter.state != Utf8Character::State::kValid) return std::nullopt;
    if (letter.code_point >= kBytesOf.size() || kBytesOf[letter.code_point] == kNone) return std::nullopt;
    bytes += static_cast<char>(kBytesOf[letter.code_point]);
    letters.remove_prefix(letter.bytes);
  }
  return bytes;
}

}  // namespace pretrain
