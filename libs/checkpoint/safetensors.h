// SPDX-License-Identifier: Apache-2.0
#pragma once
// The safetensors file format of Hugging Face, written as a stream and read strictly.
// Layout: header length (8 bytes, little-endian), JSON header padded with spaces to a multiple of 8, tensor
// data without holes. All sizes and offsets are bytes, all numbers little-endian. Element types go from wide
// to narrow, so that each tensor is aligned to its own element size.
// Source: github.com/huggingface/safetensors, README "Format", and safetensors/src/tensor.rs for the
// validation.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/byte_sink.h"
#include "libs/base/file.h"

namespace pretrain {

enum class DType { kU8, kI8, kU16, kF16, kBf16, kU32, kI32, kF32, kU64, kI64, kF64 };

/// Bytes of one element.
size_t size_of(DType dtype);
/// The format's name, such as "BF16".
std::string_view name_of(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

/// A tensor to write: a view into memory, which must stay valid and unchanged while it is written.
struct TensorSource {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;
  std::span<const std::byte> data;  ///< row-major
};

using TensorMetadata = std::map<std::string, std::string>;

/// A tensor whose data is written separately.
struct TensorOutline {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;
};

/// The start of a file; the data of the tensors must follow in the given order.
/// Requires: names unique, none "__metadata__"; wide types before narrow ones.
std::string safetensors_header(std::span<const TensorOutline> tensors, const TensorMetadata& metadata);

/// Size of the file that write_safetensors() writes.
uint64_t safetensors_size_bytes(std::span<const TensorSource> tensors, const TensorMetadata& metadata);

/// Streams the file into `sink` in pieces of at most 4 MiB, so that hashing and writing share one pass. With
/// `must_be_finite`, a NaN or an infinity in a floating-point tensor is an error before its piece is written.
/// Requires: names unique, none "__metadata__", data.size() == product(shape) * size_of(dtype).
/// Errors: kRuntime, naming the tensor and the element that is not finite.
void write_safetensors(std::span<const TensorSource> tensors, const TensorMetadata& metadata,
                       bool must_be_finite, const ByteSink& sink);

struct TensorInfo {
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape = {};
  uint64_t offset_bytes = 0;  ///< in the file
  uint64_t size_bytes = 0;
};

/// A validated file open for reading. Thread-safe.
class SafetensorsFile {
 public:
  /// Reads and checks the header: bounded, no duplicate or unknown keys, offsets that cover the file exactly.
  /// Errors: kData, naming the path and what is wrong; IoError when it can't be read.
  static SafetensorsFile open(const Path& path, Links links = Links::kFollow);

  const std::map<std::string, TensorInfo, std::less<>>& tensors() const { return tensors_; }
  const TensorMetadata& metadata() const { return metadata_; }
  /// Null if there is no such tensor.
  const TensorInfo* find(std::string_view name) const;
  /// Errors: kData when the tensor is missing or has another type or shape.
  const TensorInfo& require(std::string_view name, DType dtype, std::span<const uint64_t> shape) const;
  /// Copies the whole tensor.
  /// Requires: into.size() is its size.
  /// Errors: kData when it is missing or the file has been truncated since.
  void read(std::string_view name, std::span<std::byte> into) const;
  /// Copies a part of the tensor that starts at `offset_bytes`.
  /// Requires: a part of it.
  /// Errors: as read().
  void read_part(std::string_view name, uint64_t offset_bytes, std::span<std::byte> into) const;
  /// require(), then read().
  void read(std::string_view name, DType dtype, std::span<const uint64_t> shape,
            std::span<std::byte> into) const;
  /// read(), and checks that all elements are finite, as training only saves finite tensors.
  /// Errors: also kData, naming the element that is not finite.
  void read_finite(std::string_view name, DType dtype, std::span<const uint64_t> shape,
                   std::span<std::byte> into) const;

 private:
  explicit SafetensorsFile(ReadableFile file) : file_(std::move(file)) {}
  void read_entries();

  ReadableFile file_;
  std::map<std::string, TensorInfo, std::less<>> tensors_;
  TensorMetadata metadata_;
};

}  // namespace pretrain
