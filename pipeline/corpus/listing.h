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
  std::string name;      ///< `relative`; files of the same one have the name of their input before it
  std::string relative;  ///< to the input
  uint64_t size_bytes = 0;
};

/// A function of the set of inputs and of what lies below them: in which order they are given, and how often,
/// makes no difference.
struct Listing {
  std::vector<ListedFile> files;  ///< sorted by name; each file once, names unique
  std::vector<RejectedFile> rejected;
  std::vector<std::string> left_out;  ///< among the rejected: names of state folders and files of runs
  std::vector<std::string> notes;     ///< what is odd about the inputs themselves, a line each
};

/// Walks the inputs of the options; loops of symbolic links are harmless, and what runs have written is left
/// out. `on_entry` is called for each entry of a folder.
/// Errors: kData when an input doesn't exist; Stopped.
Listing list_inputs(const CorpusOptions& options, const std::stop_token& stop,
                    const std::function<void()>& on_entry = {});

/// Whether a listing left the file of this name out because it is a run's.
bool is_left_out(const Listing& listing, const std::string& name);

}  // namespace pretrain
