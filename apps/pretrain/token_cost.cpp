// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/token_cost.h"

namespace pretrain {

TokenCost fit_token_cost(const TokenSample& narrow, const TokenSample& medium) {
  const TokenWork& n = narrow.work;
  const TokenWork& m = medium.work;
  const double determinant = n.operations * m.values - m.operations * n.values;
  const TokenCost by_operations{medium.seconds / m.operations, 0};
  if (determinant == 0) return by_operations;
  const TokenCost cost{(narrow.seconds * m.values - medium.seconds * n.values) / determinant,
                       (n.operations * medium.seconds - m.operations * narrow.seconds) / determinant};
  return cost.per_operation > 0 && cost.per_value >= 0 ? cost : by_operations;
}

}  // namespace pretrain
