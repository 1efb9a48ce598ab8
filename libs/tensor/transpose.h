#pragma once
// Transposition of row-major float matrices. Thread-compatible.

#include <cstdint>

namespace pretrain {

/// out[c, r] = in[r, c] on the calling thread. Shapes: in [rows, columns], out [columns, rows].
void transpose_block(const float* in, int64_t ld_in, int64_t rows, int64_t columns, float* out,
                     int64_t ld_out);

}  // namespace pretrain
