#pragma once
// What a state folder tells of its past, without changing anything. A folder that has held checkpoints never
// becomes a new run; one in which a start failed before it had any does.

#include <string>

#include "libs/base/file.h"

namespace pretrain {

Path evaluation_file(const Path& state);
/// Where a new set is until the run has a checkpoint.
Path collected_evaluation_file(const Path& state);
Path metrics_file(const Path& state);
Path skips_file(const Path& state);

/// A run is, was or is to be in the folder: there is a checkpoint, or what a start makes first. Errors:
/// IoError.
bool is_state_folder(const Path& path);

/// What shows that there was a run with checkpoints: "evaluation.safetensors, metrics.jsonl, abandoned or
/// damaged checkpoints"; empty for none.
/// Errors: IoError.
std::string remains_of_run(const Path& state);

/// The only checkpoint is that of step 0, and no step was trained since. Errors: IoError.
bool is_untrained(const Path& state);

/// The first thing in the folder that no start of a run puts there before its first checkpoint, or a
/// checkpoint; empty for a folder that is absent, empty, or left by a start that failed. Errors: IoError.
std::string first_content(const Path& state);

/// Removes the records of a run of which nothing was trained. What was collected since for the run that takes
/// its place stays. Errors: IoError.
void remove_records(FileSystem& files, const Path& state);

}  // namespace pretrain
