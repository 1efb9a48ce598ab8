// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/safetensors.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <gmock/gmock.h>

#include "libs/base/process.h"
#include "libs/base/rng.h"
#include "tests/libs/checkpoint/sample.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::error_of;
using test::TempFolder;
using testing::AllOf;
using testing::HasSubstr;

template <typename T>
TensorSource source(std::string name, DType dtype, std::vector<uint64_t> shape,
                    const std::vector<T>& values) {
  return {.name = std::move(name),
          .dtype = dtype,
          .shape = std::move(shape),
          .data = std::as_bytes(std::span(values))};
}

std::string file_text(const std::vector<TensorSource>& tensors, const TensorMetadata& metadata = {},
                      bool must_be_finite = false) {
  std::string text;
  write_safetensors(tensors, metadata, must_be_finite, [&](std::span<const std::byte> piece) {
    text.append(piece.size(), '\0');
    if (!piece.empty()) std::memcpy(text.data() + text.size() - piece.size(), piece.data(), piece.size());
  });
  return text;
}

std::string with_length(const std::string& header, const std::string& data = "") {
  std::string text(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(text.data(), &length, 8);
  return text + header + data;
}

TEST(Safetensors, WritesTheLayoutOfTheFormat) {
  const std::vector<float> values{1.0F, -2.0F};
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const std::vector<TensorSource> tensors{source("a", DType::kF32, {2}, values)};
  const std::string data("\x00\x00\x80\x3f\x00\x00\x00\xc0", 8);
  EXPECT_EQ(file_text(tensors, {{"format", "pt"}}), with_length(padded, data));
  EXPECT_EQ(safetensors_size_bytes(tensors, {{"format", "pt"}}), 8 + padded.size() + 8);
}

TEST(Safetensors, RoundTripsRandomTensors) {
  const TempFolder folder;
  constexpr uint64_t kSeed = 20;
  Rng rng(kSeed);
  for (int round = 0; round < 100; ++round) {
    std::vector<std::string> data(rng.below(6));
    std::vector<TensorSource> tensors;
    for (std::string& bytes : data) {
      const auto dtype = static_cast<DType>(rng.below(11));
      std::vector<uint64_t> shape(rng.below(4));
      uint64_t count = 1;
      for (uint64_t& extent : shape) count *= extent = rng.below(7);
      bytes.resize(count * size_of(dtype));
      for (char& byte : bytes) byte = static_cast<char>(rng.next());
      tensors.push_back({.name = "tensor \"" + std::to_string(tensors.size()) + "\" \u2581",
                         .dtype = dtype,
                         .shape = shape,
                         .data = std::as_bytes(std::span(bytes))});
    }
    const Path path = folder.write("t.safetensors", file_text(tensors, {{"round", std::to_string(round)}}));
    const SafetensorsFile file = SafetensorsFile::open(path);
    ASSERT_EQ(file.tensors().size(), tensors.size()) << "seed " << kSeed << " round " << round;
    EXPECT_EQ(file.metadata().at("round"), std::to_string(round));
    for (const TensorSource& tensor : tensors) {
      std::vector<std::byte> read(tensor.data.size());
      file.read(tensor.name, tensor.dtype, tensor.shape, read);
      EXPECT_TRUE(std::ranges::equal(read, tensor.data)) << "seed " << kSeed << " round " << round;
      EXPECT_EQ(file.find(tensor.name)->offset_bytes % size_of(tensor.dtype), 0U) << "not aligned";
    }
  }
}

TEST(Safetensors, StreamsALargeTensorInPiecesOf4MiB) {
  const std::vector<float> values((9 << 20) / 4 + 1);
  std::vector<size_t> pieces;
  write_safetensors(std::vector{source("big", DType::kF32, {values.size()}, values)}, {}, true,
                    [&](std::span<const std::byte> piece) { pieces.push_back(piece.size()); });
  EXPECT_THAT(pieces, testing::ElementsAre(testing::Lt(200U), 4U << 20, 4U << 20, (1U << 20) + 4));
}

TEST(Safetensors, RefusesTensorsThatAreNotFinite) {
  const auto message = [](DType dtype, const auto& values) {
    const std::vector<TensorSource> tensors{source("h.weight", dtype, {values.size()}, values)};
    file_text(tensors, {}, false);
    return error_of(ErrorKind::kRuntime, [&] { file_text(tensors, {}, true); });
  };
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity, std::nanf("")}) {
    std::vector<float> values((5 << 20) / 4, std::numeric_limits<float>::max());
    values[values.size() - 3] = bad;
    EXPECT_THAT(message(DType::kF32, values),
                AllOf(HasSubstr("h.weight"), HasSubstr(std::to_string(values.size() - 3))));
  }
  EXPECT_THAT(message(DType::kBf16, std::vector<uint16_t>{0x3f80, 0xff80}), HasSubstr("element 1;"));
  EXPECT_THAT(message(DType::kF16, std::vector<uint16_t>{0x7c01}), HasSubstr("element 0;"));
  EXPECT_THAT(message(DType::kF64, std::vector<double>{0, 0, std::nan("")}), HasSubstr("element 2;"));
}

TEST(Safetensors, TakesAnyBitsOfIntegersAndAllFiniteFloats) {
  const std::vector<uint16_t> ones{0xffff, 0x7f80, 0x7c00};
  EXPECT_NO_THROW(file_text({source("u", DType::kU16, {3}, ones)}, {}, true));
  EXPECT_NO_THROW(file_text({source("b", DType::kBf16, {1}, std::vector<uint16_t>{0x7f7f})}, {}, true));
}

TEST(SafetensorsFile, RefusesAnotherTypeOrShape) {
  const TempFolder folder;
  const std::vector<float> values(6);
  const auto file =
      SafetensorsFile::open(folder.write("t", file_text({source("w", DType::kF32, {2, 3}, values)})));
  const auto require = [&](const char* name, DType dtype, std::vector<uint64_t> shape) {
    return error_of(ErrorKind::kData, [&] { file.require(name, dtype, shape); });
  };
  EXPECT_NO_THROW(file.require("w", DType::kF32, std::vector<uint64_t>{2, 3}));
  EXPECT_THAT(require("w", DType::kBf16, {2, 3}), HasSubstr("tensor w is F32 [2, 3] and not BF16 [2, 3]"));
  EXPECT_THAT(require("w", DType::kF32, {3, 2}), HasSubstr("not F32 [3, 2]"));
  EXPECT_THAT(require("v", DType::kF32, {2, 3}), HasSubstr("has no tensor v"));
  EXPECT_EQ(file.find("v"), nullptr);
}

TEST(SafetensorsFile, RefusesEveryTruncationAndTrailingBytes) {
  const TempFolder folder;
  const std::vector<float> values(10000);
  const std::string text = file_text({source("w", DType::kF32, {values.size()}, values)});
  std::vector<size_t> lengths{text.size() - 1};
  for (size_t n = 0; n < 120; ++n) lengths.push_back(n);
  for (size_t n = 4096; n < text.size(); n += 4096) lengths.push_back(n);
  for (const size_t length : lengths) {
    const Path path = folder.write("t", text.substr(0, length));
    EXPECT_THAT(error_of(ErrorKind::kData, [&] { SafetensorsFile::open(path); }), HasSubstr(path.native()))
        << length;
  }
  const Path path = folder.write("t", text + "x");
  error_of(ErrorKind::kData, [&] { SafetensorsFile::open(path); });
}

TEST(SafetensorsFile, NoticesThatTheFileWasCutAfterItWasOpened) {
  const TempFolder folder;
  const std::vector<float> values(100);
  const Path path = folder.write("t", file_text({source("w", DType::kF32, {100}, values)}));
  const auto file = SafetensorsFile::open(path);
  std::filesystem::resize_file(path, 200);
  std::vector<float> read(100);
  error_of(ErrorKind::kData, [&] { file.read("w", std::as_writable_bytes(std::span(read))); });
}

TEST(SafetensorsFile, StaysWithinTheFileWhateverHeaderByteChanges) {
  const TempFolder folder;
  const std::vector<float> first(4);
  const std::vector<float> second(8);
  const std::string text =
      file_text({source("a", DType::kF32, {4}, first), source("b", DType::kF32, {2, 4}, second)});
  const size_t header_end = text.size() - 48;
  int refused = 0;
  const Path path = folder.write("t", text);
  for (size_t bit = 0; bit < header_end * 8; ++bit) {
    test::flip_bit(path, bit / 8, static_cast<int>(bit % 8));
    try {
      const auto file = SafetensorsFile::open(path);  // a changed name is not damage that the format can show
      for (const auto& [name, info] : file.tensors()) {
        ASSERT_LE(info.offset_bytes + info.size_bytes, text.size());
        std::vector<std::byte> data(info.size_bytes);
        file.read(name, data);
      }
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kData);
      ++refused;
    }
    test::flip_bit(path, bit / 8, static_cast<int>(bit % 8));
  }
  EXPECT_GT(refused, static_cast<int>(header_end) * 6);
}

struct HostileHeader {
  const char* what;
  std::string text;
};

std::vector<HostileHeader> hostile_headers() {
  const auto one = [](const std::string& entry, size_t data = 4) {
    return with_length("{\"a\":" + entry + "}", std::string(data, 'x'));
  };
  std::string huge_length(16, '\0');
  huge_length.replace(0, 8, 8, '\xff');
  std::string wrapping_length(16, '\0');
  wrapping_length.replace(0, 8, std::string("\xf8\xff\xff\xff\xff\xff\xff\xff", 8));
  return {
      {"empty file", ""},
      {"no header", with_length("")},
      {"huge length", huge_length},
      {"length that wraps around", wrapping_length},
      {"not JSON", with_length("{nonsense}")},
      {"array", with_length("[]")},
      {"leading space", with_length(" {}")},
      {"text after the end", with_length("{}{}")},
      {"zero byte and text after the end", with_length(std::string("{}\0{}", 5))},
      {"newline padding", with_length("{}\n")},
      {"invalid UTF-8", with_length("{\"\xff\":1}")},
      {"deep nesting", with_length("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}")},
      {"endless shape", with_length("{\"a\":{\"shape\":[1" + std::string(100000, '1') + "]}}")},
      {"long shape",
       one(R"({"dtype":"U8","shape":[4,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]})")},
      {"entry of a wrong type", one("1")},
      {"missing offsets", one(R"({"dtype":"F32","shape":[1]})")},
      {"unknown key", one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1})")},
      {"unknown type", one(R"({"dtype":"F33","shape":[1],"data_offsets":[0,4]})")},
      {"type that is no text", one(R"({"dtype":1,"shape":[1],"data_offsets":[0,4]})")},
      {"negative extent", one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})")},
      {"broken extent", one(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})")},
      {"extent beyond 64 bits",
       one(R"({"dtype":"F32","shape":[18446744073709551617],"data_offsets":[0,4]})")},
      {"product that wraps around",
       one(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]})", 0)},
      {"shape that does not fit", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})")},
      {"reversed offsets", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})")},
      {"three offsets", one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,4]})")},
      {"offsets beyond the end", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})")},
      {"hole at the start", one(R"({"dtype":"U8","shape":[3],"data_offsets":[1,4]})")},
      {"bytes that belong to nobody", one(R"({"dtype":"U8","shape":[3],"data_offsets":[0,3]})")},
      {"overlap", with_length(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                              R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                              "xxxx")},
      {"the same name twice", with_length(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                                          R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
                                          "xxxx")},
      {"metadata that is no object", with_length(R"({"__metadata__":1})")},
      {"metadata that is no text", with_length(R"({"__metadata__":{"a":1}})")},
  };
}

TEST(SafetensorsFile, RefusesHostileHeadersInOneLineThatNamesTheFile) {
  const TempFolder folder;
  for (const HostileHeader& hostile : hostile_headers()) {
    SCOPED_TRACE(hostile.what);
    const Path path = folder.write("hostile", hostile.text);
    const std::string message = error_of(ErrorKind::kData, [&] { SafetensorsFile::open(path); });
    EXPECT_THAT(message, HasSubstr(path.native()));
    EXPECT_EQ(message.find('\n'), std::string::npos);
    EXPECT_LT(message.size(), 600U);
  }
}

/// Entries of one empty tensor each.
std::string header_of(size_t tensors, const std::string& entry) {
  std::string header = "{";
  for (size_t i = 0; i < tensors; ++i) header += fmt::format("{}\"{:06}\":{}", i == 0 ? "" : ",", i, entry);
  return header + "}";
}

constexpr const char* kEmptyTensor = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";

TEST(SafetensorsFile, RefusesHeadersThatNoModelNeeds) {
  const TempFolder folder;
  const auto refusal = [&](const std::string& header) {
    const Path path = folder.write("large", with_length(header));
    return error_of(ErrorKind::kData, [&] { SafetensorsFile::open(path); });
  };
  EXPECT_THAT(refusal("{" + std::string(100'000'000, ' ') + "}"), HasSubstr("header length 100000002"));
  EXPECT_THAT(refusal(header_of(100'001, kEmptyTensor)), HasSubstr("more than 100000 tensors"));
  std::string metadata;
  for (int i = 0; i < 2000; ++i) metadata += fmt::format("{}\"{}\":\"\"", i == 0 ? "" : ",", i);
  EXPECT_THAT(refusal("{\"__metadata__\":{" + metadata + "}}"), HasSubstr("values"));
}

TEST(SafetensorsFile, ReadsAHeaderOfManyTensors) {
  const TempFolder folder;
  const Path path = folder.write("many", with_length(header_of(50'000, kEmptyTensor)));
  EXPECT_EQ(SafetensorsFile::open(path).tensors().size(), 50'000U);
}

std::string shape_of_zeros(size_t dimensions) {
  std::string shape = "{\"a\":{\"shape\":[0";
  for (size_t i = 1; i < dimensions; ++i) shape += ",0";
  return shape + "]}}";
}

/// By how much opening the file raises the peak of the resident memory, in a process of its own.
uint64_t memory_to_open(const Path& path) {
  const std::string result = run_in_child(
      [&] {
        const auto kilobytes = [](const char* key) {
          const std::string status = read_file("/proc/self/status");
          return std::stoull(status.substr(status.find(key) + std::strlen(key)));
        };
        const uint64_t before = kilobytes("VmHWM:");
        try {
          SafetensorsFile::open(path);
        } catch (const Error&) {
        }
        return std::to_string((kilobytes("VmHWM:") - before) * 1024);
      },
      {}, {});
  return std::stoull(result);
}

TEST(SafetensorsFile, TakesAFewTimesTheSizeOfAHostileHeaderAtMost) {
#ifdef PRETRAIN_SANITIZED
  GTEST_SKIP() << "a sanitizer keeps what was freed";
#endif
  const TempFolder folder;
  const std::vector<std::pair<const char*, std::string>> headers = {
      {"numbers", header_of(1'000'000, "0")},
      {"a shape", shape_of_zeros(5'000'000)},
      {"an object of numbers", "{\"a\":" + header_of(1'000'000, "0") + "}"},
      {"tensors", header_of(99'000, kEmptyTensor)}};
  for (const auto& [what, header] : headers) {
    const Path path = folder.write("hostile", with_length(header));
    EXPECT_LT(memory_to_open(path), 5 * header.size()) << what;
  }
}

}  // namespace
}  // namespace pretrain
