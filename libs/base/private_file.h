// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files with a secret, which only their owner may read, and files that everybody must be able to read.

#include <string_view>

#include "libs/base/file.h"

namespace pretrain {

/// Writes a new file that only its owner can read, also while it is written.
/// Errors: IoError; also when the name exists.
void write_private_file(const Path& path, std::string_view content);

/// Whether users other than the owner may read the file.
/// Errors: IoError when there is none.
bool others_may_read(const Path& path);

/// Replaces a file in one step with one that everybody can read, whatever the process's umask. Not durable: after a
/// power cut the old content may be there.
/// Errors: IoError.
void write_public_file(const Path& path, std::string_view content);

}  // namespace pretrain
