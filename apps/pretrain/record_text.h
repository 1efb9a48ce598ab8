// SPDX-License-Identifier: Apache-2.0
#pragma once
// Values of a manifest's records as text for the user. A manifest may come from anywhere, so a missing member or one
// of another type is shown as it is, never an error.

#include <string>

#include <nlohmann/json.hpp>

#include "libs/base/text.h"

namespace pretrain {

/// A member as printable text, whatever its type: "?" if it is missing, "none" for an empty text.
inline std::string shown_value(const nlohmann::json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end()) return "?";
  if (!found->is_string())
    return printable(found->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  const auto& text = found->get_ref<const std::string&>();
  return text.empty() ? "none" : printable(text);
}

}  // namespace pretrain
