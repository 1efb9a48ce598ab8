#include "tokenizer/stream_decoder.h"

#include <string_view>
#include <utility>

#include "libs/base/utf8.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

std::string StreamDecoder::push(uint32_t id) {
  held_ += tokenizer_.bytes_of(id);
  std::string text;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const Utf8Character character = read_utf8(rest);
    if (character.state == Utf8Character::State::kIncomplete) break;
    const bool valid = character.state == Utf8Character::State::kValid;
    text += valid ? rest.substr(0, character.bytes) : kReplacement;
    rest.remove_prefix(character.bytes);
  }
  held_ = std::string(rest);
  return text;
}

std::string StreamDecoder::flush() {
  std::string text;
  for (size_t i = 0; i < held_.size(); ++i) text += kReplacement;
  held_.clear();
  return text;
}

}  // namespace pretrain
