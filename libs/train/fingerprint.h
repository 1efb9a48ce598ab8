#pragma once
// What has to be equal for a resume to be bit for bit: processor, binary, libraries.

#include <string>

#include <nlohmann/json.hpp>

namespace pretrain {

/// Processor model, vector target, hash of this program's file, versions of the libraries that compute.
nlohmann::json machine_fingerprint();

/// Names the entries that differ, or is empty.
std::string fingerprint_difference(const nlohmann::json& saved, const nlohmann::json& current);

}  // namespace pretrain
