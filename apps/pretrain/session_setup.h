// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is decided before the first step of a session: the configuration, the text, the vocabulary and the evaluation set of
// a new run, of one that continues, or of a branch.

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>

#include <nlohmann/json.hpp>

#include "apps/pretrain/branch.h"
#include "apps/pretrain/model_folder.h"
#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/service_reporter.h"
#include "apps/pretrain/session_request.h"
#include "apps/pretrain/session_start.h"
#include "libs/data/evaluation_data.h"
#include "pipeline/corpus/catalog.h"
#include "tokenizer/tokenizer.h"

namespace pretrain {

/// Everything that is decided before the first step.
struct Session {
  FileSystem& files = real_file_system();
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  ServiceReporter service;
  MpiWorld* job = nullptr;
  FailureNotice* failure = nullptr;
  std::optional<StateLock> lock;
  SessionStart start;
  KeyValues values;
  RunConfiguration config;
  std::optional<ModelOutline> initial;  // of a new run with --init-from
  std::unique_ptr<Tokenizer> tokenizer;
  Catalog catalog;  // of a new run; the checkpoint of a resumed one holds it
  EvaluationSet evaluation;
  Path evaluation_path;  // of the file that the set is read from
  std::optional<BranchPlan> branch;
  std::optional<SkipRanges> skips_to_keep;            // written to a file before the first step
  nlohmann::json parent = nlohmann::json::object();   // for the manifests
  nlohmann::json changed = nlohmann::json::object();  // options that a resume changed, for the record
  bool evaluation_is_kept = false;                    // in the state folder
  bool validation_corpus_moved = false;               // or is another one
};

/// The configuration of a new run. It depends on the command alone, so one that was made before the folder was
/// locked is still right.
/// Errors: kUsage, kData, naming the option.
void configure_new(Session& s, const SessionRequest& request);

/// Continues the run in the locked folder, or starts a new one.
/// Errors: kUsage, kData, with the remedy; Stopped.
void begin_or_continue(Session& s, const Path& state, const SessionRequest& request,
                       const std::stop_token& stop);

/// Starts a new run in an empty folder from another run's checkpoint.
/// Errors: as begin_or_continue().
void begin_branch(Session& s, BranchPlan plan, const std::stop_token& stop);

/// Opens the evaluation set, or collects that of a new run. It keeps a temporary name until the run has a checkpoint: a
/// set without a checkpoint would look like the remains of a lost run.
/// Errors: kData; IoError; Stopped.
void prepare_evaluation(Session& s, const std::stop_token& stop);

/// Of the text of the run, estimated when it was new; 0: not known.
uint64_t epoch_tokens_of(const KeyValues& values);

}  // namespace pretrain
