#pragma once
// What earlier looks at the corpus found in files that have not been touched since, so that no look reads a
// file twice.

#include <map>
#include <optional>
#include <string>

#include "libs/base/file_stamp.h"
#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// Thread-compatible; refers to the catalogs.
class SeenFiles {
 public:
  /// Takes in what a catalog found; null is none.
  void add(const Catalog* catalog);

  /// Fills in all that is known of the content of the file with this stamp, whose name is `shard.name`.
  /// Returns why it can't be read as text, empty when it can; nothing when it was not seen as it is now.
  std::optional<std::string> recall(const FileStamp& stamp, Shard& shard) const;

 private:
  std::map<FileStamp, const Shard*> shards_;
  std::map<FileStamp, const RejectedFile*> rejected_;
};

}  // namespace pretrain
