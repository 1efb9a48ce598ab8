#include "libs/train/fingerprint.h"

#include "libs/base/file.h"
#include "libs/base/machine.h"
#include "libs/checkpoint/verify.h"
#include "libs/tensor/peak.h"

namespace pretrain {

nlohmann::json machine_fingerprint() {
  nlohmann::json fingerprint = {{"processor", inspect_machine().processor},
                                {"vector_target", vector_target()}};
  try {
    fingerprint["program"] = hash_file(std::filesystem::read_symlink("/proc/self/exe")).hash;
  } catch (const std::exception&) {
    fingerprint["program"] = "unknown";  // the file may be gone after an upgrade
  }
  return fingerprint;
}

std::string fingerprint_difference(const nlohmann::json& saved, const nlohmann::json& current) {
  std::string names;
  for (const auto& [key, value] : current.items()) {
    if (saved.value(key, nlohmann::json()) == value) continue;
    if (!names.empty()) names += ", ";
    names += key;
  }
  return names;
}

}  // namespace pretrain
