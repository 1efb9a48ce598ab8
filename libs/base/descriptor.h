// SPDX-License-Identifier: Apache-2.0
#pragma once
// An owned file descriptor.

#include <utility>

#include <unistd.h>

namespace pretrain {

/// Closes on destruction and ignores errors; -1 means none. Single-owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return value_; }
  explicit operator bool() const { return value_ >= 0; }
  /// Passes ownership of the descriptor to the caller.
  int release() { return std::exchange(value_, -1); }
  void reset() {
    if (value_ >= 0) ::close(release());
  }

 private:
  int value_ = -1;
};

}  // namespace pretrain
