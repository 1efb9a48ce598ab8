#include "pipeline/batch_assembler.h"

#include <algorithm>
#include <span>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

StreamState::Array to_array(std::string name, std::span<const uint32_t> values) {
  const auto bytes = std::as_bytes(values);
  return {.name = std::move(name),
          .element_bytes = 4,
          .shape = {values.size()},
          .bytes = {bytes.begin(), bytes.end()}};
}

std::vector<uint32_t> values_of(const StreamState& state, std::string_view name) {
  const auto& array = state.array(name);
  std::vector<uint32_t> values(array.bytes.size() / 4);
  const auto to = std::as_writable_bytes(std::span(values));
  std::ranges::copy(std::span(array.bytes).first(to.size()), to.begin());
  return values;
}

/// Earlier versions did not keep them.
std::vector<Packer::DocumentStart> document_starts_of(const nlohmann::json& scalars) {
  std::vector<Packer::DocumentStart> starts;
  for (const auto& entry : scalars.value("document_starts", nlohmann::json::array())) {
    starts.push_back(
        {entry.at(0).get<uint64_t>(), {entry.at(1).get<uint32_t>(), entry.at(2).get<uint64_t>()}});
  }
  return starts;
}

}  // namespace

BatchAssembler::BatchAssembler(const AssemblerOptions& options)
    : options_(options),
      packer_(options.packing, options.buffer.context, options.end_of_text),
      buffer_(options.buffer) {}

bool BatchAssembler::produce(Batch& batch) {
  while (!finished_) {
    SequenceView sequence;
    if (buffer_.must_emit()) {
      buffer_.emit(sequence_);
      append_row(sequence_);
      if (partial_.rows == options_.rows) {
        finish(batch);
        return true;
      }
    } else if (packer_.next(sequence)) {
      buffer_.insert(sequence);
      ++sequences_this_epoch_;
    } else if (epoch_ends_) {
      end_epoch();
    } else if (draining_) {
      finished_ = true;
      if (partial_.rows > 0) {
        const SequenceBuffer::Sequence padding{.tokens = std::vector<uint32_t>(options_.buffer.context + 1)};
        while (partial_.rows < options_.rows) append_row(padding);
        finish(batch);
        return true;
      }
    } else {
      return false;
    }
  }
  return false;
}

void BatchAssembler::append_row(const SequenceBuffer::Sequence& sequence) {
  const uint32_t T = options_.buffer.context;
  const std::vector<uint32_t>& tokens = sequence.tokens;
  partial_.inputs.insert(partial_.inputs.end(), tokens.begin(), tokens.begin() + T);
  for (uint32_t t = 0; t < T; ++t) {
    partial_.targets.push_back(t < sequence.pairs ? static_cast<int32_t>(tokens[t + 1]) : -1);
  }
  partial_.origins.push_back(sequence.origin);
  ++partial_.rows;
}

void BatchAssembler::finish(Batch& batch) {
  batch = std::move(partial_);
  partial_ = {};
  batch.number = next_batch_++;
  batch.epoch = epoch_;
  batch.context = options_.buffer.context;
  finish_batch(batch);
}

/// An epoch that is too small changes nothing: a resume from here meets the same error.
void BatchAssembler::end_epoch() {
  if (sequences_this_epoch_ < static_cast<uint64_t>(options_.rows)) {
    fail(ErrorKind::kData,
         "corpus: an epoch gives {} sequences of {} tokens, less than one batch of {}; add text, or use a "
         "smaller "
         "--batch or --context",
         sequences_this_epoch_, options_.buffer.context, options_.rows);
  }
  epoch_ends_ = false;
  sequences_this_epoch_ = 0;
  buffer_.stop_growing();
  if (!is_last_epoch()) return;
  draining_ = true;
  packer_.flush();
  buffer_.drain();
}

/// The epochs that were to be the last have been absorbed, and now there are to be more. What the end has
/// done stays: sequences may have left the buffer without others coming in, the last one may be padded, and
/// so may the last batch.
void BatchAssembler::reopen() {
  draining_ = finished_ = false;
  reopened_ = true;
}

void BatchAssembler::absorb(const Chunk& chunk) {
  PRETRAIN_CHECK(!epoch_ends_ && !draining_, "absorbing beyond the end");
  for (const EncodedPiece& piece : chunk.pieces) {
    packer_.add(piece, origin_names_.origin_of(piece.place, chunk.catalog));
    if (piece.ends_document) ++documents_;
  }
  for (const Skip& skip : chunk.skips) ++skips_[skip.reason];
  for (const auto& [reason, count] : chunk.unwanted) skips_[reason] += count;
  invalid_utf8_ += chunk.invalid_utf8;
  epoch_ = chunk.epoch;
  epoch_ends_ = chunk.ends_epoch;
  cursor_ = chunk.after;
  catalog_ = chunk.catalog;
}

std::vector<std::string> BatchAssembler::documents_of(const Batch& batch) const {
  std::vector<std::string> documents;
  for (const SequenceOrigin& origin : batch.origins) {
    std::string document = origin_names_.describe(origin);
    if (!document.empty()) documents.push_back(std::move(document));
  }
  return documents;
}

void BatchAssembler::start_at(const Cursor& cursor, std::shared_ptr<const Catalog> catalog) {
  cursor_ = cursor;
  catalog_ = std::move(catalog);
}

void BatchAssembler::save(StreamState& state) const {
  const SequenceBuffer::State buffer = buffer_.state();
  state.scalars["cursor"] = cursor_;
  state.scalars["catalog"] = *catalog_;
  state.scalars["next_batch"] = next_batch_;
  state.scalars["sequences_this_epoch"] = sequences_this_epoch_;
  state.scalars["epoch"] = epoch_;
  state.scalars["epoch_ends"] = epoch_ends_;
  state.scalars["draining"] = draining_;
  state.scalars["finished"] = finished_;
  state.scalars["documents"] = documents_;
  state.scalars["invalid_utf8"] = invalid_utf8_;
  state.scalars["skips"] = skips_;
  state.scalars["document_ends"] = packer_.document_ends();
  state.scalars["buffer_rng"] = buffer.rng;
  state.scalars["buffer_limit"] = buffer.limit;
  state.scalars["buffer_absorbed"] = buffer.absorbed_since_emission;
  state.scalars["partial_rows"] = partial_.rows;
  nlohmann::json starts = nlohmann::json::array();
  for (const Packer::DocumentStart& start : packer_.document_starts())
    starts.push_back({start.position, start.origin.shard, start.origin.offset});
  state.scalars["document_starts"] = starts;
  state.scalars["origin_names"] = origin_names_.names();
  state.arrays.push_back(to_array("buffer_origins", buffer.origins));
  state.arrays.push_back(to_array("partial_origins", partial_.origins));
  state.arrays.push_back(to_array("carry", packer_.carry()));
  state.arrays.push_back(to_array("partial_inputs", partial_.inputs));
  const std::vector<uint32_t> targets(partial_.targets.begin(), partial_.targets.end());
  state.arrays.push_back(to_array("partial_targets", targets));
  state.arrays.push_back(to_array("buffer_pairs", buffer.pairs));
  state.arrays.push_back({.name = "buffer_tokens",
                          .element_bytes = buffer_.token_bytes(),
                          .shape = {buffer.pairs.size(), options_.buffer.context + 1},
                          .bytes = buffer.tokens});
}

void BatchAssembler::restore(const StreamState& state) {
  try {
    restore_buffer(state);
    restore_position(state.scalars);
    restore_partial(state);
    packer_.restore(values_of(state, "carry"), state.scalars.at("document_ends").get<std::vector<uint64_t>>(),
                    document_starts_of(state.scalars));
    origin_names_ = OriginNames(state.scalars.value("origin_names", std::vector<std::string>()));
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kData,
         "checkpoint: loader state is damaged ({}); use an older checkpoint (resume --from STEP)",
         error.what());
  }
  if (draining_ && !is_last_epoch()) reopen();
  if (draining_) {
    packer_.flush();
    buffer_.drain();
  }
}

void BatchAssembler::restore_buffer(const StreamState& state) {
  const nlohmann::json& s = state.scalars;
  SequenceBuffer::State buffer{.tokens = state.array("buffer_tokens").bytes,
                               .pairs = values_of(state, "buffer_pairs")};
  buffer.limit = s.at("buffer_limit").get<uint64_t>();
  const uint64_t needed = std::max<uint64_t>(buffer.pairs.size(), buffer.limit);
  if (needed > options_.buffer.capacity) {
    fail(ErrorKind::kUsage,
         "the run's shuffle buffer is for {} sequences; --shuffle-buffer {} is too small for it",
         format_count(needed), format_count(options_.buffer.capacity));
  }
  const uint64_t expected = buffer.pairs.size() * (options_.buffer.context + 1) * buffer_.token_bytes();
  if (buffer.tokens.size() != expected) {
    fail(ErrorKind::kData, "checkpoint: the shuffle buffer has {} bytes, expected {}", buffer.tokens.size(),
         expected);
  }
  buffer.origins = origins_of(state, "buffer_origins", buffer.pairs.size());
  buffer.rng = s.at("buffer_rng").get<Rng::State>();
  buffer.absorbed_since_emission = s.at("buffer_absorbed").get<uint64_t>();
  buffer_.restore(buffer);
}

void BatchAssembler::restore_position(const nlohmann::json& s) {
  cursor_ = s.at("cursor").get<Cursor>();
  catalog_ = std::make_shared<const Catalog>(s.at("catalog").get<Catalog>());
  next_batch_ = s.at("next_batch").get<uint64_t>();
  sequences_this_epoch_ = s.at("sequences_this_epoch").get<uint64_t>();
  epoch_ = s.at("epoch").get<uint32_t>();
  epoch_ends_ = s.at("epoch_ends").get<bool>();
  draining_ = s.at("draining").get<bool>();
  finished_ = s.at("finished").get<bool>();
  documents_ = s.at("documents").get<uint64_t>();
  invalid_utf8_ = s.at("invalid_utf8").get<uint64_t>();
  skips_ = s.at("skips").get<std::map<std::string, uint64_t>>();
}

void BatchAssembler::restore_partial(const StreamState& state) {
  partial_ = {};
  partial_.rows = state.scalars.at("partial_rows").get<int64_t>();
  partial_.inputs = values_of(state, "partial_inputs");
  const std::vector<uint32_t> targets = values_of(state, "partial_targets");
  partial_.targets.assign(targets.begin(), targets.end());
  const auto expected = static_cast<uint64_t>(partial_.rows) * options_.buffer.context;
  if (partial_.rows >= options_.rows || partial_.inputs.size() != expected || targets.size() != expected) {
    fail(ErrorKind::kData, "checkpoint: {} rows of a begun batch do not fit batches of {} x {}",
         partial_.rows, options_.rows, options_.buffer.context);
  }
  partial_.origins = origins_of(state, "partial_origins", static_cast<size_t>(partial_.rows));
}

}  // namespace pretrain
