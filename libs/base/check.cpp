// SPDX-License-Identifier: Apache-2.0
#include "libs/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace pretrain::detail {

void check_failed(const char* file, int line, const char* condition, const std::string& detail) {
  std::fprintf(stderr, "%s:%d: check failed: %s: %s\n", file, line, condition, detail.c_str());
  std::abort();
}

}  // namespace pretrain::detail
