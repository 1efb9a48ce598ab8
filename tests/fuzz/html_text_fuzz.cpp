// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "libs/base/check.h"
#include "pipeline/corpus/html_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const pretrain::HtmlText page = pretrain::html_text(bytes);
  PRETRAIN_CHECK(page.text.size() <= 8 * size + 64, "{} bytes of text from {}", page.text.size(), size);
  return 0;
}
