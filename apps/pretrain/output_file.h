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
  bool may_be_standard_output = false;
};

/// Refuses a path in a folder that does not exist, or among the checkpoints of a run, which would remove it with them.
/// Errors: kUsage, naming the option.
void check_folder_of(std::string_view option, const Path& path);

/// Whether the path means standard output: "-". A file of this name is "./-".
bool is_standard_output(const Path& path);

/// For an option that takes `what`, such as "a folder", which standard output is not.
/// Errors: kUsage if the path means standard output.
void refuse_standard_output(std::string_view option, const Path& path, std::string_view what);

/// Refuses a folder, a device, which a rename would replace, a file in a folder that does not exist, and to replace a file
/// that begins otherwise, such as the log of a run. An empty file may be replaced. "-" is refused unless it is allowed.
/// Errors: kUsage; IoError when the file can't be read.
void check_output_file(const OutputFile& output);

}  // namespace pretrain
