// SPDX-License-Identifier: Apache-2.0
#pragma once
// Plain values as bytes, for the messages between the machines of a run: little-endian, without padding. Both ends are
// the same program on processors of the same kind. A reader never reads beyond its bytes.

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "libs/base/error.h"

namespace pretrain {

/// Writes what a WireReader reads with the same calls, so that one list of fields serves both. Single-owner.
class WireWriter {
 public:
  /// Each value after the other: numbers, texts, times, whether something is so.
  template <typename... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  /// Their number, then f(element) for each. The reader takes no more than `most`.
  template <typename List, typename F>
  void list(const List& elements, uint64_t /*most*/, const F& f) {
    put(static_cast<uint64_t>(elements.size()));
    for (const auto& element : elements) f(element);
  }
  template <typename T>
  void array(const T* values, size_t count) {
    bytes_.append(reinterpret_cast<const char*>(values), count * sizeof(T));
  }
  std::string take() { return std::move(bytes_); }

 private:
  template <typename T>
  requires std::is_arithmetic_v<T>
  void put(T value) { array(&value, 1); }
  void put(bool value) { put(static_cast<uint32_t>(value ? 1 : 0)); }
  void put(std::chrono::milliseconds time) { put(static_cast<uint64_t>(time.count())); }
  void put(const std::string& text) {
    put(static_cast<uint64_t>(text.size()));
    bytes_.append(text);
  }

  std::string bytes_;
};

/// Single-owner. The bytes must outlive it.
/// Errors: all functions: kData, for bytes that are no such message.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename... T>
  void operator()(T&... values) {
    (get(values), ...);
  }
  template <typename T, typename F>
  void list(std::vector<T>& elements, uint64_t most, const F& f) {
    elements.resize(count(most));
    for (T& element : elements) f(element);
  }
  template <typename T>
  void array(T* values, size_t count) {
    if (count > bytes_.size() / sizeof(T)) damaged();
    if (count == 0) return;  // an empty array has no address
    std::memcpy(values, take(count * sizeof(T)).data(), count * sizeof(T));
  }
  /// Requires that all was read.
  void end() const {
    if (!bytes_.empty()) damaged();
  }

 private:
  template <typename T>
  requires std::is_arithmetic_v<T>
  void get(T& value) { array(&value, 1); }
  void get(bool& value) {
    uint32_t number = 0;
    get(number);
    value = number != 0;
  }
  void get(std::chrono::milliseconds& time) {
    constexpr uint64_t kWeek = uint64_t{7} * 24 * 3600 * 1000;
    time = std::chrono::milliseconds(count(kWeek));
  }
  void get(std::string& text) { text = take(count(bytes_.size())); }
  /// A number that must not be larger.
  uint64_t count(uint64_t most) {
    uint64_t value = 0;
    get(value);
    if (value > most) damaged();
    return value;
  }
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
