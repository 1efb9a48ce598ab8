// SPDX-License-Identifier: Apache-2.0
#pragma once
// Draws the loss of a run with characters.

#include <cstddef>
#include <string>

#include "libs/metrics/record_reader.h"

namespace pretrain {

struct TerminalCurveSize {
  size_t columns = 80;
  size_t rows = 10;  ///< of the curve, without the axis below it
  bool utf8 = true;  ///< whether the terminal shows more than ASCII
};

/// The loss over the steps as lines: training as a curve of dots (eight in a character), evaluations as 'o',
/// the axes with their numbers. Losses that exploded are above its upper edge. Empty when fewer than two steps
/// are known or there is no room.
std::string terminal_curve(const RunRecord& record, const TerminalCurveSize& size);

/// Whether the environment says that the terminal shows UTF-8.
bool terminal_shows_utf8();

}  // namespace pretrain
