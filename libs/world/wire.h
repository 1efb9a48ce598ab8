// SPDX-License-Identifier: Apache-2.0
#pragma once
// Plain values as bytes, for the messages between the machines of a run: little-endian, without padding. Both ends are
// the same program on processors of the same kind. A reader never reads beyond its bytes.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "libs/base/error.h"

namespace pretrain {

/// Single-owner.
class WireWriter {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T> WireWriter& put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  WireWriter& put(std::string_view text) {
    put(static_cast<uint64_t>(text.size()));
    bytes_.append(text);
    return *this;
  }
  template <typename T>
  WireWriter& put_array(const T* values, size_t count) {
    bytes_.append(reinterpret_cast<const char*>(values), count * sizeof(T));
    return *this;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Single-owner. The bytes must outlive it.
/// Errors: all functions: kData, for bytes that are no such message.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  requires std::is_arithmetic_v<T> T get() {
    T value;
    get_array(&value, 1);
    return value;
  }
  std::string text() {
    const std::string_view found = take(get<uint64_t>());
    return std::string(found);
  }
  /// A number that must not be larger, such as a count of elements that follow.
  uint64_t count(uint64_t most) {
    const auto value = get<uint64_t>();
    if (value > most) damaged();
    return value;
  }
  template <typename T>
  void get_array(T* values, size_t count) {
    if (count > bytes_.size() / sizeof(T)) damaged();
    if (count == 0) return;  // an empty array has no address
    std::memcpy(values, take(count * sizeof(T)).data(), count * sizeof(T));
  }
  size_t left() const { return bytes_.size(); }
  /// Requires that all was read.
  void end() const {
    if (!bytes_.empty()) damaged();
  }

 private:
  std::string_view take(uint64_t count) {
    if (count > bytes_.size()) damaged();
    const std::string_view found = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return found;
  }
  [[noreturn]] static void damaged() {
    fail(ErrorKind::kData, "a message from another machine is damaged; run the same program on all of them");
  }

  std::string_view bytes_;
};

}  // namespace pretrain
