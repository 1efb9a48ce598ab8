// SPDX-License-Identifier: Apache-2.0
#pragma once
// Decides where text is cut into pieces, and which text is held out from training. Both depend only on the
// text's bytes and the position in it, not on how the text is delivered. Thread-safe: pure functions.
//
// Cuts are near multiples of a grid size: at the last newline, else the last space, else the last character
// boundary in the kCutSlack bytes before the grid position. So each cut can be found without the text before
// it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/base/units.h"

namespace pretrain {

/// A longer document is held out by blocks, a shorter one as a whole.
constexpr size_t kLongDocumentBytes = 64_KiB;
/// Grid of the blocks of a long document.
constexpr size_t kBlockBytes = 4_KiB;
/// Grid of the pieces of a document that is decided as a whole.
constexpr size_t kPieceBytes = 8_KiB;
constexpr size_t kCutSlack = 1_KiB;

/// Where to cut near `target`: in (target - kCutSlack, target]. Never between CR and LF.
/// Requires: kCutSlack <= target < text.size(), and a few bytes after target unless the text ends there.
size_t cut_near(std::string_view text, size_t target);

/// Bytes from `position`, the beginning of the text or a cut, to the next grid cut, if the text is long
/// enough.
size_t distance_to_cut(uint64_t position, size_t grid);

/// The length of the block that begins at `position`, given what follows it.
/// Requires: `window` holds at least distance_to_cut(position, grid) + 4 bytes unless the text ends sooner.
size_t block_length(std::string_view window, uint64_t position, size_t grid);

/// Whether the share `fraction` of all texts, chosen by content, holds this one.
bool is_held_out(std::string_view text, double fraction);

/// CRLF becomes LF; a lone CR stays.
void unify_line_ends(std::string& text);

}  // namespace pretrain
