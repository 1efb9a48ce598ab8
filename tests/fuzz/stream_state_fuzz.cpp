// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/pipeline/hostile_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pretrain::Packing;
  using pretrain::test::HostileState;
  static const HostileState concat(Packing::kConcat);
  static const HostileState chunk(Packing::kChunk);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const HostileState* state : {&concat, &chunk}) (void)state->survive(state->changed(bytes));
  return 0;
}
