// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/run_keys.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/text_list.h"
#include "libs/model/architecture.h"

namespace pretrain {
namespace {

using Run = RunConfiguration;
using Model = ModelConfig;
using Train = TrainerOptions;

constexpr KeyKind kFixed = KeyKind::kFixed;
constexpr KeyKind kChangeable = KeyKind::kChangeable;

constexpr std::string_view kText = "Text";
constexpr std::string_view kPlace = "State and machine";
constexpr std::string_view kMachines = "Several machines (see pretrain join --help)";
constexpr std::string_view kModel = "Model";
constexpr std::string_view kSequences = "Vocabulary and sequences";
constexpr std::string_view kLearning = "Learning";
constexpr std::string_view kLimits = "Limits (without one, a run never ends)";
constexpr std::string_view kSaving = "Checkpoints";
constexpr std::string_view kWatching = "Evaluation, samples and metrics";

constexpr std::string_view kPreset = "set by --model";
constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kSize = 10'000'000;  // only catches typing errors; validate() knows what a model may be

template <typename... Members>
OptionValue<Run> whole(uint64_t least, uint64_t most, Members... members) {
  return count_of<Run>(at(members...), least, most);
}

template <typename... Members>
OptionValue<Run> real(double least, double most, Members... members) {
  return number_of<Run>(at(members...), least, most);
}

/// As real(), but 0 means "not given".
template <typename... Members>
OptionValue<Run> optional_real(double most, Members... members) {
  OptionValue<Run> value = real(0, most, members...);
  value.get = [given = value.get, member = at(members...)](const Run& run) {
    return option_detail::member(run, member) == 0 ? std::vector<std::string>{} : given(run);
  };
  return value;
}

template <typename Value, typename... Members>
OptionValue<Run> choice(std::vector<std::pair<std::string_view, Value>> choices, Members... members) {
  return choice_of<Run>(at(members...), std::move(choices));
}

template <typename Value, size_t N, typename... Members>
OptionValue<Run> choice(const EnumName<Value> (&names)[N], Members... members) {
  return choice_of<Run>(at(members...), names);
}

/// The option may be given without a value, which then is this one.
OptionValue<Run> with_implied(std::string_view text, OptionValue<Run> value) {
  value.shape.implied = text;
  return value;
}

OptionValue<Run> preset_name() {
  std::vector<std::string_view> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  OptionValue<Run> value = word_of<Run>(&Run::preset, names);
  value.shape.placeholder = "NAME";
  return value;
}

std::vector<std::pair<std::string_view, const Architecture*>> known_architectures() {
  std::vector<std::pair<std::string_view, const Architecture*>> known;
  for (const Architecture* architecture : architectures())
    known.emplace_back(architecture->name, architecture);
  return known;
}

std::string architecture_help() {
  std::string names = "architecture:";
  for (const Architecture* architecture : architectures()) names += fmt::format(" {}", architecture->name);
  return names;
}

std::string preset_help() {
  std::string names = "preset, which sets the size and more:";
  for (const Preset& preset : presets()) names += fmt::format(" {}", preset.name);
  return names;
}

OptionValue<Run> namespaces() {
  return {{"LIST"},
          [](Run& run, std::span<const std::string> texts) {
            run.corpus.pages.namespaces = parse_namespaces(texts.front()).namespaces;
          },
          [](const Run& run) -> std::vector<std::string> {
            return {fmt::format("{}", fmt::join(run.corpus.pages.namespaces, ","))};
          }};
}

OptionValue<Run> active_hours() {
  return option_detail::single<Run>({"HOURS"}, at(&Run::manners, &MannersOptions::hours), read_active_hours,
                                    write_active_hours);
}

OptionValue<Run> listen_address() {
  return option_detail::single<Run>({"ADDRESS"}, at(&Run::machines, &MachinesOptions::address),
                                    read_listen_address, write_listen_address);
}

OptionValue<Run> machine_range() {
  return {{"RANGE"},
          [](Run& run, std::span<const std::string> texts) {
            const MachineRange range = read_machine_range(texts.front());
            run.machines.least = range.least;
            run.machines.most = range.most;
          },
          [](const Run& run) -> std::vector<std::string> {
            if (run.machines.most == 0) return {};
            return {write_machine_range({run.machines.least, run.machines.most})};
          }};
}

// The keys by group, in the order of the help.

OptionTable<Run> text_keys() {
  return {
      {{"corpus", "files and folders with training text", kText, kChangeable, "",
        "data dataset input text path wiki"},
       paths_of<Run>(at(&Run::corpus, &CorpusOptions::inputs))},
      {{"documents", "what counts as one document in plain text: files or paragraphs", kText, kFixed},
       choice(kDocumentModes, &Run::corpus, &CorpusOptions::documents)},
      {{"text-key", "key of the text in JSON lines", kText, kFixed},
       text_of<Run>(at(&Run::corpus, &CorpusOptions::text_key))},
      {{"namespaces", "MediaWiki namespaces to read, such as 0 or 0,14", kText, kFixed}, namespaces()},
      {{"disambiguation", "MediaWiki disambiguation pages: keep or drop", kText, kFixed},
       choice(kDisambiguations, &Run::corpus, &CorpusOptions::pages, &PageSelection::disambiguation)},
      {{"template-rules", "file of rules for what templates of MediaWiki pages show", kText, kFixed},
       own_rules_of<Run>(at(&Run::corpus, &CorpusOptions::pages, &PageSelection::rules))},
      {{"min-words", "skip training documents with fewer words; 0: none", kText, kFixed, "", "min-length"},
       whole(0, 1'000'000, &Run::corpus, &CorpusOptions::min_words)},
      {{"deduplicate",
        "skip copies of training documents: off, exact, or near (similar ones too); near if no value is given",
        kText, kFixed, "", "dedup dedupe minhash"},
       with_implied("near", choice(kDeduplications, &Run::deduplication, &DeduplicationOptions::mode))},
      {{"deduplicate-documents",
        "training documents to remember for --deduplicate: 68 bytes of memory and checkpoint each", kText,
        kFixed},
       whole(1, 1'000'000'000, &Run::deduplication, &DeduplicationOptions::documents)},
      {{"on-changed", "if a corpus file changes during the run: fail, or skip the rest of it", kText,
        kChangeable},
       choice(kChangeActions, &Run::corpus, &CorpusOptions::on_changed)},
  };
}

OptionTable<Run> place_keys() {
  return {
      {{"state", "folder of the run: checkpoints, metrics, configuration", kPlace, kChangeable,
        "$STATE_DIRECTORY, $XDG_STATE_HOME/pretrain or ~/.local/state/pretrain",
        "out out-dir output output-dir"},
       path_of<Run>(&Run::state_folder)},
      {{"workers", "threads that read and tokenize text", kPlace, kChangeable, "cores, at most 4",
        "num-workers"},
       optional_count_of<Run>(&Run::workers, 1024)},
      {{"threads", "threads that train", kPlace, kChangeable, "cores", "jobs num-threads cores"},
       optional_count_of<Run>(&Run::threads, 1024)},
      {{"precision",
        "number format of matrix products: f32, bf16, or auto (bf16 if the processor supports it, else f32)",
        kPlace, kFixed, "", "dtype"},
       choice<PrecisionChoice>({{"auto", PrecisionChoice::kAuto},
                                {"f32", PrecisionChoice::kFloat32},
                                {"bf16", PrecisionChoice::kBf16}},
                               &Run::precision)},
      {{"recompute",
        "what the backward pass recomputes to save memory: none, cheap (norms and activations) or layers",
        kPlace, kChangeable},
       choice<Recompute>(
           {{"none", Recompute::kNone}, {"cheap", Recompute::kCheap}, {"layers", Recompute::kLayers}},
           &Run::trainer, &Train::recompute)},
      {{"micro-batch-tokens", "largest part of a batch that is computed at once; less needs less memory",
        kPlace, kFixed},
       whole(1, 1'000'000'000, &Run::micro_batch_tokens)},
      {{"queue", "batches to prefetch", kPlace, kChangeable, "", "prefetch"}, whole(1, 100'000, &Run::queue)},
  };
}

OptionTable<Run> manners_keys() {
  return {
      {{"active-hours", "pause outside of these hours of the day, such as 20:00-08:00", kPlace, kChangeable,
        "always", "hours schedule-hours"},
       active_hours()},
      {{"on-battery", "on battery: continue or pause", kPlace, kChangeable},
       choice<OnBattery>({{"continue", OnBattery::kContinue}, {"pause", OnBattery::kPause}}, &Run::manners,
                         &MannersOptions::on_battery)},
      {{"on-event",
        "shell command to run when the run ended, failed, paused, could not save, skipped steps or has a new "
        "best evaluation (see $PRETRAIN_EVENT, $PRETRAIN_MESSAGE)",
        kPlace, kChangeable, "", "notify hook"},
       text_of<Run>(&Run::on_event)},
      {{"metrics-file",
        "file NAME.prom to write the newest numbers to each 15 seconds, for the textfile collector of "
        "node_exporter",
        kPlace, kChangeable, "", "prometheus textfile"},
       output_path_of<Run>(&Run::metrics_file)},
  };
}

OptionTable<Run> machines_keys() {
  return {
      {{"listen", "train together with other machines, which reach this one at this address", kMachines,
        kChangeable, "", "master-addr head rendezvous"},
       listen_address()},
      {{"machines", "machines of the run, this one included: 2-4 starts with 2 and takes up to 4", kMachines,
        kChangeable, "2 to --slots", "nodes nnodes world-size"},
       machine_range()},
      {{"fabric",
        "what joins the machines: gloo (--listen and pretrain join), or mpi in a job that mpirun or srun has started",
        kMachines, kChangeable, "", "mpi mpirun slurm backend"},
       choice<FabricKind>({{"gloo", FabricKind::kGloo}, {"mpi", FabricKind::kMpi}}, &Run::machines,
                          &MachinesOptions::fabric)},
      {{"secret-file", "file with the secret that all machines have", kMachines, kChangeable, "", "secret"},
       path_of<Run>(at(&Run::machines, &MachinesOptions::secret_file))},
      {{"peer-timeout", "a machine that does not answer for this time is lost, and the others continue",
        kMachines, kChangeable},
       duration_of<Run>(at(&Run::machines, &MachinesOptions::peer_timeout))},
      {{"copies", "copies of each checkpoint; 2 keeps one on a machine that joins with --copies-in",
        kMachines, kChangeable},
       whole(1, 2, &Run::machines, &MachinesOptions::copies)},
  };
}

OptionTable<Run> model_keys() {
  static const std::string model_help = preset_help();
  static const std::string arch_help = architecture_help();
  return {
      {{"model", model_help, kModel, kFixed, "", "preset"}, preset_name()},
      {{"arch", arch_help, kModel, kFixed, kPreset, "architecture"},
       choice(known_architectures(), &Run::model, &Model::architecture)},
      {{"layers", "number of transformer layers", kModel, kFixed, kPreset,
        "n-layer n-layers num-layers depth"},
       whole(1, kSize, &Run::model, &Model::layers)},
      {{"d-model", "width of the residual stream", kModel, kFixed, kPreset,
        "n-embd dim width hidden-size embedding embed-dim"},
       whole(1, kSize, &Run::model, &Model::d_model)},
      {{"heads", "attention heads; must divide d-model", kModel, kFixed, kPreset, "n-head n-heads num-heads"},
       whole(1, kSize, &Run::model, &Model::heads)},
      {{"kv-heads", "key-value heads that the attention heads share (llama, qwen3)", kModel, kFixed, "heads",
        "num-key-value-heads n-kv-heads gqa"},
       optional_count_of<Run>(at(&Run::model, &Model::kv_heads), kSize)},
      {{"head-size", "channels of a head (llama, qwen3)", kModel, kFixed, "d-model / heads", "head-dim"},
       optional_count_of<Run>(at(&Run::model, &Model::head_channels), kSize)},
      {{"rope-theta", "base of the rotary positions (llama, qwen3)", kModel, kFixed, "10000", "rope-base"},
       optional_real(1e12, &Run::model, &Model::rope_theta)},
      {{"norm-epsilon", "what RMSNorm adds to the mean square (llama 1e-5, qwen3 1e-6)", kModel, kFixed,
        "set by --arch", "rms-norm-eps eps"},
       optional_real(1, &Run::model, &Model::norm_epsilon)},
      {{"untied", "an output matrix of its own instead of the token embedding: no or yes (llama, qwen3)",
        kModel, kFixed, "", "tie-word-embeddings"},
       choice<bool>({{"no", true}, {"yes", false}}, &Run::model, &Model::tied)},
      {{"d-ff", "width of the MLP's hidden layer", kModel, kFixed, kPreset,
        "ffn mlp hidden-dim intermediate-size"},
       whole(1, kSize, &Run::model, &Model::d_ff)},
      {{"context", "context length: tokens in a sequence", kModel, kFixed, kPreset,
        "block-size seq-len seq-length sequence-length context-length ctx max-length"},
       whole(2, kSize, &Run::model, &Model::context)},
      {{"init-from",
        "start with the weights, sizes and tokenizer of this model: a folder of Hugging Face (gpt2, llama, qwen3), a "
        "GGUF file, a checkpoint or a state folder",
        kModel, kFixed, "", "from-pretrained pretrained checkpoint-from"},
       path_of<Run>(&Run::initial_model)},
      {{"output-start",
        "what the output matrices of attention and MLP start as: small (random, as GPT-2) or zero", kModel,
        kFixed, "", "zero-init init-outputs"},
       choice<OutputStart>({{"small", OutputStart::kSmall}, {"zero", OutputStart::kZero}}, &Run::trainer,
                           &Train::output_start)},
  };
}

OptionTable<Run> sequence_keys() {
  return {
      {{"vocab", "maximum size of the vocabulary", kSequences, kFixed, kPreset, "vocab-size vocabulary"},
       whole(300, 1'000'000, &Run::vocabulary, &VocabularyOptions::pieces)},
      {{"tokenizer-type", "kind of vocabulary to train: bpe, unigram or char", kSequences, kFixed, kPreset},
       choice(kTokenizerTypes, &Run::vocabulary, &VocabularyOptions::type)},
      {{"tokenizer",
        "use this vocabulary instead of training one: a SentencePiece model, a byte-level tokenizer.json, a GGUF "
        "file, a checkpoint or a state folder",
        kSequences, kFixed},
       path_of<Run>(&Run::tokenizer_file)},
      {{"allow-normalization",
        "whether --tokenizer may be a SentencePiece model that changes text or lacks pieces for bytes: no, or yes, "
        "which uses its pieces, leaves the text as it is and adds the bytes",
        kSequences, kFixed},
       choice<TextChanges>({{"no", TextChanges::kRefuse}, {"yes", TextChanges::kLeaveOut}},
                           &Run::tokenizer_changes)},
      {{"packing", "concat (documents joined, no padding) or chunk (one document in a sequence, padded)",
        kSequences, kFixed},
       choice(kPackings, &Run::packing)},
      {{"shuffle-buffer", "size of the shuffle buffer, in sequences", kSequences, kFixed, "", "shuffle"},
       whole(1, 100'000'000, &Run::shuffle_buffer)},
      {{"seed", "random seed", kSequences, kFixed, "", "random-seed"}, whole(0, kAny, &Run::seed)},
  };
}

OptionTable<Run> step_keys() {
  return {
      {{"batch", "sequences in a batch", kLearning, kFixed, kPreset, "batch-size bs"},
       whole(1, 1'000'000, &Run::batch)},
      {{"accumulate", "batches in one optimizer step", kLearning, kFixed, "",
        "gradient-accumulation-steps grad-accum gradient-accumulation"},
       whole(1, 4096, &Run::trainer, &Train::accumulate)},
      {{"batch-ramp",
        "steps in which a step grows from one batch to those of --accumulate, and its rate with their root; 0: none",
        kLearning, kFixed, "", "batch-size-ramp batch-warmup"},
       whole(0, 1'000'000, &Run::trainer, &Train::schedule, &Schedule::ramp, &BatchRamp::steps)},
      {{"slots", "shares of a step's sequences whose gradients are added in a fixed order", kLearning,
        kFixed},
       whole(1, 1024, &Run::trainer, &Train::slots)},
      {{"exchange",
        "what gradients of slots and their sums are rounded to: f32, or bf16, which halves what machines send",
        kLearning, kFixed},
       choice<Precision>({{"f32", Precision::kFloat32}, {"bf16", Precision::kBf16}}, &Run::trainer,
                         &Train::exchange)},
  };
}

OptionTable<Run> rate_keys() {
  return {
      {{"learning-rate", "peak learning rate", kLearning, kFixed, kPreset, "lr rate"},
       real(0, 10, &Run::trainer, &Train::schedule, &Schedule::peak)},
      {{"learning-rate-tokens",
        "tokens of a step that --learning-rate is for: a step of more or fewer has a rate that is larger or smaller by "
        "the root of their ratio; 0: any",
        kLearning, kFixed},
       whole(0, kAny, &Run::rate_tokens)},
      {{"warmup", "steps of linear warmup", kLearning, kFixed, "", "warmup-steps warmup-iters"},
       whole(0, kAny / 2, &Run::trainer, &Train::schedule, &Schedule::warmup_steps)},
      {{"schedule",
        "learning rate after the warmup: constant, cosine (to a tenth), linear (to zero), wsd (constant, then "
        "to zero) or cooldown (to zero from a checkpoint on, for branch); all but constant need --steps, "
        "--tokens or --epochs",
        kLearning, kFixed, "", "lr-schedule scheduler lr-scheduler"},
       choice(kSchedules, &Run::trainer, &Train::schedule, &Schedule::kind)},
      {{"schedule-steps", "step at which the schedule ends", kLearning, kChangeable,
        "from the limit of the first start", "decay-steps lr-decay-iters"},
       optional_count_of<Run>(at(&Run::trainer, &Train::schedule, &Schedule::total_steps), kAny / 2)},
      {{"cooldown-share", "share of a wsd schedule's steps in which the rate falls to zero", kLearning,
        kFixed, "", "decay-share cooldown-fraction decay-frac"},
       real(0.001, 1, &Run::trainer, &Train::schedule, &Schedule::cooldown_share)},
      {{"cooldown-start", "last step before the rate of a cooldown schedule falls", kLearning, kFixed,
        "branch: the checkpoint's step"},
       optional_count_of<Run>(at(&Run::trainer, &Train::schedule, &Schedule::cooldown_start), kAny / 2)},
      {{"cooldown-shape", "how the rate falls in a wsd or cooldown schedule: linear or 1-sqrt", kLearning,
        kFixed},
       choice(kCooldownShapes, &Run::trainer, &Train::schedule, &Schedule::cooldown_shape)},
  };
}

OptionTable<Run> optimizer_keys() {
  return {
      {{"optimizer",
        "adamw, or muon: orthogonalised momentum for the matrices of the layers, AdamW for the rest",
        kLearning, kFixed, "", "optim"},
       choice(kOptimizers, &Run::trainer, &Train::optimizer, &OptimizerOptions::kind)},
      {{"muon-momentum", "Muon's momentum", kLearning, kFixed},
       real(0, 0.9999, &Run::trainer, &Train::optimizer, &OptimizerOptions::muon, &MuonOptions::momentum)},
      {{"muon-warmup", "updates over which Muon's momentum rises from 0.85", kLearning, kFixed},
       whole(0, kAny / 2, &Run::trainer, &Train::optimizer, &OptimizerOptions::muon,
             &MuonOptions::momentum_warmup)},
      {{"muon-neuron-decay",
        "divide the update of each neuron by the root of its decaying mean square, with this decay (NorMuon); 0: no",
        kLearning, kFixed, "", "normuon normuon-beta2 muon-beta2"},
       real(0, 0.9999999, &Run::trainer, &Train::optimizer, &OptimizerOptions::muon,
            &MuonOptions::neuron_decay)},
      {{"weight-decay", "decoupled weight decay, on matrices only", kLearning, kFixed, "", "wd decay"},
       real(0, 10, &Run::trainer, &Train::optimizer, &OptimizerOptions::weight_decay)},
      {{"cautious-decay",
        "whether only elements decay that the update does not move away from zero: no or yes", kLearning,
        kFixed, "", "cautious-weight-decay"},
       choice<bool>({{"no", false}, {"yes", true}}, &Run::trainer, &Train::optimizer,
                    &OptimizerOptions::cautious_decay)},
      {{"beta1", "AdamW beta1 (decay of the first moment)", kLearning, kFixed},
       real(0, 0.99999, &Run::trainer, &Train::optimizer, &OptimizerOptions::adamw, &AdamWOptions::beta1)},
      {{"beta2", "AdamW beta2 (decay of the second moment)", kLearning, kFixed},
       real(0, 0.9999999, &Run::trainer, &Train::optimizer, &OptimizerOptions::adamw, &AdamWOptions::beta2)},
      {{"beta2-half-life",
        "choose beta2 by the batch: tokens after which a gradient has half of its weight in the second moment; 0: "
        "--beta2",
        kLearning, kFixed},
       whole(0, kAny, &Run::beta2_half_life_tokens)},
      {{"grad-clip", "clip the global gradient norm to this; 0: no clipping", kLearning, kFixed, "",
        "clip max-grad-norm gradient-clip gradient-clipping"},
       real(0, 1e9, &Run::trainer, &Train::optimizer, &OptimizerOptions::gradient_clip)},
  };
}

OptionTable<Run> limit_keys() {
  return {
      {{"steps", "stop after this many steps in total; 0: no limit", kLimits, kChangeable, "",
        "max-steps iters max-iters iterations num-steps"},
       whole(0, kAny, &Run::trainer, &Train::max_steps)},
      {{"tokens", "stop after this many tokens in total; 0: no limit", kLimits, kChangeable, "",
        "max-tokens"},
       whole(0, kAny, &Run::trainer, &Train::max_tokens)},
      {{"epochs", "stop after this many epochs; 0: no limit", kLimits, kChangeable, "",
        "max-epochs num-epochs num-train-epochs"},
       whole(0, 1'000'000'000, &Run::epochs)},
      {{"budget",
        "time of the whole run: chooses the model and how it learns, as pretrain plan does, and ends within it; 0s: no "
        "budget",
        kLimits, kFixed, "", "time-budget wall-clock deadline"},
       duration_of<Run>(at(&Run::trainer, &Train::budget, &TimeBudget::time))},
      {{"time",
        "save and stop after this time, such as 2h; for this command only, a resume does not keep it; 0s: no limit",
        kLimits, kChangeable, "", "max-time duration timeout hours"},
       duration_of<Run>(at(&Run::trainer, &Train::max_time))},
  };
}

OptionTable<Run> saving_keys() {
  return {
      {{"checkpoint-interval", "time between checkpoints; 0s: off", kSaving, kChangeable, "",
        "save-interval"},
       duration_of<Run>(at(&Run::trainer, &Train::checkpoint_interval))},
      {{"checkpoint-every", "steps between checkpoints; 0: off", kSaving, kChangeable, "",
        "save-every save-steps checkpoint-steps"},
       whole(0, kAny, &Run::trainer, &Train::checkpoint_every)},
      {{"keep", "number of newest checkpoints to keep, at least 2", kSaving, kChangeable, "",
        "keep-last save-total-limit"},
       whole(2, 1'000'000, &Run::store, &StoreOptions::keep)},
      {{"keep-every", "never remove checkpoints whose step is a multiple of this; 0: off", kSaving,
        kChangeable},
       whole(0, kAny, &Run::store, &StoreOptions::keep_every)},
  };
}

OptionTable<Run> watching_keys() {
  return {
      {{"validation-fraction", "share of documents to hold out for validation", kWatching, kFixed, kPreset,
        "val-fraction val-split"},
       real(0, 0.9, &Run::corpus, &CorpusOptions::validation_fraction)},
      {{"validation-corpus", "validate on this text instead of held-out documents", kWatching, kFixed, "",
        "val-corpus val-data"},
       paths_of<Run>(&Run::validation_inputs)},
      {{"validation-tokens", "size of the evaluation set, in tokens", kWatching, kFixed, "", "val-tokens"},
       whole(0, 1'000'000'000, &Run::validation_tokens)},
      {{"evaluate-every", "steps between evaluations; 0: only at the start and the end", kWatching,
        kChangeable, "", "eval-every eval-interval eval-steps validate-every"},
       whole(0, kAny, &Run::trainer, &Train::evaluate_every)},
      {{"sample-every", "steps between text samples; 0: only at the start and the end", kWatching,
        kChangeable},
       whole(0, kAny, &Run::trainer, &Train::sample_every)},
      {{"sample-tokens", "length of a text sample, in tokens; 0: no samples", kWatching, kChangeable},
       whole(0, 1'000'000, &Run::sample_tokens)},
      {{"sample-prompt", "text that a sample continues; without one, a new document", kWatching, kChangeable,
        "", "prompt sample-prompts"},
       texts_of<Run>(&Run::sample_prompts)},
      {{"log-every", "steps between records in metrics.jsonl; 0: no records", kWatching, kChangeable, "",
        "log-interval logging-steps"},
       whole(0, kAny, &Run::trainer, &Train::log_every)},
  };
}

}  // namespace

const OptionTable<RunConfiguration>& run_options() {
  static const OptionTable<RunConfiguration> table = [] {
    OptionTable<Run> all;
    for (const auto group : {text_keys, place_keys, manners_keys, machines_keys, model_keys, sequence_keys,
                             step_keys, rate_keys, optimizer_keys, limit_keys, saving_keys, watching_keys}) {
      for (Option<Run>& key : group()) all.push_back(std::move(key));
    }
    return all;
  }();
  return table;
}

const Option<RunConfiguration>* find_run_option(std::string_view name) {
  for (const auto& option : run_options()) {
    if (option.info.name == name) return &option;
  }
  return nullptr;
}

bool may_change_in_branch(std::string_view key) {
  static constexpr std::array kOfTheModel{"init-from",  "model",          "arch",      "layers",
                                          "d-model",    "heads",          "kv-heads",  "head-size",
                                          "rope-theta", "norm-epsilon",   "untied",    "d-ff",
                                          "vocab",      "tokenizer-type", "tokenizer", "allow-normalization",
                                          "context"};
  return std::ranges::find(kOfTheModel, key) == kOfTheModel.end();
}

}  // namespace pretrain
