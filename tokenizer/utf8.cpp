#include "tokenizer/utf8.h"

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
  if (first < 0x80) return {State::kValid, 1, first};
  const Lead lead = classify(first);
  if (lead.bytes == 0) return {};
  uint32_t code_point = first & (0x7Fu >> lead.bytes);
  for (size_t i = 1; i < lead.bytes; ++i) {
    if (i == text.size()) return {.state = State::kIncomplete};
    const unsigned least = i == 1 ? lead.second_least : 0x80;
    const unsigned most = i == 1 ? lead.second_most : 0xBF;
    if (byte(i) < least || byte(i) > most) return {};
    code_point = code_point << 6 | (byte(i) & 0x3F);
  }
  return {State::kValid, lead.bytes, code_point};
}

}  // namespace pretrain
