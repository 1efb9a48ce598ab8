// SPDX-License-Identifier: Apache-2.0
// The state.json of a checkpoint, whatever it holds: an error of one line, or numbers within their bounds.

#include <cstdint>
#include <string_view>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/train/checkpoint_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kStep = 42;
  try {
    const auto numbers =
        pretrain::parse_state({reinterpret_cast<const char*>(data), size}, "state.json", kStep);
    PRETRAIN_CHECK(numbers.run.step == kStep && numbers.run.trained_seconds >= 0, "step {}, {} s",
                   numbers.run.step, numbers.run.trained_seconds);
  } catch (const pretrain::Error& error) {
    const std::string_view line = error.what();
    PRETRAIN_CHECK(error.kind() == pretrain::ErrorKind::kData && line.size() < 1000, "{}", line);
  }
  return 0;
}
