// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads and writes parts of a stream's state in a checkpoint: numbers in state.json, arrays in
// stream.safetensors. A checkpoint may be damaged or forged, so everything is checked while it is read.
// Thread-safe: free functions.

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/data/batch_source.h"

namespace pretrain {

/// An integer.
/// Errors: kData, naming the field, when it is absent, something else, or above `most`.
template <typename Integer = uint64_t>
Integer number_in(const nlohmann::json& object, const char* field,
                  Integer most = std::numeric_limits<Integer>::max());
/// A list of integers.
/// Errors: kData, naming the field.
std::vector<uint64_t> numbers_in(const nlohmann::json& object, const char* field);
/// Errors: kData, naming the field.
bool flag_in(const nlohmann::json& object, const char* field);

/// A new array of 32-bit numbers.
StreamState::Array to_array(std::string name, std::span<const uint32_t> values);
/// The numbers of such an array.
/// Errors: kData when it is absent or holds elements of another width.
std::vector<uint32_t> values_of(const StreamState& state, std::string_view name);

/// Fails for a token id or a target that is not in the vocabulary.
/// Errors: kData, naming array and place, always.
[[noreturn]] void fail_id(std::string_view name, uint64_t place, int64_t id, uint32_t vocabulary);
/// Checks that each value is the id of a piece.
/// Errors: kData, naming the array and the place.
void check_ids(std::span<const uint32_t> ids, uint32_t vocabulary, std::string_view name);
/// Checks that each value is the id of a piece, or -1 for a position that does not count.
/// Errors: kData, as above.
void check_targets(std::span<const int32_t> targets, uint32_t vocabulary, std::string_view name);

/// Fails for any other problem of a state.
/// Errors: kData, always.
[[noreturn]] void fail_stream(std::string_view file, const std::string& problem);
constexpr std::string_view kScalarsFile = "state.json";
constexpr std::string_view kArraysFile = "stream.safetensors";

}  // namespace pretrain
