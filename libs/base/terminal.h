// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether standard error or standard output is a terminal, and how wide it is.

#include <cstddef>

namespace pretrain {

/// Whether standard error is a terminal that can redraw a line.
bool error_is_terminal();

/// Whether standard output is a terminal.
bool output_is_terminal();

/// Whether standard output is a terminal that can be cleared and written anew.
bool output_can_be_cleared();

/// Columns of the terminal that standard error is, and of that which standard output is; 80 when unknown.
size_t error_columns();
size_t output_columns();

}  // namespace pretrain
