// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/cursor.h"

#include <nlohmann/json.hpp>

#include "libs/base/error.h"
#include "libs/base/json_reason.h"

namespace pretrain {

// The keys are part of the checkpoint format (libs/checkpoint/FORMAT.md).

void to_json(nlohmann::json& json, const Cursor& cursor) {
  json = {{"epoch", cursor.epoch},
          {"region", cursor.region},
          {"offset", cursor.position.offset},
          {"inside", cursor.position.inside},
          {"begun", cursor.position.begun},
          {"ticket", cursor.ticket},
          {"delivered_pieces", cursor.delivered_pieces}};
}

/// Only unsigned integers: the library would convert a negative number or a fraction without a word.
void from_json(const nlohmann::json& json, Cursor& cursor) {
  const auto read = [&](const char* field, auto& value) {
    const nlohmann::json& number = json.at(field);
    if (!number.is_number_unsigned())
      fail(ErrorKind::kData, "the position in the corpus is damaged ({} is {}); use an older checkpoint",
           field, number.dump());
    number.get_to(value);
  };
  try {
    read("epoch", cursor.epoch);
    read("region", cursor.region);
    read("offset", cursor.position.offset);
    read("inside", cursor.position.inside);
    json.at("begun").get_to(cursor.position.begun);
    read("ticket", cursor.ticket);
    read("delivered_pieces", cursor.delivered_pieces);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kData, "the position in the corpus is damaged ({}); use an older checkpoint",
         json_reason(error.what()));
  }
}

}  // namespace pretrain
