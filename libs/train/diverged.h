#pragma once
// The end of a run from which no step works any more.

#include <cstdint>
#include <optional>
#include <string>

#include "libs/base/error.h"

namespace pretrain {

/// Consecutive steps were not finite, also when they were repeated. Nothing is saved for it: the checkpoints
/// from before are what a way out begins with. A restart would only repeat it, so it counts as a checkpoint
/// that can't be used (kData), for which a service is not restarted.
class Diverged : public Error {
 public:
  struct Facts {
    uint64_t first_step = 0, last_step = 0;   ///< those that were not finite
    std::optional<uint64_t> checkpoint_step;  ///< the newest checkpoint, from before them
  };

  Diverged(const std::string& message, const Facts& facts)
      : Error(ErrorKind::kData, message), facts_(facts) {}

  const Facts& facts() const { return facts_; }

 private:
  Facts facts_;
};

}  // namespace pretrain
