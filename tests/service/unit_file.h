// SPDX-License-Identifier: Apache-2.0
#pragma once
// The service's unit file as a test reads it, and the confinement that it asks for.

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace pretrain::test {

std::filesystem::path unit_file();

/// The values of a key, in the order of the file.
std::vector<std::string> unit_values(const std::string& key);

/// Names of the system calls that SystemCallFilter leaves, groups expanded by systemd-analyze.
std::set<std::string> allowed_system_calls();

/// MemoryMax in bytes on this machine.
uint64_t memory_limit_bytes();

/// Puts the calling process under the unit's system-call filter (others fail with EPERM), its memory limit
/// and, where the kernel can, its ban on memory that is writable and executable. False when the kernel
/// refuses.
bool confine(const std::set<std::string>& allowed, uint64_t memory_bytes);

}  // namespace pretrain::test
