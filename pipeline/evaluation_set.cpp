// SPDX-License-Identifier: Apache-2.0
#include "pipeline/evaluation_set.h"

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/base/hasher64.h"
#include "libs/base/number.h"
#include "libs/checkpoint/safetensors.h"

namespace pretrain {
namespace {

/// Tokens to read or write at once: 1 MiB of ids, which bounds the memory.
constexpr uint64_t kTokensAtOnce = uint64_t{1} << 18;

uint64_t rows_at_once(uint32_t context) {
  return std::max<uint64_t>(1, kTokensAtOnce / context);
}

/// A checksum of the hash of inputs and targets (hash_of) and of the counts, which can't be computed from the
/// tokens.
std::string checksum_of(const std::string& hash, uint64_t target_count, uint64_t target_bytes) {
  return hex64(hash64(fmt::format("{} {} {}", hash, target_count, target_bytes)));
}

template <typename Value>
std::span<const std::byte> bytes_of(const std::vector<Value>& values, uint64_t count) {
  return std::as_bytes(std::span(values).first(count));
}

/// Calls `visit` with the first row and the number of rows of each block.
template <typename Visit>
void for_each_block(uint64_t sequences, uint32_t context, const Visit& visit) {
  const uint64_t at_once = rows_at_once(context);
  for (uint64_t row = 0; row < sequences; row += at_once) visit(row, std::min(at_once, sequences - row));
}

/// A temporary file next to another one, removed by the destructor.
class BesideFile {
 public:
  BesideFile(FileSystem& files, const Path& path, const char* ending) : files_(files), path_(path) {
    path_ += ending;
    if (file_exists(path_)) files_.remove_file(path_);  // left by a process that was killed
    file_ = files_.create(path_);
  }
  ~BesideFile() {
    try {
      file_.reset();
      if (file_exists(path_)) files_.remove_file(path_);
    } catch (const IoError&) {  // the next start removes it
    }
  }
  BesideFile(const BesideFile&) = delete;
  BesideFile& operator=(const BesideFile&) = delete;

  WritableFile& file() { return *file_; }
  const Path& path() const { return path_; }
  /// Replaces the other file by this one.
  /// Synced before the rename, so that the name never leads to an incomplete file.
  void become(const Path& path) {
    file_->sync();
    file_->close();
    files_.rename(path_, path);
    files_.sync_folder(path.parent_path());
  }

 private:
  FileSystem& files_;
  Path path_;
  std::unique_ptr<WritableFile> file_;
};

/// The collected blocks, each with its inputs and then its targets. They are not one array each, because the
/// number of sequences, and so the offset of the targets, is only known at the end.
class Blocks {
 public:
  Blocks(FileSystem& files, const Path& path) : file_(files, path, ".collecting") {}

  void collect(HeldOutText& text, const EvaluationProgress& progress) {
    context_ = text.context();
    const uint64_t at_once = rows_at_once(context_);
    std::vector<uint32_t> inputs(at_once * context_);
    std::vector<int32_t> targets(at_once * context_);
    while (const uint64_t rows = text.read(inputs, targets)) {
      file_.file().write(bytes_of(inputs, rows * context_));
      file_.file().write(bytes_of(targets, rows * context_));
      sequences_ += rows;
      if (rows < at_once) break;
      if (progress) progress(sequences_);
    }
  }

  /// Passes the inputs, or the targets, of all blocks to `sink`, in order.
  void read(bool inputs, const ByteSink& sink) const {
    const ReadableFile file(file_.path());
    std::vector<std::byte> block;
    for_each_block(sequences_, context_, [&](uint64_t row, uint64_t rows) {
      const uint64_t bytes = rows * context_ * 4;
      block.resize(bytes);
      if (file.read_at(row * context_ * 8 + (inputs ? 0 : bytes), block) < bytes)
        fail(ErrorKind::kRuntime, "{} was truncated while it was read; start again", file_.path().string());
      sink(block);
    });
  }

  uint64_t sequences() const { return sequences_; }

 private:
  BesideFile file_;
  uint32_t context_ = 0;
  uint64_t sequences_ = 0;
};

/// As examine() computes it: inputs first, then targets with the hash of the inputs as seed.
std::string hash_of(const Blocks& blocks, uint32_t context) {
  Hasher64 inputs(context);
  blocks.read(true, [&](std::span<const std::byte> bytes) { inputs.update(bytes); });
  Hasher64 targets(inputs.value());
  blocks.read(false, [&](std::span<const std::byte> bytes) { targets.update(bytes); });
  return hex64(targets.value());
}

/// An open file of a set.
class StoredSet {
 public:
  StoredSet(const Path& path, uint32_t context, const Tokenizer& tokenizer)
      : path_(path),
        file_(SafetensorsFile::open(path, Links::kRefuse)),
        context_(context),
        vocabulary_(tokenizer.vocabulary_size()) {
    const TensorInfo* inputs = file_.find("inputs");
    if (inputs == nullptr || inputs->shape.size() != 2 || inputs->shape[1] != context || context == 0)
      fail_set(fmt::format("not an evaluation set for context {}", context));
    sequences_ = inputs->shape[0];
    (void)file_.require("inputs", DType::kU32, inputs->shape);
    (void)file_.require("targets", DType::kI32, inputs->shape);
  }

  uint64_t sequences() const { return sequences_; }

  /// Shapes: [rows, T] from `row` on. Errors: kData for an id that is not in the vocabulary.
  void read_inputs(uint64_t row, std::span<uint32_t> inputs) const {
    file_.read_part("inputs", row * context_ * 4, std::as_writable_bytes(inputs));
    check("inputs", row, inputs, [&](uint32_t id) { return id < vocabulary_; });
  }
  void read_targets(uint64_t row, std::span<int32_t> targets) const {
    file_.read_part("targets", row * context_ * 4, std::as_writable_bytes(targets));
    check("targets", row, targets,
          [&](int32_t id) { return id >= -1 && id < static_cast<int64_t>(vocabulary_); });
  }

  std::string metadata(const char* key) const {
    const auto found = file_.metadata().find(key);
    return found == file_.metadata().end() ? std::string() : found->second;
  }
  uint64_t count(const char* key) const {
    const auto value = parse_number<uint64_t>(metadata(key));
    if (!value) fail_set(fmt::format("{} is not a whole number", key));
    return *value;
  }

  [[noreturn]] void fail_set(const std::string& problem) const {
    fail(ErrorKind::kData, "{}: {}; remove it, and it is collected again", path_.string(), problem);
  }

 private:
  template <typename Value, typename Good>
  void check(const char* name, uint64_t row, std::span<Value> values, const Good& good) const {
    const auto bad = std::ranges::find_if_not(values, good);
    if (bad == values.end()) return;
    const auto at = static_cast<uint64_t>(bad - values.begin());
    fail_set(fmt::format("{}[{}, {}] is {}, and the vocabulary has {} pieces", name, row + at / context_,
                         at % context_, *bad, vocabulary_));
  }

  const Path path_;
  const SafetensorsFile file_;
  const uint64_t context_;
  const uint32_t vocabulary_;
  uint64_t sequences_ = 0;
};

/// Counts and hash of the actual content.
EvaluationSet examine(const StoredSet& stored, uint32_t context, const Tokenizer& tokenizer,
                      const std::stop_token& stop, const EvaluationProgress& progress) {
  EvaluationSet set{.context = context, .sequences = stored.sequences(), .hash = {}};
  std::vector<uint32_t> inputs;
  Hasher64 inputs_hash(context);
  for_each_block(set.sequences, context, [&](uint64_t row, uint64_t rows) {
    if (stop.stop_requested()) throw Stopped();
    inputs.resize(rows * context);
    stored.read_inputs(row, inputs);
    inputs_hash.update(std::as_bytes(std::span(inputs)));
  });
  std::vector<int32_t> targets;
  Hasher64 hash(inputs_hash.value());
  for_each_block(set.sequences, context, [&](uint64_t row, uint64_t rows) {
    if (stop.stop_requested()) throw Stopped();
    targets.resize(rows * context);
    stored.read_targets(row, targets);
    hash.update(std::as_bytes(std::span(targets)));
    for (const int32_t target : targets) {
      if (target < 0) continue;
      ++set.target_count;
      const auto id = static_cast<uint32_t>(target);
      if (id != tokenizer.end_of_text()) set.target_bytes += tokenizer.bytes_of(id).size();
    }
    if (progress && row > 0) progress(row + rows);
  });
  set.hash = hex64(hash.value());
  return set;
}

/// A reader keeps the file open through its shared pointer, so the set may be replaced meanwhile.
SequenceReader reader_of(std::shared_ptr<const StoredSet> stored, uint32_t context) {
  return [stored = std::move(stored), context, row = uint64_t{0}](std::span<uint32_t> inputs,
                                                                  std::span<int32_t> targets) mutable {
    const uint64_t rows = std::min<uint64_t>(inputs.size() / context, stored->sequences() - row);
    if (rows == 0) return rows;
    stored->read_inputs(row, inputs.first(rows * context));
    stored->read_targets(row, targets.first(rows * context));
    row += rows;
    return rows;
  };
}

}  // namespace

/// Two passes: first collects blocks into a temporary file, then writes the file with all inputs before all
/// targets, as safetensors needs. So memory does not depend on the size of the set.
void collect_evaluation_set(FileSystem& files, const Path& path, HeldOutText& text,
                            const EvaluationProgress& progress) {
  Blocks blocks(files, path);
  blocks.collect(text, progress);
  const std::string checksum =
      checksum_of(hash_of(blocks, text.context()), text.target_count(), text.target_bytes());
  const TensorMetadata metadata{{"hash", checksum},
                                {"target_count", std::to_string(text.target_count())},
                                {"target_bytes", std::to_string(text.target_bytes())}};
  const std::vector<uint64_t> shape{blocks.sequences(), text.context()};
  const std::vector<TensorOutline> outlines{{.name = "inputs", .dtype = DType::kU32, .shape = shape},
                                            {.name = "targets", .dtype = DType::kI32, .shape = shape}};
  BesideFile result(files, path, ".tmp");
  result.file().write(safetensors_header(outlines, metadata));
  for (const bool inputs : {true, false})
    blocks.read(inputs, [&](std::span<const std::byte> bytes) { result.file().write(bytes); });
  result.become(path);
}

/// A rename is enough within a folder. Elsewhere the set is copied, because it may be on another file system.
void keep_evaluation_set(FileSystem& files, const Path& from, const Path& to) {
  if (from.parent_path() == to.parent_path()) {
    files.rename(from, to);
    files.sync_folder(to.parent_path());
    return;
  }
  const ReadableFile source(from);
  BesideFile copy(files, to, ".tmp");
  std::vector<std::byte> block(kTokensAtOnce * 4);
  for (uint64_t at = 0; const size_t got = source.read_at(at, block); at += got)
    copy.file().write(std::span<const std::byte>(block).first(got));
  copy.become(to);
}

/// Reads the whole file once: the counts in its metadata are only trusted if they match its content.
EvaluationSet open_evaluation_set(const Path& path, uint32_t context, const Tokenizer& tokenizer,
                                  const std::stop_token& stop, const EvaluationProgress& progress) {
  const auto stored = std::make_shared<const StoredSet>(path, context, tokenizer);
  EvaluationSet set = examine(*stored, context, tokenizer, stop, progress);
  const uint64_t count = stored->count("target_count");
  const uint64_t bytes = stored->count("target_bytes");
  if (stored->metadata("hash") != checksum_of(set.hash, count, bytes))
    stored->fail_set("content does not match its hash");
  if (count != set.target_count)
    stored->fail_set(fmt::format("target_count is {}, and there are {}", count, set.target_count));
  if (bytes != set.target_bytes)
    stored->fail_set(fmt::format("target_bytes is {}, and its targets have {}", bytes, set.target_bytes));
  set.open = [stored, context] { return reader_of(stored, context); };
  return set;
}

/// Sequences follow each other without a gap: the first input, and then all targets, are the text.
std::vector<DocumentSignature> signatures_of(const EvaluationSet& set, const Tokenizer& tokenizer) {
  std::vector<DocumentSignature> signatures;
  if (set.sequences == 0) return signatures;
  std::string text;
  const auto add = [&](uint32_t id) {
    if (id != tokenizer.end_of_text()) {
      text += tokenizer.bytes_of(id);
    } else {
      signatures.push_back(signature_of(text));
      text.clear();
    }
  };
  const uint64_t at_once = std::min(rows_at_once(set.context), set.sequences);
  std::vector<uint32_t> inputs(at_once * set.context);
  std::vector<int32_t> targets(at_once * set.context);
  const SequenceReader read = set.open();
  for (bool first = true; const uint64_t rows = read(inputs, targets); first = false) {
    if (first) add(inputs.front());
    for (const int32_t target : std::span(targets).first(rows * set.context)) {
      if (target >= 0) add(static_cast<uint32_t>(target));
    }
  }
  if (!text.empty()) signatures.push_back(signature_of(text));
  return signatures;
}

}  // namespace pretrain
