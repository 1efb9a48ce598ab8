// SPDX-License-Identifier: Apache-2.0
#pragma once
// Results of earlier scans for files that have not changed since, so that no scan reads a file twice.

#include <map>
#include <optional>
#include <string>

#include "libs/base/file_stamp.h"
#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// What a look into a file found.
struct Finding {
  std::optional<std::string> rejection = {};  ///< why it can't be read as text, for the user
  bool is_dump_index = false;                 ///< it is rejected as the index of a multistream dump
};

/// Thread-compatible; refers to the catalogs.
class SeenFiles {
 public:
  /// Adds the results in a catalog; null: none.
  void add(const Catalog* catalog);

  /// Sets what is known about the content of the file with this stamp and the name `shard.name`.
  /// Nothing if it was not seen in its current state.
  std::optional<Finding> recall(const FileStamp& stamp, Shard& shard) const;

 private:
  std::map<FileStamp, const Shard*> shards_;
  std::map<FileStamp, const RejectedFile*> rejected_;
};

}  // namespace pretrain
