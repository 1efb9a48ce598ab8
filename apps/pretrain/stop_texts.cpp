// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/stop_texts.h"

#include <algorithm>
#include <utility>

namespace pretrain {

std::string StopTexts::push(std::string_view piece) {
  if (found_) return {};
  pending_ += piece;
  size_t end = std::string::npos;
  for (const std::string& text : texts_) end = std::min(end, pending_.find(text));
  found_ = end != std::string::npos;
  if (found_) {
    pending_.resize(end);
    return std::exchange(pending_, {});
  }
  const size_t shown = pending_.size() - held_back();
  std::string text = pending_.substr(0, shown);
  pending_.erase(0, shown);
  return text;
}

/// Bytes of the longest end that a stop text begins with.
size_t StopTexts::held_back() const {
  size_t longest = 0;
  for (const std::string& text : texts_) {
    for (size_t count = std::min(text.size() - 1, pending_.size()); count > longest; --count) {
      if (pending_.ends_with(std::string_view(text).substr(0, count))) longest = count;
    }
  }
  return longest;
}

std::string StopTexts::flush() {
  return std::exchange(pending_, {});
}

}  // namespace pretrain
