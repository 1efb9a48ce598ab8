// SPDX-License-Identifier: Apache-2.0
// A safetensors file, whatever it holds: an error of one line, or tensors that can all be read.

#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/base/check.h"
#include "libs/checkpoint/safetensors.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const pretrain::MemoryFile content({reinterpret_cast<const char*>(data), size});
  try {
    const auto file = pretrain::SafetensorsFile::open(content.path());
    uint64_t bytes = 0;
    for (const auto& [name, info] : file.tensors()) {
      std::vector<std::byte> tensor(info.size_bytes);
      file.read_finite(name, info.dtype, info.shape, tensor);
      bytes += info.size_bytes;
    }
    PRETRAIN_CHECK(bytes < size, "{} bytes of tensors in {}", bytes, size);
  } catch (const pretrain::Error& error) {
    const std::string_view line = error.what();
    PRETRAIN_CHECK(error.kind() == pretrain::ErrorKind::kData && line.size() < 1000, "{}", line);
  }
  return 0;
}
