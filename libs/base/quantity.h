// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parses and formats counts and durations for the user, beyond units.h: with k and M, with the right plural,
// and short enough for a narrow line.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pretrain {

/// "1500", "1k", "1.5M", "1e6", "64Ki": k, M, G and T are powers of 1000, Ki, Mi, Gi and Ti of 1024. Nothing
/// for text that is not a non-negative integer.
std::optional<uint64_t> parse_count(std::string_view text);

/// Text that parse_count() reads back as the same number, short where that is easier to read: "2000", "10M", "1500k".
std::string exact_count(uint64_t count);

/// Text that parse_duration() reads back as the same duration: "10min", "2h", "1500ms".
std::string exact_duration(std::chrono::milliseconds duration);

/// "1 layer", "1,200 layers"; `things` is the plural if it is not `thing` + "s".
std::string format_counted(uint64_t count, std::string_view thing, std::string_view things = "");
/// "4,660 tokens/s", "3.4 tokens/s".
std::string format_rate(double tokens_per_second);

/// At most six characters: "99,999", "459k", "1.23M".
std::string format_short_count(uint64_t count);
/// At most six characters below 100 days, eight at most: "12s", "3m10s", "12h05m", "9d04h".
std::string format_short_duration(std::chrono::nanoseconds duration);

}  // namespace pretrain
