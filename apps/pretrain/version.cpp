// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/version.h"

#include <fmt/format.h>

namespace pretrain {
namespace {

#ifdef __clang__
constexpr std::string_view kCompiler = "Clang " __clang_version__;
#else
constexpr std::string_view kCompiler = "GCC " __VERSION__;
#endif

}  // namespace

std::string_view program_version() {
  return PRETRAIN_VERSION;
}

std::string_view release_date() {
  return PRETRAIN_RELEASE_DATE;
}

std::string version_text() {
  return fmt::format("pretrain {}\ncommit {}\nbuild {}, {}\nlibraries\n{}", PRETRAIN_VERSION, build_commit(),
                     PRETRAIN_BUILD, kCompiler, PRETRAIN_LIBRARIES);
}

}  // namespace pretrain
