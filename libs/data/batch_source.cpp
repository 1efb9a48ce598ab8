// SPDX-License-Identifier: Apache-2.0
#include "libs/data/batch_source.h"

#include <algorithm>

#include "libs/base/error.h"

namespace pretrain {

const StreamState::Array& StreamState::array(std::string_view name) const {
  const auto found =
      std::find_if(arrays.begin(), arrays.end(), [&](const Array& a) { return a.name == name; });
  if (found != arrays.end()) return *found;
  fail(ErrorKind::kData, "checkpoint: loader state lacks '{}'; use an older checkpoint (resume --from STEP)",
       name);
}

}  // namespace pretrain
