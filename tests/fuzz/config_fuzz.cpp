// SPDX-License-Identifier: Apache-2.0
// The config.json of a model, whatever it holds: an error of one line, or sizes whose tensors can be laid
// out.

#include <cstdint>
#include <string_view>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/json.h"
#include "libs/model/config.h"
#include "libs/model/hugging_face_config.h"
#include "libs/model/parameters.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto json = pretrain::parse_json({reinterpret_cast<const char*>(data), size});
    const pretrain::ParameterLayout layout(pretrain::config_from_hugging_face(json));
    PRETRAIN_CHECK(layout.flat_size() > 0, "an empty layout");
  } catch (const pretrain::Error& error) {
    const std::string_view line = error.what();
    PRETRAIN_CHECK(error.kind() == pretrain::ErrorKind::kData && line.size() < 1000, "{}", line);
  }
  return 0;
}
