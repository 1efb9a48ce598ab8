// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/processor_choice.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "libs/base/error.h"
#include "libs/base/text.h"
#include "libs/tensor/precision.h"

namespace pretrain {

void limit_processor() {
  const char* value = std::getenv("PRETRAIN_CPU");
  if (value == nullptr) return;
  const std::vector<InstructionSet> all = instruction_sets();
  if (all.empty()) fail(ErrorKind::kUsage, "PRETRAIN_CPU has no effect on this kind of processor; unset it");
  std::vector<std::string_view> names, supported;
  for (const InstructionSet& set : all) {
    names.push_back(set.name);
    if (set.is_supported) supported.push_back(set.name);
  }
  if (std::ranges::find(names, value) == names.end()) {
    fail(ErrorKind::kUsage, "PRETRAIN_CPU must be one of {} (got '{}')", fmt::join(names, ", "),
         printable(value));
  }
  if (std::ranges::find(supported, value) == supported.end()) {
    fail(ErrorKind::kUsage, "PRETRAIN_CPU={}: this processor supports {}; use one of them or unset it", value,
         fmt::join(supported, ", "));
  }
  limit_instruction_set(value);
}

}  // namespace pretrain
