// SPDX-License-Identifier: Apache-2.0
#include "libs/gguf/reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/text.h"
#include "libs/base/units.h"
#include "libs/gguf/layout.h"

namespace pretrain {
namespace {

using namespace gguf_layout;

// A vocabulary of 150,000 pieces with its merges takes 10 MB, a thousand layers take 1 MB.
constexpr uint64_t kHeaderCapBytes = 128_MiB;
constexpr uint64_t kMostKeys = 10'000;
constexpr uint64_t kMostTensors = 100'000;
constexpr uint64_t kMostKeyBytes = 65535;  // the format's own limit

[[noreturn]] void fail_damaged(const Path& path, std::string_view reason) {
  fail(ErrorKind::kData, "{} is not a usable GGUF file: {}; use another copy", path.native(),
       printable(reason.substr(0, 300)));
}

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw std::runtime_error(fmt::format(format, std::forward<Args>(args)...));
}

/// The header of a file, piece by piece.
class Header {
 public:
  explicit Header(const ReadableFile& file) : file_(file), end_(std::min(file.size(), kHeaderCapBytes)) {}

  uint64_t at() const { return at_; }

  /// Refuses a count of elements that can't be there, before anything is allocated for them.
  void require_room(uint64_t count, uint64_t least_bytes) const {
    if (count <= (end_ - at_) / least_bytes) return;
    if (end_ == kHeaderCapBytes) refuse("its keys take more than {}", format_bytes(kHeaderCapBytes));
    refuse("it ends within its keys");
  }

  void take(std::span<std::byte> into) {
    require_room(into.size(), 1);
    for (size_t done = 0; done < into.size();) {
      if (next_ == piece_.size()) fill();
      const size_t n = std::min(into.size() - done, piece_.size() - next_);
      std::memcpy(into.data() + done, piece_.data() + next_, n);
      done += n;
      next_ += n;
      at_ += n;
    }
  }

  template <typename T>
  T number() {
    T value;
    take(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }

  std::string string(uint64_t most = kHeaderCapBytes) {
    const auto length = number<uint64_t>();
    if (length > most) refuse("a name of {} bytes", length);
    require_room(length, 1);
    std::string text(length, '\0');
    take(std::as_writable_bytes(std::span(text)));
    return text;
  }

 private:
  void fill() {
    piece_.resize(std::min<uint64_t>(64_KiB, end_ - at_));
    next_ = 0;
    if (piece_.empty() || file_.read_at(at_, piece_) < piece_.size()) refuse("it ends within its keys");
  }

  const ReadableFile& file_;
  const uint64_t end_;
  uint64_t at_ = 0;
  std::vector<std::byte> piece_;
  size_t next_ = 0;  // of piece_
};

template <typename T>
T read_scalar(Header& header) {
  if constexpr (std::is_same_v<T, std::string>) {
    return header.string();
  } else if constexpr (std::is_same_v<T, bool>) {
    const auto value = header.number<uint8_t>();
    if (value > 1) refuse("a truth value is {}", value);
    return value == 1;
  } else {
    return header.number<T>();
  }
}

template <typename T>
std::vector<T> read_elements(Header& header) {
  const auto count = header.number<uint64_t>();
  header.require_room(count, std::is_same_v<T, std::string> ? sizeof(uint64_t) : sizeof(T));
  std::vector<T> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) values.push_back(read_scalar<T>(header));
  return values;
}

template <typename T>
struct ElementOf {
  using Type = void;
};
template <typename T>
struct ElementOf<std::vector<T>> {
  using Type = T;
};

/// Tries the alternatives of the variant one after the other until the one with the type's number.
template <size_t I = 0>
GgufArray read_array_of(Header& header, uint32_t type) {
  if constexpr (I < std::variant_size_v<GgufArray>) {
    using Element = typename ElementOf<std::variant_alternative_t<I, GgufArray>>::Type;
    if constexpr (!std::is_void_v<Element>) {
      if (type == I) return read_elements<Element>(header);
    }
    return read_array_of<I + 1>(header, type);
  } else {
    refuse("an array holds elements of the type {}", type);
  }
}

template <size_t I = 0>
GgufValue read_value_of(Header& header, uint32_t type) {
  if constexpr (I < std::variant_size_v<GgufValue>) {
    using Held = std::variant_alternative_t<I, GgufValue>;
    if (type != I) return read_value_of<I + 1>(header, type);
    if constexpr (I == kArrayType) {
      return read_array_of(header, header.number<uint32_t>());
    } else {
      return GgufValue(std::in_place_index<I>, read_scalar<Held>(header));
    }
  } else {
    refuse("a value has the type {}", type);
  }
}

void read_start(Header& header) {
  std::string magic(kMagic.size(), '\0');
  header.take(std::as_writable_bytes(std::span(magic)));
  if (magic != kMagic) refuse("it does not begin with GGUF");
  const auto version = header.number<uint32_t>();
  if (version != kVersion) refuse("it is of version {}, and {} is read here", version, kVersion);
}

std::vector<GgufEntry> read_metadata(Header& header, uint64_t count) {
  std::vector<GgufEntry> entries;
  std::set<std::string> keys;
  for (uint64_t i = 0; i < count; ++i) {
    std::string key = header.string(kMostKeyBytes);
    if (!keys.insert(key).second) refuse("the key {} is there twice", key);
    GgufValue value = read_value_of(header, header.number<uint32_t>());
    entries.push_back({std::move(key), std::move(value)});
  }
  return entries;
}

/// Extents, the fastest first in the file.
std::vector<uint64_t> read_shape(Header& header, const std::string& name) {
  const auto dimensions = header.number<uint32_t>();
  if (dimensions < 1 || dimensions > kMostGgufDimensions)
    refuse("tensor {} has {} dimensions", name, dimensions);
  std::vector<uint64_t> shape(dimensions);
  uint64_t elements = 1;
  for (uint64_t& extent : shape) {
    extent = header.number<uint64_t>();
    if (extent == 0 || __builtin_mul_overflow(elements, extent, &elements) || elements > INT64_MAX / 4)
      refuse("tensor {} has an impossible shape", name);
  }
  std::ranges::reverse(shape);
  return shape;
}

GgufTensor read_tensor(Header& header) {
  GgufTensor tensor{.name = header.string(kMostGgufNameBytes), .shape = {}};
  tensor.shape = read_shape(header, tensor.name);
  const auto type = header.number<uint32_t>();
  const auto known = find_element_type(type);
  if (!known)
    refuse(
        "tensor {} has the type {}, and only f32, f16, bf16 and q8_0 are read here: convert it to one of these",
        tensor.name, type);
  tensor.type = *known;
  if (tensor.shape.back() % block_elements(tensor.type) != 0)
    refuse("tensor {} has rows of {}, which are no whole blocks of {}", tensor.name, tensor.shape.back(),
           name_of(tensor.type));
  return tensor;
}

uint64_t alignment_of(const std::vector<GgufEntry>& metadata) {
  const GgufValue* value = find_value(metadata, kAlignmentKey);
  if (value == nullptr) return kAlignment;
  const auto* alignment = std::get_if<uint32_t>(value);
  if (alignment == nullptr || !std::has_single_bit(*alignment))
    refuse("{} is no power of two of the type u32", kAlignmentKey);
  return *alignment;
}

uint64_t checked_count(Header& header, uint64_t most, std::string_view things) {
  const auto count = header.number<uint64_t>();
  if (count > most) refuse("it has {} {}, more than {}", count, things, most);
  return count;
}

}  // namespace

GgufFile GgufFile::open(const Path& path) {
  GgufFile result{ReadableFile(path)};
  try {
    result.read_outline();
  } catch (const IoError&) {
    throw;
  } catch (const std::runtime_error& error) {
    fail_damaged(path, error.what());
  }
  return result;
}

void GgufFile::read_outline() {
  Header header(file_);
  read_start(header);
  const uint64_t tensors = checked_count(header, kMostTensors, "tensors");
  outline_.metadata = read_metadata(header, checked_count(header, kMostKeys, "keys"));
  const uint64_t alignment = alignment_of(outline_.metadata);
  std::set<std::string> names;
  uint64_t end = 0;
  for (uint64_t i = 0; i < tensors; ++i) {
    GgufTensor tensor = read_tensor(header);
    if (!names.insert(tensor.name).second) refuse("tensor {} is there twice", tensor.name);
    if (header.number<uint64_t>() != end) refuse("tensor {} leaves a gap or overlaps", tensor.name);
    offsets_.push_back(end);
    if (__builtin_add_overflow(end, padded(data_bytes(tensor), alignment), &end) || end > file_.size())
      refuse("tensor {} ends after the file", tensor.name);
    outline_.tensors.push_back(std::move(tensor));
  }
  const uint64_t data_at = padded(header.at(), alignment);
  if (data_at > file_.size() || file_.size() - data_at != end)
    refuse("it has {} bytes instead of {}", file_.size(), data_at + end);
  for (uint64_t& offset : offsets_) offset += data_at;
}

void GgufFile::read(size_t index, std::span<float> into) const {
  const GgufTensor& tensor = outline_.tensors.at(index);
  PRETRAIN_CHECK(into.size() == element_count(tensor), "{}: {} elements", tensor.name, into.size());
  constexpr size_t kPieceElements = 1_MiB;  // whole blocks of every type
  std::vector<std::byte> piece;
  for (size_t at = 0; at < into.size(); at += kPieceElements) {
    const auto part = into.subspan(at, std::min(kPieceElements, into.size() - at));
    piece.resize(stored_bytes(tensor.type, part.size()));
    const uint64_t offset = offsets_[index] + stored_bytes(tensor.type, at);
    if (file_.read_at(offset, piece) < piece.size()) fail_damaged(file_.path(), "it has been cut");
    load_elements(tensor.type, piece, part);
  }
}

bool is_gguf(const Path& path) {
  if (!file_exists(path)) return false;
  const ReadableFile file(path);
  std::string magic(kMagic.size(), '\0');
  return file.read_at(0, std::as_writable_bytes(std::span(magic))) == magic.size() && magic == kMagic;
}

}  // namespace pretrain
