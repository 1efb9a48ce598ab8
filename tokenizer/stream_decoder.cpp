// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/stream_decoder.h"

#include "tokenizer/tokenizer.h"

namespace pretrain {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer)
    : tokenizer_(tokenizer), text_(tokenizer.replaced()) {}

std::string StreamDecoder::push(uint32_t id) {
  return text_.push(tokenizer_.bytes_of(id));
}

std::string StreamDecoder::flush() {
  return text_.flush();
}

}  // namespace pretrain
