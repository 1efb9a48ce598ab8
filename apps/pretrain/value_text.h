#pragma once
// The text of an option's value, read and written. Errors: kUsage, telling what is needed; the caller names
// the option.

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
/// The place of `text` among `words`.
size_t read_choice(const std::string& text, std::span<const std::string_view> words);
/// Made absolute. Refuses addresses of the web.
Path read_path(const std::string& text);

/// A list as one text, and back: one line each, or a JSON array where a text holds a line break. Paths made
/// by read_path() come back as they were.
std::string joined_list(std::span<const std::string> texts);
std::vector<std::string> split_list(const std::string& joined);

/// The name that `given` was probably meant to be: the same but for case and '_', or with few letters
/// changed; "" when nothing is near.
std::string nearest_name(std::string_view given, std::span<const std::string_view> names);
/// "; did you mean NAME?", or "".
std::string did_you_mean(std::string_view prefix, std::string_view given,
                         std::span<const std::string_view> names);

}  // namespace pretrain
