#include "libs/data/evaluation_data.h"

#include "libs/base/hash.h"

namespace pretrain {

std::string hash_of(const EvaluationData& data) {
  const uint64_t inputs = hash64(std::as_bytes(std::span(data.inputs)), data.context);
  return hex64(hash64(std::as_bytes(std::span(data.targets)), inputs));
}

}  // namespace pretrain
