// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/blocks.h"

#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// Keeps the choice independent of other uses of the same hash. Never change it: resumed runs would train on
/// text that they had held out.
constexpr uint64_t kHoldOutSeed = 0x686f6c646f757431;

}  // namespace

/// Prefers the end of a line, then that of a word. The choice depends on the bytes around `target` alone, so a
/// reader that starts there finds the same cut as one that came from the beginning.
size_t cut_near(std::string_view text, size_t target) {
  PRETRAIN_CHECK(kCutSlack <= target && target < text.size(), "target {} in {}", target, text.size());
  const std::string_view slack = text.substr(target - kCutSlack, kCutSlack);
  for (const char preferred : {'\n', ' '}) {
    const size_t found = slack.rfind(preferred);
    if (found != std::string_view::npos) return target - kCutSlack + found + 1;
  }
  const size_t cut = utf8_boundary(text, target);
  return text[cut - 1] == '\r' && text[cut] == '\n' ? cut - 1 : cut;
}

size_t distance_to_cut(uint64_t position, size_t grid) {
  const uint64_t reached = (position + grid - 1) / grid;  // a cut for grid line k lies at or before k * grid
  return static_cast<size_t>((reached + 1) * grid - position);
}

size_t block_length(std::string_view window, uint64_t position, size_t grid) {
  const size_t target = distance_to_cut(position, grid);
  return window.size() <= target ? window.size() : cut_near(window, target);
}

/// The upper 53 bits of the hash as a number in [0, 1). A function of the text alone: a document is held out in
/// each epoch, in whatever file and place it is.
bool is_held_out(std::string_view text, double fraction) {
  if (fraction <= 0) return false;
  return static_cast<double>(hash64(text, kHoldOutSeed) >> 11) * 0x1.0p-53 < fraction;
}

void unify_line_ends(std::string& text) {
  size_t at = text.find("\r\n");
  if (at == std::string::npos) return;
  size_t out = at;
  for (; at < text.size(); ++at) {
    const bool dropped = text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n';
    if (!dropped) text[out++] = text[at];
  }
  text.resize(out);
}

}  // namespace pretrain
