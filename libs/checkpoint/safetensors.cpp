// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "libs/base/check.h"
#include "libs/base/enum_table.h"
#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/base/text.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensor data is written in the byte order of memory");

using Json = nlohmann::ordered_json;

// A thousand layers with optimizer state have 25,000 tensors and a header of 3 MB. The reference
// implementation reads headers of up to 100 MB, far more than any model needs.
constexpr uint64_t kHeaderCapBytes = 16_MiB;
constexpr size_t kMostTensors = 100'000;
constexpr size_t kMostDimensions = 16;
// JSON values of one tensor's entry: three keys and their lists. The metadata may have more.
constexpr JsonLimits kHeaderLimits{.bytes = kHeaderCapBytes, .depth = 3, .values = 1000};
constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kAlignment = 8;
constexpr size_t kPieceBytes = 4_MiB;
constexpr const char* kMetadataKey = "__metadata__";

struct DTypeRow {
  DType value;
  std::string_view name;
  size_t bytes;
  uint64_t exponent_mask;  // all ones in a NaN or an infinity; 0: an integer type
};

constexpr DTypeRow kDTypes[] = {{DType::kU8, "U8", 1, 0},
                                {DType::kI8, "I8", 1, 0},
                                {DType::kU16, "U16", 2, 0},
                                {DType::kF16, "F16", 2, 0x7c00},
                                {DType::kBf16, "BF16", 2, 0x7f80},
                                {DType::kU32, "U32", 4, 0},
                                {DType::kI32, "I32", 4, 0},
                                {DType::kF32, "F32", 4, 0x7f800000},
                                {DType::kU64, "U64", 8, 0},
                                {DType::kI64, "I64", 8, 0},
                                {DType::kF64, "F64", 8, 0x7ff0000000000000}};
static_assert(is_in_order(kDTypes));

/// The product, or nothing on overflow.
std::optional<uint64_t> tensor_bytes(DType dtype, std::span<const uint64_t> shape) {
  uint64_t bytes = size_of(dtype);
  for (const uint64_t extent : shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return bytes;
}

/// Index of the first element of `data` that is not finite, or nothing.
template <typename Bits>
std::optional<size_t> first_not_finite(std::span<const std::byte> data, Bits mask) {
  const size_t count = data.size() / sizeof(Bits);
  const auto element = [&](size_t i) {
    Bits bits;
    std::memcpy(&bits, data.data() + i * sizeof(Bits), sizeof(Bits));
    return bits;
  };
  unsigned found = 0;  // no early exit: the compiler turns this loop into vector instructions
  for (size_t i = 0; i < count; ++i) found |= static_cast<unsigned>((element(i) & mask) == mask);
  if (found == 0) return std::nullopt;
  size_t at = 0;
  while ((element(at) & mask) != mask) ++at;
  return at;
}

std::optional<size_t> first_not_finite(const DTypeRow& row, std::span<const std::byte> data) {
  if (row.exponent_mask == 0) return std::nullopt;
  if (row.bytes == 2) return first_not_finite(data, static_cast<uint16_t>(row.exponent_mask));
  if (row.bytes == 4) return first_not_finite(data, static_cast<uint32_t>(row.exponent_mask));
  return first_not_finite(data, row.exponent_mask);
}

void check_finite(const TensorSource& tensor, size_t offset, std::span<const std::byte> piece) {
  const DTypeRow& row = row_of(kDTypes, tensor.dtype);
  if (const auto at = first_not_finite(row, piece)) {
    fail(ErrorKind::kRuntime, "tensor {} is not finite at element {}; nothing was saved", tensor.name,
         offset / row.bytes + *at);
  }
}

std::vector<const TensorSource*> in_file_order(std::span<const TensorSource> tensors) {
  std::vector<const TensorSource*> order;
  for (const TensorSource& tensor : tensors) order.push_back(&tensor);
  std::ranges::stable_sort(order, std::greater<>(), [](const TensorSource* t) { return size_of(t->dtype); });
  return order;
}

void check_source(const TensorSource& tensor) {
  const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
  PRETRAIN_CHECK(bytes && *bytes == tensor.data.size(), "{} has {} bytes, which is not its shape",
                 tensor.name, tensor.data.size());
  PRETRAIN_CHECK(tensor.name != kMetadataKey, "tensor named {}", tensor.name);
}

std::string make_header(std::span<const TensorSource> tensors, const TensorMetadata& metadata) {
  std::vector<TensorOutline> outlines;
  for (const TensorSource* tensor : in_file_order(tensors)) {
    check_source(*tensor);
    outlines.push_back({tensor->name, tensor->dtype, tensor->shape});
  }
  return safetensors_header(outlines, metadata);
}

std::string read_header(const ReadableFile& file) {
  uint64_t length = 0;
  const auto length_bytes = std::as_writable_bytes(std::span(&length, 1));
  if (file.read_at(0, length_bytes) < kLengthBytes)
    throw std::runtime_error("it is shorter than its length field");
  if (length > kHeaderCapBytes || length > file.size() - kLengthBytes) {
    throw std::runtime_error(fmt::format("its header length {} is out of bounds", length));
  }
  std::string text(length, '\0');
  if (file.read_at(kLengthBytes, std::as_writable_bytes(std::span(text))) < length) {
    throw std::runtime_error("it ends within its header");
  }
  return text;
}

/// The format only allows blanks after the object.
void check_ends(const std::string& text) {
  if (text.empty() || text.front() != '{') throw std::runtime_error("its header does not start with '{'");
  if (text[text.find_last_not_of(' ')] != '}') throw std::runtime_error("its header does not end with '}'");
}

uint64_t to_number(const nlohmann::json& value) {
  if (!value.is_number_unsigned()) throw std::runtime_error("a size or offset is not a whole number");
  return value.get<uint64_t>();
}

/// Offsets relative to the data section.
TensorInfo to_tensor(const std::string& name, const nlohmann::json& json) {
  if (!json.is_object() || json.size() != 3 || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets")) {
    throw std::runtime_error(fmt::format("tensor {} must have dtype, shape and data_offsets", name));
  }
  const auto& dtype = json["dtype"];
  const auto& shape = json["shape"];
  const auto& offsets = json["data_offsets"];
  if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2) {
    throw std::runtime_error(fmt::format("tensor {} has a malformed entry", name));
  }
  const auto known = dtype_from_name(dtype.get<std::string>());
  if (!known) throw std::runtime_error(fmt::format("tensor {} has the unknown type {}", name, dtype.dump()));
  if (shape.size() > kMostDimensions) {
    throw std::runtime_error(fmt::format("tensor {} has too many dimensions", name));
  }
  TensorInfo info{.dtype = *known};
  for (const auto& extent : shape) info.shape.push_back(to_number(extent));
  info.offset_bytes = to_number(offsets[0]);
  const uint64_t end = to_number(offsets[1]);
  const auto bytes = tensor_bytes(info.dtype, info.shape);
  if (end < info.offset_bytes || !bytes || *bytes != end - info.offset_bytes) {
    throw std::runtime_error(fmt::format("tensor {} has offsets that do not fit its shape", name));
  }
  info.size_bytes = *bytes;
  return info;
}

TensorMetadata to_metadata(const nlohmann::json& json) {
  if (!json.is_object()) throw std::runtime_error("its metadata is not an object");
  TensorMetadata metadata;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) throw std::runtime_error(fmt::format("its metadata {} is not a text", key));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// Checks that every byte of the data section belongs to exactly one tensor.
void check_coverage(const std::map<std::string, TensorInfo, std::less<>>& tensors, uint64_t data_bytes) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const auto& [name, info] : tensors) {
    ranges.emplace_back(info.offset_bytes, info.offset_bytes + info.size_bytes);
  }
  std::ranges::sort(ranges);
  uint64_t covered = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != covered) throw std::runtime_error("its tensors overlap or leave a hole");
    covered = end;
  }
  if (covered != data_bytes) {
    throw std::runtime_error(
        fmt::format("it holds {} bytes of tensor data instead of {}", data_bytes, covered));
  }
}

/// Fails with one line of bounded length, whatever names the file holds.
[[noreturn]] void fail_damaged(const Path& path, std::string_view reason) {
  fail(ErrorKind::kData, "{} is not a usable safetensors file: {}; use another copy", path.native(),
       printable(reason.substr(0, 300)));
}

}  // namespace

size_t size_of(DType dtype) {
  return row_of(kDTypes, dtype).bytes;
}

std::string_view name_of(DType dtype) {
  return row_of(kDTypes, dtype).name;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  return find_value(kDTypes, name);
}

/// Length field and padded JSON.
std::string safetensors_header(std::span<const TensorOutline> tensors, const TensorMetadata& metadata) {
  Json json = Json::object();
  if (!metadata.empty()) json[kMetadataKey] = metadata;
  uint64_t offset = 0;
  std::set<std::string_view> names;
  for (const TensorOutline& tensor : tensors) {
    const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
    PRETRAIN_CHECK(bytes && names.insert(tensor.name).second && tensor.name != kMetadataKey,
                   "tensor named {}", tensor.name);
    json[tensor.name] = {{"dtype", name_of(tensor.dtype)},
                         {"shape", tensor.shape},
                         {"data_offsets", {offset, offset + *bytes}}};
    offset += *bytes;
  }
  std::string text = json.dump();
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  const uint64_t length = text.size();
  std::string header(kLengthBytes, '\0');
  std::memcpy(header.data(), &length, kLengthBytes);
  return header + text;
}

uint64_t safetensors_size_bytes(std::span<const TensorSource> tensors, const TensorMetadata& metadata) {
  uint64_t bytes = make_header(tensors, metadata).size();
  for (const TensorSource& tensor : tensors) bytes += tensor.data.size();
  return bytes;
}

void write_safetensors(std::span<const TensorSource> tensors, const TensorMetadata& metadata,
                       bool must_be_finite, const ByteSink& sink) {
  const std::string header = make_header(tensors, metadata);
  sink(std::as_bytes(std::span(header)));
  for (const TensorSource* tensor : in_file_order(tensors)) {
    for (size_t at = 0; at < tensor->data.size(); at += kPieceBytes) {
      const auto piece = tensor->data.subspan(at, std::min(kPieceBytes, tensor->data.size() - at));
      if (must_be_finite) check_finite(*tensor, at, piece);
      sink(piece);
    }
  }
}

SafetensorsFile SafetensorsFile::open(const Path& path, Links links) {
  SafetensorsFile result{ReadableFile(path, links)};
  try {
    result.read_entries();
  } catch (const IoError&) {
    throw;
  } catch (const std::runtime_error& error) {
    fail_damaged(path, error.what());
  }
  return result;
}

void SafetensorsFile::read_entries() {
  const std::string header = read_header(file_);
  check_ends(header);
  const auto add = [&](const std::string& name, const nlohmann::json& entry) {
    if (name == kMetadataKey) {
      metadata_ = to_metadata(entry);
      return;
    }
    if (tensors_.size() == kMostTensors)
      throw std::runtime_error(fmt::format("it has more than {} tensors", kMostTensors));
    tensors_.emplace(name, to_tensor(name, entry));
  };
  parse_json_members(header, kHeaderLimits, add);
  const uint64_t data_at = kLengthBytes + header.size();
  check_coverage(tensors_, file_.size() - data_at);
  for (auto& [name, info] : tensors_) info.offset_bytes += data_at;
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

const TensorInfo& SafetensorsFile::require(std::string_view name, DType dtype,
                                           std::span<const uint64_t> shape) const {
  const TensorInfo* info = find(name);
  if (info == nullptr) fail(ErrorKind::kData, "{} has no tensor {}", file_.path().native(), name);
  if (info->dtype != dtype || !std::ranges::equal(info->shape, shape)) {
    fail(ErrorKind::kData, "{}: tensor {} is {} [{}] and not {} [{}]", file_.path().native(), name,
         name_of(info->dtype), fmt::join(info->shape, ", "), name_of(dtype), fmt::join(shape, ", "));
  }
  return *info;
}

void SafetensorsFile::read(std::string_view name, std::span<std::byte> into) const {
  const TensorInfo* info = find(name);
  if (info == nullptr) fail(ErrorKind::kData, "{} has no tensor {}", file_.path().native(), name);
  PRETRAIN_CHECK(info->size_bytes == into.size(), "{}: {} bytes into {}", name, info->size_bytes,
                 into.size());
  if (file_.read_at(info->offset_bytes, into) < into.size()) fail_damaged(file_.path(), "it has been cut");
}

void SafetensorsFile::read_part(std::string_view name, uint64_t offset_bytes,
                                std::span<std::byte> into) const {
  const TensorInfo* info = find(name);
  if (info == nullptr) fail(ErrorKind::kData, "{} has no tensor {}", file_.path().native(), name);
  PRETRAIN_CHECK(offset_bytes <= info->size_bytes && into.size() <= info->size_bytes - offset_bytes,
                 "{}: {} bytes from {} on", name, into.size(), offset_bytes);
  if (file_.read_at(info->offset_bytes + offset_bytes, into) < into.size())
    fail_damaged(file_.path(), "it has been cut");
}

void SafetensorsFile::read(std::string_view name, DType dtype, std::span<const uint64_t> shape,
                           std::span<std::byte> into) const {
  require(name, dtype, shape);
  read(name, into);
}

void SafetensorsFile::read_finite(std::string_view name, DType dtype, std::span<const uint64_t> shape,
                                  std::span<std::byte> into) const {
  read(name, dtype, shape, into);
  if (const auto at = first_not_finite(row_of(kDTypes, dtype), into)) {
    fail(ErrorKind::kData, "{}: tensor {} is not finite at element {}; use another copy",
         file_.path().native(), name, *at);
  }
}

}  // namespace pretrain
