// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads JSON from files, with limits while parsing and strict types while reading. Hostile text can't use
// more stack or memory than the limits allow. A field of the wrong type is an error that names file and key;
// nothing is converted. Stateless, thread-safe.
//
//   const nlohmann::json json = read_json(path, Links::kRefuse);
//   const JsonField field(json, path.string(), "use an older checkpoint");
//   const uint64_t step = field.at("step").count();  // "state.json: 'step' is missing; use an older
//   checkpoint"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/file.h"

namespace pretrain {

/// Limits of a text. Depth also matters after parsing, because nlohmann::json copies and compares
/// recursively.
struct JsonLimits {
  uint64_t bytes = uint64_t{16} << 20;
  size_t depth = 32;        ///< objects and arrays inside each other
  size_t values = 100'000;  ///< of any kind, in the whole text
};

/// One document, with nothing after it and no key twice in an object.
/// Errors: kData, a short reason without the name of the file, such as "it is nested more than 32 levels
/// deep".
nlohmann::json parse_json(std::string_view text, const JsonLimits& limits = {});

using OnJsonMember = std::function<void(const std::string& key, const nlohmann::json& value)>;

/// The same for an object with many members, of which only one is in memory at a time. `limits.values`
/// applies to each member.
/// Errors: as parse_json(), and any exception from `on_member`.
void parse_json_members(std::string_view text, const JsonLimits& limits, const OnJsonMember& on_member);

/// parse_json() of a file.
/// Errors: kData, naming the path; IoError when it can't be read.
nlohmann::json read_json(const Path& path, Links links, const JsonLimits& limits = {});

/// A field that is missing or not as required.
class JsonFieldError : public Error {
 public:
  JsonFieldError(const std::string& message, std::string reason)
      : Error(ErrorKind::kData, message), reason_(std::move(reason)) {}
  /// The message without file and remedy, such as "'step' is missing".
  const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

/// A value with its file and key, for error messages. A view: the document must outlive it.
/// All functions throw JsonFieldError, which names file and key, the violated rule, and the remedy.
class JsonField {
 public:
  /// `remedy` ends each message, such as "use an older checkpoint".
  JsonField(const nlohmann::json& document, std::string file, std::string remedy);

  const nlohmann::json& json() const { return *value_; }
  bool is_null() const { return value_->is_null(); }

  /// A member of an object.
  JsonField at(std::string_view key) const;
  /// Nothing when there is no such member.
  std::optional<JsonField> find(std::string_view key) const;
  /// The elements of an array of at most `most`.
  std::vector<JsonField> elements(size_t most) const;

  /// An integer from 0 to `most`.
  uint64_t count(uint64_t most = kMostCount) const;
  int64_t integer(int64_t least, int64_t most) const;
  /// A finite number.
  double number() const;
  bool flag() const;
  const std::string& text(size_t most_bytes = 65536) const;
  /// Requires an object and returns it as it is.
  const nlohmann::json& object() const;

  /// Throws the error that all functions throw. `problem` continues "FILE: KEY ".
  [[noreturn]] void fail_because(std::string_view problem) const;

  /// The largest integer that a double holds exactly, so that every program reads the same number.
  static constexpr uint64_t kMostCount = uint64_t{1} << 53;

 private:
  struct Origin {
    std::string file;
    std::string remedy;
  };
  JsonField(const nlohmann::json& value, std::shared_ptr<const Origin> origin, std::string key)
      : value_(&value), origin_(std::move(origin)), key_(std::move(key)) {}
  std::string key_below(std::string_view name) const;

  const nlohmann::json* value_;
  std::shared_ptr<const Origin> origin_;
  std::string key_;  // such as "guard.recorded[2].step"; empty: the document
};

}  // namespace pretrain
