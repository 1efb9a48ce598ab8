#pragma once
// What has to be equal for a resume to be bit for bit: processor, program, libraries.

#include <string>

#include <nlohmann/json.hpp>

namespace pretrain {

/// Processor model, vector target, and the content hashes of this program's file and of those shared
/// libraries that have a part in the numbers (`libraries`, an object with one entry for each by name).
nlohmann::json machine_fingerprint();

/// Names the entries that differ, libraries one by one, or is empty. Versions before 0.2 saved no libraries:
/// they may differ, and the text says so. `saved` may be anything that a file holds.
std::string fingerprint_difference(const nlohmann::json& saved, const nlohmann::json& current);

}  // namespace pretrain
