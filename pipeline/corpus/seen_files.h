#pragma once
// Results of earlier scans for files that have not changed since, so that no scan reads a file twice.

#include <map>
#include <optional>
#include <string>

#include "libs/base/file_stamp.h"
#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// Thread-compatible; refers to the catalogs.
class SeenFiles {
 public:
  /// Adds the results in a catalog; null: none.
  void add(const Catalog* catalog);

  /// Sets what is known about the content of the file with this stamp and the name `shard.name`. Returns why
  /// it can't be read as text, empty if it can; nothing if it was not seen in its current state.
  std::optional<std::string> recall(const FileStamp& stamp, Shard& shard) const;

 private:
  std::map<FileStamp, const Shard*> shards_;
  std::map<FileStamp, const RejectedFile*> rejected_;
};

}  // namespace pretrain
