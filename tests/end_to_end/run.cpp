// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/run.h"

namespace pretrain::test {

std::filesystem::path binary() {
  return PRETRAIN_BINARY;
}

}  // namespace pretrain::test
