// SPDX-License-Identifier: Apache-2.0
#include "libs/base/json.h"

#include <cerrno>
#include <cmath>
#include <set>
#include <utility>

#include "libs/base/text.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;

constexpr size_t kShownBytes = 80;  // of a name in a message

std::string shown(std::string_view name) {
  if (name.size() <= kShownBytes) return printable(name);
  return printable(name.substr(0, kShownBytes)) + "...";
}

[[noreturn]] void refuse(const std::string& reason) {
  throw Error(ErrorKind::kData, reason);
}

/// Builds the document while it counts. nlohmann's parser itself holds one bit for each level and its text.
class BoundedBuilder : public nlohmann::json_sax<Json> {
 public:
  BoundedBuilder(const JsonLimits& limits, const OnJsonMember* on_member)
      : limits_(limits), on_member_(on_member) {}

  Json take() { return std::move(document_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // not part of JSON texts
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto& members = open_.back()->get_ref<Json::object_t&>();
    const auto [place, is_new] = members.try_emplace(name);
    if (!is_new || (hands_on() && !names_.insert(name).second)) {
      refuse(fmt::format("it has the key '{}' twice", shown(name)));
    }
    slot_ = &place->second;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    refuse(fmt::format("it is not JSON at byte {}", position));
  }

 private:
  /// Whether what is read next is a member of the outermost object, to be handed on.
  bool hands_on() const { return on_member_ != nullptr && open_.size() == 1; }

  Json* place(Json&& value) {
    if (hands_on()) values_ = 0;
    if (++values_ > limits_.values) refuse(fmt::format("it has more than {} values", limits_.values));
    if (open_.empty()) {
      document_ = std::move(value);
      return &document_;
    }
    if (open_.back()->is_array()) return &open_.back()->emplace_back(std::move(value));
    *slot_ = std::move(value);
    return slot_;
  }

  bool add(Json value) {
    place(std::move(value));
    hand_on();
    return true;
  }

  bool open(Json&& value) {
    if (open_.size() == limits_.depth) {
      refuse(fmt::format("it is nested more than {} levels deep", limits_.depth));
    }
    const bool must_be_object = on_member_ != nullptr && open_.empty();
    if (must_be_object && !value.is_object()) refuse("it is not an object");
    open_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    hand_on();
    return true;
  }

  void hand_on() {
    if (!hands_on()) return;
    auto& members = open_.back()->get_ref<Json::object_t&>();
    const auto& [name, value] = *members.begin();  // the only one
    (*on_member_)(name, value);
    members.clear();
  }

  const JsonLimits& limits_;
  const OnJsonMember* on_member_;
  Json document_;
  std::vector<Json*> open_;      // the containers around what is read next, outermost first
  Json* slot_ = nullptr;         // of the newest key
  std::set<std::string> names_;  // of members that were handed on
  size_t values_ = 0;
};

Json parse(std::string_view text, const JsonLimits& limits, const OnJsonMember* on_member) {
  if (text.size() > limits.bytes) refuse(fmt::format("it is larger than {}", format_bytes(limits.bytes)));
  // The parser would take a zero byte for the end of its input and ignore the rest.
  if (text.find('\0') != std::string_view::npos) refuse("it has a zero byte");
  BoundedBuilder builder(limits, on_member);
  if (!Json::sax_parse(text, &builder)) refuse("it is not JSON");
  return builder.take();
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const JsonLimits& limits) {
  return parse(text, limits, nullptr);
}

void parse_json_members(std::string_view text, const JsonLimits& limits, const OnJsonMember& on_member) {
  if (!parse(text, limits, &on_member).is_object()) refuse("it is not an object");
}

nlohmann::json read_json(const Path& path, Links links, const JsonLimits& limits) {
  try {
    return parse_json(read_file(path, limits.bytes, links), limits);
  } catch (const IoError& error) {
    if (error.code() != EFBIG) throw;
    fail(ErrorKind::kData, "{}", error.what());
  } catch (const Error& error) {
    fail(ErrorKind::kData, "{}: {}", path.native(), error.what());
  }
}

JsonField::JsonField(const nlohmann::json& document, std::string file, std::string remedy)
    : value_(&document),
      origin_(std::make_shared<Origin>(Origin{.file = std::move(file), .remedy = std::move(remedy)})) {}

std::string JsonField::key_below(std::string_view name) const {
  return key_.empty() ? std::string(name) : fmt::format("{}.{}", key_, name);
}

void JsonField::fail_because(std::string_view problem) const {
  const std::string reason =
      fmt::format("{} {}", key_.empty() ? "it" : fmt::format("'{}'", shown(key_)), problem);
  throw JsonFieldError(fmt::format("{}: {}; {}", origin_->file, reason, origin_->remedy), reason);
}

const nlohmann::json& JsonField::object() const {
  if (!value_->is_object()) fail_because("is not an object");
  return *value_;
}

std::optional<JsonField> JsonField::find(std::string_view key) const {
  const auto found = object().find(key);
  if (found == value_->end()) return std::nullopt;
  return JsonField(*found, origin_, key_below(key));
}

JsonField JsonField::at(std::string_view key) const {
  if (const auto found = find(key)) return *found;
  JsonField(*value_, origin_, key_below(key)).fail_because("is missing");
}

std::vector<JsonField> JsonField::elements(size_t most) const {
  if (!value_->is_array() || value_->size() > most) {
    fail_because(fmt::format("is not a list of at most {} entries", most));
  }
  std::vector<JsonField> fields;
  for (size_t i = 0; i < value_->size(); ++i) {
    fields.push_back(JsonField((*value_)[i], origin_, fmt::format("{}[{}]", key_, i)));
  }
  return fields;
}

uint64_t JsonField::count(uint64_t most) const {
  const bool fits =
      value_->is_number_unsigned() || (value_->is_number_integer() && value_->get<int64_t>() >= 0);
  if (!fits || value_->get<uint64_t>() > most) {
    fail_because(fmt::format("is not a whole number of at most {}", most));
  }
  return value_->get<uint64_t>();
}

int64_t JsonField::integer(int64_t least, int64_t most) const {
  const bool fits = value_->is_number_unsigned() ? value_->get<uint64_t>() <= uint64_t{INT64_MAX}
                                                 : value_->is_number_integer();
  if (!fits || value_->get<int64_t>() < least || value_->get<int64_t>() > most) {
    fail_because(fmt::format("is not a whole number from {} to {}", least, most));
  }
  return value_->get<int64_t>();
}

double JsonField::number() const {
  if (!value_->is_number() || !std::isfinite(value_->get<double>())) fail_because("is not a number");
  return value_->get<double>();
}

bool JsonField::flag() const {
  if (!value_->is_boolean()) fail_because("is neither true nor false");
  return value_->get<bool>();
}

const std::string& JsonField::text(size_t most_bytes) const {
  const auto* text = value_->get_ptr<const std::string*>();
  if (text == nullptr || text->size() > most_bytes) {
    fail_because(fmt::format("is not a text of at most {} bytes", most_bytes));
  }
  return *text;
}

}  // namespace pretrain
