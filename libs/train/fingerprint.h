// SPDX-License-Identifier: Apache-2.0
#pragma once
// The fingerprint of a machine: processor, program and libraries, which must be equal for a bit-identical
// resume.

#include <string>

#include <nlohmann/json.hpp>

namespace pretrain {

/// Processor model, vector target, and the content hashes of this program's file and of the shared libraries
/// that affect results (`libraries`, an object with one entry for each name).
nlohmann::json machine_fingerprint();

/// Names the entries and libraries that differ; empty when none do. Versions before 0.2 did not save
/// libraries; then the text says that they may differ. `saved` may be any JSON.
std::string fingerprint_difference(const nlohmann::json& saved, const nlohmann::json& current);

}  // namespace pretrain
