#pragma once
// The machine's measured peak: what utilisation figures are divided by.

#include <chrono>
#include <string>

#include "libs/tensor/compute.h"

namespace pretrain {

/// Highest rate of a register-only float32 multiply-add loop on all threads at once, in FLOP/s.
/// Takes about `duration`; the best of its short rounds counts, so that a noisy neighbour does not lower it.
double measure_fma_peak(Compute& compute, std::chrono::milliseconds duration);

/// The vector instruction set that the kernels run with, for example "AVX3".
std::string vector_target();

}  // namespace pretrain
