// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stream_fields.h"

#include <algorithm>

#include "libs/base/error.h"

namespace pretrain {
namespace {

// A checkpoint is input like any other: a damaged or edited one must end in a message that names the field, never
// in a crash or in other text than that of the run.
const nlohmann::json& field_of(const nlohmann::json& object, const char* field) {
  const auto found = object.is_object() ? object.find(field) : object.end();
  if (found == object.end()) fail_stream(kScalarsFile, fmt::format("'{}' is missing", field));
  return *found;
}

/// Fails for the first value for which `bad` is true.
template <typename Value, typename Bad>
void check_values(std::span<const Value> values, uint32_t vocabulary, std::string_view name, const Bad& bad) {
  const auto found = std::ranges::find_if(values, bad);
  if (found == values.end()) return;
  fail_id(name, static_cast<uint64_t>(found - values.begin()), *found, vocabulary);
}

}  // namespace

void fail_id(std::string_view name, uint64_t place, int64_t id, uint32_t vocabulary) {
  fail_stream(kArraysFile,
              fmt::format("{}[{}] is {}, and the vocabulary has {} pieces", name, place, id, vocabulary));
}

void fail_stream(std::string_view file, const std::string& problem) {
  fail(ErrorKind::kData,
       "checkpoint: the loader's state in {} is damaged ({}); use an older checkpoint (resume --from STEP)",
       file, problem);
}

/// Only accepts unsigned integers: nlohmann::json would convert negative numbers and fractions silently.
template <typename Integer>
Integer number_in(const nlohmann::json& object, const char* field, Integer most) {
  const nlohmann::json& value = field_of(object, field);
  if (!value.is_number_unsigned() || value.get<uint64_t>() > most) {
    fail_stream(kScalarsFile, fmt::format("'{}' is not a whole number up to {}", field, most));
  }
  return static_cast<Integer>(value.get<uint64_t>());
}
template uint32_t number_in<uint32_t>(const nlohmann::json&, const char*, uint32_t);
template uint64_t number_in<uint64_t>(const nlohmann::json&, const char*, uint64_t);

/// Like number_in(), for each element.
std::vector<uint64_t> numbers_in(const nlohmann::json& object, const char* field) {
  const nlohmann::json& list = field_of(object, field);
  const bool fits = list.is_array() && std::ranges::all_of(list, [](const nlohmann::json& value) {
                      return value.is_number_unsigned();
                    });
  if (!fits) fail_stream(kScalarsFile, fmt::format("'{}' is not a list of whole numbers", field));
  return list.get<std::vector<uint64_t>>();
}

bool flag_in(const nlohmann::json& object, const char* field) {
  const nlohmann::json& value = field_of(object, field);
  if (!value.is_boolean()) fail_stream(kScalarsFile, fmt::format("'{}' is neither true nor false", field));
  return value.get<bool>();
}

StreamState::Array to_array(std::string name, std::span<const uint32_t> values) {
  const auto bytes = std::as_bytes(values);
  return {.name = std::move(name),
          .element_bytes = 4,
          .shape = {values.size()},
          .bytes = {bytes.begin(), bytes.end()}};
}

std::vector<uint32_t> values_of(const StreamState& state, std::string_view name) {
  const StreamState::Array& array = state.array(name);
  if (array.element_bytes != sizeof(uint32_t) || array.bytes.size() % sizeof(uint32_t) != 0) {
    fail_stream(kArraysFile, fmt::format("'{}' has elements of {} bytes, expected {}", name,
                                         array.element_bytes, sizeof(uint32_t)));
  }
  std::vector<uint32_t> values(array.bytes.size() / sizeof(uint32_t));
  std::ranges::copy(array.bytes, std::as_writable_bytes(std::span(values)).begin());
  return values;
}

/// An id beyond the vocabulary would be a row beyond the embedding.
void check_ids(std::span<const uint32_t> ids, uint32_t vocabulary, std::string_view name) {
  check_values(ids, vocabulary, name, [&](uint32_t id) { return id >= vocabulary; });
}

/// -1 is a target that doesn't count: padding.
void check_targets(std::span<const int32_t> targets, uint32_t vocabulary, std::string_view name) {
  check_values(targets, vocabulary, name,
               [&](int32_t target) { return target < -1 || target >= static_cast<int64_t>(vocabulary); });
}

}  // namespace pretrain
