// SPDX-License-Identifier: Apache-2.0
#include "libs/base/utf8.h"

#include <algorithm>

#include "libs/base/check.h"

namespace pretrain {
namespace {

using State = Utf8Character::State;

struct Lead {
  size_t bytes = 0;  // 0: no character starts so
  unsigned second_least = 0x80;
  unsigned second_most = 0xBF;
};

Lead classify(unsigned byte) {
  if (byte < 0xC2) return {};
  if (byte < 0xE0) return {.bytes = 2};
  if (byte == 0xE0) return {.bytes = 3, .second_least = 0xA0};
  if (byte == 0xED) return {.bytes = 3, .second_most = 0x9F};  // surrogates
  if (byte < 0xF0) return {.bytes = 3};
  if (byte == 0xF0) return {.bytes = 4, .second_least = 0x90};
  if (byte < 0xF4) return {.bytes = 4};
  if (byte == 0xF4) return {.bytes = 4, .second_most = 0x8F};
  return {};
}

}  // namespace

Utf8Character read_utf8(std::string_view text) {
  PRETRAIN_CHECK(!text.empty(), "read_utf8 of an empty text");
  const auto byte = [&](size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
  const unsigned first = byte(0);
  if (first < 0x80) return {State::kValid, 1, 1, first};
  const Lead lead = classify(first);
  if (lead.bytes == 0) return {};
  uint32_t code_point = first & (0x7Fu >> lead.bytes);
  for (size_t i = 1; i < lead.bytes; ++i) {
    if (i == text.size()) return {.state = State::kIncomplete, .part_bytes = i};
    const unsigned least = i == 1 ? lead.second_least : 0x80;
    const unsigned most = i == 1 ? lead.second_most : 0xBF;
    if (byte(i) < least || byte(i) > most) return {.part_bytes = i};
    code_point = code_point << 6 | (byte(i) & 0x3F);
  }
  return {State::kValid, lead.bytes, lead.bytes, code_point};
}

size_t utf8_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : classify(byte).bytes;
}

void append_utf8(uint32_t code_point, std::string& text) {
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
    return;
  }
  const int trails = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
  constexpr int kLeads[] = {0, 0xC0, 0xE0, 0xF0};
  text += static_cast<char>(kLeads[trails] | static_cast<int>(code_point >> (6 * trails)));
  for (int shift = 6 * (trails - 1); shift >= 0; shift -= 6) {
    text += static_cast<char>(0x80 | ((code_point >> shift) & 0x3F));
  }
}

std::string Utf8Stream::push(std::string_view bytes) {
  held_ += bytes;
  std::string text;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const Utf8Character character = read_utf8(rest);
    if (character.state == State::kIncomplete) break;
    const bool is_valid = character.state == State::kValid;
    text += is_valid ? rest.substr(0, character.bytes) : kReplacementCharacter;
    rest.remove_prefix(!is_valid && replaced_ == Replaced::kPart ? character.part_bytes : character.bytes);
  }
  held_ = std::string(rest);
  return text;
}

std::string Utf8Stream::flush() {
  // What is held is a single part: the beginning of one character.
  const size_t count = replaced_ == Replaced::kPart ? std::min<size_t>(held_.size(), 1) : held_.size();
  std::string text;
  for (size_t i = 0; i < count; ++i) text += kReplacementCharacter;
  held_.clear();
  return text;
}

}  // namespace pretrain
