// SPDX-License-Identifier: Apache-2.0
#pragma once
// Checks the file that a command is asked to write. Stateless, thread-safe.

#include <string_view>

#include "libs/base/file.h"

namespace pretrain {

/// What a command is about to write.
struct OutputFile {
  std::string_view option;  ///< "--output"
  Path path;
  std::string_view beginning;  ///< of each such file
  std::string_view example;    ///< a name, such as "report.html"
};

/// Refuses a folder, a file in a folder that does not exist, and to replace a file that begins otherwise, such as the
/// log of a run. An empty file may be replaced.
/// Errors: kUsage; IoError when the file can't be read.
void check_output_file(const OutputFile& output);

}  // namespace pretrain
