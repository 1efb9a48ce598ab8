// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lists the files below the given paths, without opening them. Thread-safe: free functions.

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

struct ListedFile {
  Path path;
  std::string name;      ///< `relative`, preceded by the input's name if several files have the same one
  std::string relative;  ///< to the input
  uint64_t size_bytes = 0;
};

/// A function of the set of inputs and the files below them: the order of the inputs and repeated inputs
/// don't matter.
struct Listing {
  std::vector<ListedFile> files;  ///< sorted by name; each file once, names unique
  std::vector<RejectedFile> rejected;
  std::vector<std::string> left_out;  ///< among the rejected: names of state folders and files of runs
  std::vector<std::string> notes;     ///< warnings about the inputs themselves, one line each
};

/// Walks the inputs of the options. Handles loops of symbolic links and excludes files written by runs and file systems of
/// the kernel. Calls `on_entry` for each entry of a folder.
/// Errors: kData when an input doesn't exist, or lies on a file system of the kernel; kUsage when the template rules can't be used; Stopped.
Listing list_inputs(const CorpusOptions& options, const std::stop_token& stop,
                    const std::function<void()>& on_entry = {});

/// Whether a listing excluded the file of this name because it belongs to a run.
bool is_left_out(const Listing& listing, const std::string& name);

}  // namespace pretrain
