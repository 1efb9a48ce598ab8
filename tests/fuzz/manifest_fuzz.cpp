// SPDX-License-Identifier: Apache-2.0
// A manifest with a fitting hash, whatever follows it: an error of one line, or a manifest that is
// written and read back as it was.

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "libs/checkpoint/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string text = "{\n  \"manifest_hash\": \"" + pretrain::hash128_hex(rest) + std::string(rest);
  try {
    const pretrain::Manifest manifest = pretrain::parse_manifest(text, "manifest.json");
    PRETRAIN_CHECK(pretrain::parse_manifest(pretrain::manifest_text(manifest), "again") == manifest,
                   "a manifest of {} bytes is not read back as it was written", size);
  } catch (const pretrain::Error& error) {
    const std::string_view line = error.what();
    PRETRAIN_CHECK(error.kind() == pretrain::ErrorKind::kData && line.size() < 1000, "{}", line);
  }
  return 0;
}
