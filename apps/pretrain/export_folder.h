// SPDX-License-Identifier: Apache-2.0
#pragma once
// The folder that an export makes: it appears under its name when all of it is on the device and verified, or
// not at all.

#include <string>
#include <vector>

#include "libs/base/file.h"
#include "libs/checkpoint/folder_writer.h"

namespace pretrain {

/// The name of a folder, which is that of the exported model.
std::string export_name(const Path& output);

/// Errors: kUsage when there is something that an export would replace, or when the name is that of a file.
void require_free_output(const Path& output);

/// Writes the files and gives the folder its name. What a killed export has left beside it is removed first;
/// a failed one leaves nothing.
/// Requires: require_free_output(output).
/// Errors: those of write_verified_files().
void write_export(FileSystem& files, const Path& output, const std::vector<FileContent>& contents);

}  // namespace pretrain
