// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads a GGUF file strictly and within bounds: it accepts what llama.cpp accepts, and needs at most memory
// proportional to the size of the file.

#include <span>
#include <string_view>
#include <vector>

#include "libs/base/file.h"
#include "libs/gguf/content.h"

namespace pretrain {

/// A validated file open for reading. Thread-safe.
class GgufFile {
 public:
  /// Reads keys and tensors: version 3, no key or name twice, offsets that cover the file exactly, types of
  /// ElementType only.
  /// Errors: kData, one line naming the path and what is wrong; IoError when it can't be read.
  static GgufFile open(const Path& path);

  const Path& path() const { return file_.path(); }
  const GgufOutline& outline() const { return outline_; }
  uint64_t size_bytes() const { return file_.size(); }
  /// Reads the elements of a tensor, row-major, as float32.
  /// Requires: an index of outline().tensors; one place for each element.
  /// Errors: kData when the file was truncated since; IoError.
  void read(size_t index, std::span<float> into) const;

 private:
  explicit GgufFile(ReadableFile file) : file_(std::move(file)) {}
  void read_outline();

  ReadableFile file_;
  GgufOutline outline_;
  std::vector<uint64_t> offsets_;  // of the tensors, in the file
};

/// Whether the file begins as a GGUF does.
/// Errors: IoError.
bool is_gguf(const Path& path);

}  // namespace pretrain
