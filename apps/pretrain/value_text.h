// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads and writes the text of an option's value. Thread-safe: pure functions, but for read_path(), which
// looks up the current folder.
//
// Errors: kUsage with "must be ... (got ...)"; the caller puts the option's name before it.

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/file.h"

namespace pretrain {

uint64_t read_count(const std::string& text, uint64_t least, uint64_t most);
double read_number(const std::string& text, double least, double most);
std::string write_number(double value);
std::chrono::milliseconds read_duration(const std::string& text);
std::string write_duration(std::chrono::milliseconds duration);
uint64_t read_size(const std::string& text);
std::string write_size(uint64_t bytes);
/// The index of `text` in `words`.
size_t read_choice(const std::string& text, std::span<const std::string_view> words);
/// The absolute path. Refuses web addresses.
Path read_path(const std::string& text);
/// As read_path() of something to write, but "-" stays: it means standard output (output_file.h).
Path read_output_path(const std::string& text);

/// Joins a list into one text and splits it again: one line for each entry, or a JSON array if an entry holds
/// a line break. Paths made by read_path() survive the round trip unchanged.
std::string joined_list(std::span<const std::string> texts);
std::vector<std::string> split_list(const std::string& joined);

/// The name that the user probably meant: `given` with other case, '-' for '_', or a few letters changed.
/// "" when no name is similar.
std::string nearest_name(std::string_view given, std::span<const std::string_view> names);
/// "; did you mean NAME?", or "".
std::string did_you_mean(std::string_view prefix, std::string_view given,
                         std::span<const std::string_view> names);

}  // namespace pretrain
