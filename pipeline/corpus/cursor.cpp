#include "pipeline/corpus/cursor.h"

#include <nlohmann/json.hpp>

#include "libs/base/error.h"

namespace pretrain {

void to_json(nlohmann::json& json, const Cursor& cursor) {
  json = {{"epoch", cursor.epoch},
          {"region", cursor.region},
          {"offset", cursor.position.offset},
          {"inside", cursor.position.inside},
          {"begun", cursor.position.begun},
          {"ticket", cursor.ticket},
          {"delivered_pieces", cursor.delivered_pieces}};
}

void from_json(const nlohmann::json& json, Cursor& cursor) {
  try {
    json.at("epoch").get_to(cursor.epoch);
    json.at("region").get_to(cursor.region);
    json.at("offset").get_to(cursor.position.offset);
    json.at("inside").get_to(cursor.position.inside);
    json.at("begun").get_to(cursor.position.begun);
    json.at("ticket").get_to(cursor.ticket);
    json.at("delivered_pieces").get_to(cursor.delivered_pieces);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kData, "the position in the corpus is damaged ({}); use an older checkpoint",
         error.what());
  }
}

}  // namespace pretrain
