#pragma once
// The files below the given paths, before anyone looks into them. Thread-safe: free functions.

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

struct ListedFile {
  Path path;
  std::string name;
};

struct Listing {
  std::vector<ListedFile> files;  ///< sorted by name; each file once, names unique
  std::vector<RejectedFile> rejected;
};

/// Walks the inputs; loops of symbolic links are harmless. Errors: kData when an input doesn't exist;
/// Stopped. `on_entry` is called for each entry of a folder.
Listing list_inputs(const std::vector<Path>& inputs, const std::stop_token& stop,
                    const std::function<void()>& on_entry = {});

}  // namespace pretrain
