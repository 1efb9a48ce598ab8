// SPDX-License-Identifier: Apache-2.0
// The list of the files that a model's weights are in, whatever it holds: an error of one line, or names without a
// path.

#include <cstdint>
#include <string_view>

#include "libs/base/check.h"
#include "libs/checkpoint/weight_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto map = pretrain::parse_weight_index({reinterpret_cast<const char*>(data), size});
    PRETRAIN_CHECK(!map.empty() && map.size() <= size, "{} tensors of {} bytes", map.size(), size);
    for (const auto& [tensor, file] : map)
      PRETRAIN_CHECK(file.find('/') == std::string::npos && file.ends_with(".safetensors"), "{}", file);
  } catch (const pretrain::Error& error) {
    const std::string_view line = error.what();
    PRETRAIN_CHECK(error.kind() == pretrain::ErrorKind::kData && line.size() < 1000, "{}", line);
  }
  return 0;
}
