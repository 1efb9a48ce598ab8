// SPDX-License-Identifier: Apache-2.0
// A GGUF file, whatever it holds: an error of one line, or tensors that can all be read.

#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/base/check.h"
#include "libs/gguf/reader.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const pretrain::MemoryFile content({reinterpret_cast<const char*>(data), size});
  try {
    const auto file = pretrain::GgufFile::open(content.path());
    const auto& tensors = file.outline().tensors;
    uint64_t bytes = 0;
    for (size_t i = 0; i < tensors.size(); ++i) {
      std::vector<float> values(pretrain::element_count(tensors[i]));
      file.read(i, values);
      bytes += pretrain::data_bytes(tensors[i]);
    }
    PRETRAIN_CHECK(bytes < size, "{} bytes of tensors in {}", bytes, size);
  } catch (const pretrain::Error& error) {
    const std::string_view line = error.what();
    PRETRAIN_CHECK(error.kind() == pretrain::ErrorKind::kData && line.size() < 1000, "{}", line);
  }
  return 0;
}
