// SPDX-License-Identifier: Apache-2.0
#pragma once
// Checks files against the documents that describe them (FORMAT.md): tables whose rows are
// "| `key.path` | type, optional | ... |" below a heading. Pure functions.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/checkpoint/safetensors.h"

namespace pretrain::test {

struct FormatKey {
  std::string type;  ///< as written, such as "number or null" or "F32 [V, C]"
  bool optional = false;
};

/// By path, such as "files[].name".
using FormatKeys = std::map<std::string, FormatKey>;

/// The keys in the table below the heading of this title; empty when there is none.
FormatKeys format_keys(std::string_view document, std::string_view title);

/// The titles of this level ("##" or "###") below the heading `within`.
std::vector<std::string> format_titles(std::string_view document, std::string_view within);

/// What differs between a JSON value and its table: keys that are not documented, documented keys that are
/// absent and not optional, and other types. A line each.
std::vector<std::string> format_faults(const FormatKeys& keys, const nlohmann::json& value);

/// The same of the tensors and the metadata of a file, with the numbers of dimensions.
std::vector<std::string> format_faults(const FormatKeys& keys, const SafetensorsFile& file);

}  // namespace pretrain::test
