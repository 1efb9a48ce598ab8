// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds out from a state folder what happened in it, without changing anything. A folder that has held
// checkpoints never becomes a new run; a folder whose start failed before its first checkpoint may.

#include <string>
#include <string_view>

#include "libs/base/file.h"

namespace pretrain {

Path evaluation_file(const Path& state);
/// The place of a new evaluation set until the run has a checkpoint.
Path collected_evaluation_file(const Path& state);
Path metrics_file(const Path& state);
Path skips_file(const Path& state);

/// The folder itself, or its nearest parent that exists.
/// Errors: IoError.
Path nearest_existing(Path folder);

/// Refuses a folder that is a checkpoint, or lies among the checkpoints of a run, which would remove it with them.
/// Errors: kUsage, with what is meant; IoError.
void refuse_place_in_checkpoints(const Path& state);

/// Refuses a file or folder to write that would lie there, for the option that names it.
/// Errors: kUsage; IoError.
void refuse_output_in_checkpoints(std::string_view option, const Path& path);

/// Refuses a folder in which no checkpoint could be saved, whether or not it exists: creates a file where checkpoints and
/// records go, or in the nearest folder above that exists, and removes it again.
/// Errors: IoError.
void check_can_save(FileSystem& files, const Path& state);

/// Whether the folder belongs to a run: it has a checkpoint, or the files that a start creates first.
/// Errors: IoError.
bool is_state_folder(const Path& path);

/// Whether a start has begun in the folder: it may have failed since, or create the run soon.
bool holds_start(const Path& path);

/// The traces of a run with checkpoints, such as "evaluation.safetensors, metrics.jsonl, abandoned or damaged
/// checkpoints"; empty for none.
/// Errors: IoError.
std::string remains_of_run(const Path& state);

/// Whether the only checkpoint is that of step 0 and no step was trained after it.
/// Errors: IoError.
bool is_untrained(const Path& state);

/// The first entry that is a checkpoint or was not created by the start of a run; empty for a folder that is
/// absent, empty, or left by a failed start.
/// Errors: IoError.
std::string first_content(const Path& state);

/// For a folder without a model: whether it holds only what a start makes, before the first step or by failing.
/// Errors: kData if so; IoError.
void refuse_bare_start(const Path& folder);

/// Removes the records of an untrained run. The evaluation set that the new run has collected stays.
/// Errors: IoError.
void remove_records(FileSystem& files, const Path& state);

}  // namespace pretrain
