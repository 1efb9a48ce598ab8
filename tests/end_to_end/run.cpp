#include "tests/end_to_end/run.h"

namespace pretrain::test {

std::filesystem::path binary() {
  return PRETRAIN_BINARY;
}

}  // namespace pretrain::test
