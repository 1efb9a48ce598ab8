// SPDX-License-Identifier: Apache-2.0
#pragma once
// The error that ends a run whose steps are no longer finite.

#include <cstdint>
#include <optional>
#include <string>

#include "libs/base/error.h"

namespace pretrain {

/// Consecutive steps were not finite, also when they were repeated. Nothing is saved: the user continues from
/// an earlier checkpoint. A restart would only repeat it, so its kind is kData, for which a service is not
/// restarted.
class Diverged : public Error {
 public:
  struct Facts {
    uint64_t first_step = 0, last_step = 0;   ///< the steps that were not finite
    std::optional<uint64_t> checkpoint_step;  ///< the newest checkpoint, before these steps
  };

  Diverged(const std::string& message, const Facts& facts)
      : Error(ErrorKind::kData, message), facts_(facts) {}

  const Facts& facts() const { return facts_; }

 private:
  Facts facts_;
};

}  // namespace pretrain
