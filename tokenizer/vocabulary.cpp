// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/vocabulary.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <unordered_map>

#include <sentencepiece_trainer.h>

#include "libs/base/error.h"
#include "libs/base/process.h"
#include "libs/base/units.h"
#include "tokenizer/training_text.h"

namespace pretrain {
namespace {

constexpr uint32_t kReservedPieces = 2 + 256;
constexpr uint32_t kMinPieces = 300;
// A fixed number, because the unigram trainer adds one partial sum per thread, so its result depends on it.
constexpr int kTrainerThreads = 16;
// Progress is reported for each twentieth of the vocabulary.
constexpr uint32_t kProgressSteps = 20;

class LineIterator : public sentencepiece::SentenceIterator {
 public:
  LineIterator(const std::vector<std::string>& documents, const Alphabet& alphabet)
      : lines_(documents, alphabet) {}

  bool done() const override { return lines_.line().empty(); }
  void Next() override { lines_.next(); }
  const std::string& value() const override { return lines_.line(); }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  TrainingLines lines_;
};

/// Turns the trainer's many log lines into a few short ones.
class Progress {
 public:
  Progress(uint32_t pieces, size_t alphabet) : pieces_(pieces), before_merges_(kReservedPieces + alphabet) {}

  std::optional<std::string> read(std::string_view line) {
    const std::optional<uint64_t> size = number_after(line, " size=");
    if (!size) return std::nullopt;
    if (line.find("EM sub_iter=0") != std::string_view::npos) {
      return "vocabulary: narrowing " + format_count(*size) + " candidates to " + format_count(pieces_) +
             " pieces";
    }
    if (line.find("Added: ") == std::string_view::npos) return std::nullopt;
    const uint64_t done = before_merges_ + *size;
    const uint64_t step = done * kProgressSteps / pieces_;
    if (step == step_) return std::nullopt;
    step_ = step;
    return "vocabulary: " + format_count(done) + " of " + format_count(pieces_) + " pieces";
  }

 private:
  static std::optional<uint64_t> number_after(std::string_view line, std::string_view name) {
    const size_t start = line.find(name);
    if (start == std::string_view::npos) return std::nullopt;
    const std::string_view digits = line.substr(start + name.size());
    uint64_t value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return result.ec == std::errc() ? std::optional(value) : std::nullopt;
  }

  uint32_t pieces_;
  uint64_t before_merges_;
  uint64_t step_ = 0;
};

std::unordered_map<std::string, std::string> trainer_arguments(const VocabularyOptions& options) {
  return {
      {"model_type", std::string(tokenizer_type_name(options.type))},
      {"vocab_size", std::to_string(options.pieces)},
      {"hard_vocab_limit", "false"},
      {"normalization_rule_name", "identity"},
      {"add_dummy_prefix", "false"},
      {"remove_extra_whitespaces", "false"},
      {"byte_fallback", "true"},
      {"split_digits", "true"},
      {"character_coverage", "1.0"},  // the lines only have characters of the alphabet
      {"max_sentence_length", "65536"},
      {"num_threads", std::to_string(kTrainerThreads)},
      {"unk_id", "0"},
      {"eos_id", "1"},
      {"bos_id", "-1"},
      {"pad_id", "-1"},
      {"unk_piece", "<|unk|>"},
      {"eos_piece", "<|endoftext|>"},
  };
}

/// Rounds scores to multiples of 1/256. Then sums over a text of 16 KiB are exact in float and in double, and
/// every program finds the same best segmentation.
void round_scores(ModelProto& model) {
  constexpr float kSteps = 256;
  for (ModelPiece& piece : model.pieces) piece.score = std::round(piece.score * kSteps) / kSteps;
}

std::string run_trainer(const std::vector<std::string>& documents, const Alphabet& alphabet,
                        const VocabularyOptions& options) {
  LineIterator lines(documents, alphabet);
  std::string trained;
  const auto status =
      sentencepiece::SentencePieceTrainer::Train(trainer_arguments(options), &lines, &trained);
  if (!status.ok()) fail(ErrorKind::kRuntime, "cannot train the vocabulary: {}", status.error_message());
  // Rewriting the model keeps what determines the encoding and drops the settings of the training.
  ModelProto model = parse_model_proto(trained);
  if (options.type == TokenizerType::kUnigram) round_scores(model);
  return serialize_model_proto(model);
}

size_t alphabet_limit(const VocabularyOptions& options) {
  const size_t room = options.pieces - kReservedPieces;
  return options.type == TokenizerType::kChar ? room : room / 2;
}

}  // namespace

std::string train_vocabulary(const std::vector<std::string>& documents, const VocabularyOptions& options,
                             const std::function<void(std::string)>& on_progress,
                             const std::stop_token& stop) {
  if (options.pieces < kMinPieces) {
    fail(ErrorKind::kUsage, "a vocabulary of {} pieces is too small: {} are reserved; use at least {}",
         options.pieces, kReservedPieces, kMinPieces);
  }
  const Alphabet alphabet(documents, alphabet_limit(options));
  if (!alphabet.has_text())
    fail(ErrorKind::kData, "the sample for the vocabulary has no text; check the corpus");
  if (on_progress) on_progress("vocabulary: counting words");
  Progress progress(options.pieces, alphabet.size());
  return run_in_child([&] { return run_trainer(documents, alphabet, options); },
                      [&](std::string_view line) {
                        const std::optional<std::string> text = progress.read(line);
                        if (text && on_progress) on_progress(*text);
                      },
                      stop);
}

}  // namespace pretrain
