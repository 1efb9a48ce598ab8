// SPDX-License-Identifier: Apache-2.0
#include "pipeline/batch_assembler.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/json_reason.h"
#include "pipeline/stream_fields.h"

namespace pretrain {
namespace {

/// Earlier versions did not save them, so they may be absent.
std::vector<Packer::DocumentStart> document_starts_of(const nlohmann::json& scalars) {
  std::vector<Packer::DocumentStart> starts;
  for (const auto& entry : scalars.value("document_starts", nlohmann::json::array())) {
    const auto whole = [](const nlohmann::json& value) { return value.is_number_unsigned(); };
    if (!entry.is_array() || entry.size() != 3 || !std::ranges::all_of(entry, whole))
      fail_stream(kScalarsFile, "'document_starts' are not places of documents");
    starts.push_back({entry[0].get<uint64_t>(), {entry[1].get<uint32_t>(), entry[2].get<uint64_t>()}});
  }
  return starts;
}

}  // namespace

BatchAssembler::BatchAssembler(const AssemblerOptions& options)
    : options_(options),
      packer_(options.packing, options.buffer.context, options.end_of_text),
      buffer_(options.buffer) {
  if (options.deduplication.mode != Deduplication::kOff) seen_.emplace(options.deduplication);
}

/// Each iteration does the first of these that is possible: move a sequence from the shuffle buffer to the
/// batch, cut a sequence into the buffer, end the epoch, or finish the stream. The order is a function of the
/// chunks alone, so the stream is too. An unfinished last batch is padded with rows that don't count.
std::optional<Batch> BatchAssembler::produce() {
  while (!finished_) {
    if (buffer_.must_emit()) {
      append_row(buffer_.emit());
      if (partial_.rows == options_.rows) return take_partial();
    } else if (const std::optional<SequenceView> sequence = packer_.next()) {
      buffer_.insert(*sequence);
      ++sequences_this_epoch_;
    } else if (epoch_ends_) {
      end_epoch();
    } else if (draining_) {
      finished_ = true;
      if (partial_.rows > 0) {
        const SequenceBuffer::Sequence padding{.tokens = std::vector<uint32_t>(options_.buffer.context + 1)};
        while (partial_.rows < options_.rows) append_row(padding);
        return take_partial();
      }
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

/// A sequence has T + 1 tokens: the first T are inputs, and the target of each is the next one. Positions
/// after the end of a short sequence get the target -1, which does not count.
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

/// The batch whose rows are complete. Batches are numbered over all epochs; a resume continues the numbers.
Batch BatchAssembler::take_partial() {
  Batch batch = std::exchange(partial_, {});
  batch.number = next_batch_++;
  batch.epoch = epoch_;
  batch.context = options_.buffer.context;
  finish_batch(batch);
  return batch;
}

/// Fails before it changes anything if the epoch is too short, so that a state saved afterwards fails in the
/// same way. The buffer stops growing after the first epoch: it would otherwise hold a small corpus several
/// times.
void BatchAssembler::end_epoch() {
  if (epoch_is_too_short()) {
    fail(ErrorKind::kData,
         "corpus: an epoch gives {} sequences of {} tokens, less than one batch of {}; add text, or use a "
         "smaller --batch or --context",
         sequences_this_epoch_, options_.buffer.context, options_.rows);
  }
  leave_epoch();
  buffer_.stop_growing();
  if (!is_last_epoch()) return;
  draining_ = true;
  packer_.flush();
  buffer_.drain();
}

void BatchAssembler::leave_epoch() {
  epoch_ends_ = false;
  sequences_this_epoch_ = 0;
}

/// More epochs were requested after the last one had been absorbed. The effects of the end remain: sequences
/// may have left the buffer without replacement, and the last sequence and the last batch may be padded.
void BatchAssembler::reopen() {
  draining_ = finished_ = false;
  reopened_ = true;
}

/// Only takes a chunk when it is needed, so that a saved state holds little text: the tokens of one chunk at
/// most.
std::vector<Skip> BatchAssembler::absorb(const Chunk& chunk) {
  PRETRAIN_CHECK(!epoch_ends_ && !draining_, "absorbing beyond the end");
  std::vector<Skip> duplicates;
  for (const EncodedPiece& piece : chunk.pieces) {
    if (const auto reason = duplicate_reason(piece))
      duplicates.push_back(
          {chunk.catalog->shards[piece.place.shard].name, piece.place.offset, *reason, piece.facts->title});
    if (in_duplicate_) continue;
    packer_.add(piece, origin_names_.origin_of(piece.place, chunk.catalog));
    if (piece.ends_document) ++documents_;
  }
  if (chunk.ends_epoch && seen_) seen_->forget();
  for (const Skip& skip : duplicates) ++skips_[skip.cause.reason];
  for (const Skip& skip : chunk.skips) ++skips_[skip.cause.reason];
  for (const auto& [reason, count] : chunk.unwanted) skips_[reason] += count;
  invalid_utf8_ += chunk.invalid_utf8;
  epoch_ = chunk.epoch;
  epoch_ends_ = chunk.ends_epoch;
  cursor_ = chunk.after;
  catalog_ = chunk.catalog;
  return duplicates;
}

/// Decides about a document when its first piece comes: the facts are those of all of it. Chunks come in the order of
/// the stream, so the decision does not depend on the workers. Each epoch keeps the copy that it meets first.
std::optional<SkipReason> BatchAssembler::duplicate_reason(const EncodedPiece& piece) {
  if (!piece.begins_document) return std::nullopt;
  std::optional<SkipReason> reason;
  if (seen_ && piece.facts != nullptr) reason = seen_->find_or_add(piece.facts->signature);
  in_duplicate_ = reason.has_value();
  return reason;
}

std::vector<std::string> BatchAssembler::documents_of(const Batch& batch) const {
  std::vector<std::string> documents;
  for (const SequenceOrigin& origin : batch.origins) {
    std::string document = origin_names_.describe(origin);
    if (!document.empty()) documents.push_back(std::move(document));
  }
  return documents;
}

void BatchAssembler::start_at(const Cursor& cursor, std::shared_ptr<const Catalog> catalog,
                              std::span<const DocumentSignature> evaluated) {
  if (seen_) seen_->set_evaluated(evaluated);
  cursor_ = cursor;
  catalog_ = std::move(catalog);
}

/// libs/checkpoint/FORMAT.md lists the keys and arrays. Their names are part of the format and must not
/// change.
void BatchAssembler::save(StreamState& state) const {
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
  nlohmann::json& skips = state.scalars["skips"] = nlohmann::json::object();
  for (const auto& [reason, count] : skips_) skips[std::string(reason_key(reason))] = count;
  state.scalars["document_ends"] = packer_.document_ends();
  state.scalars["partial_rows"] = static_cast<uint64_t>(partial_.rows);
  nlohmann::json starts = nlohmann::json::array();
  for (const Packer::DocumentStart& start : packer_.document_starts())
    starts.push_back({start.position, start.origin.shard, start.origin.offset});
  state.scalars["document_starts"] = starts;
  state.scalars["origin_names"] = origin_names_.names();
  buffer_.save_origins(state);
  state.arrays.push_back(to_array("partial_origins", partial_.origins));
  state.arrays.push_back(to_array("carry", packer_.carry()));
  state.arrays.push_back(to_array("partial_inputs", partial_.inputs));
  const std::vector<uint32_t> targets(partial_.targets.begin(), partial_.targets.end());
  state.arrays.push_back(to_array("partial_targets", targets));
  buffer_.save_sequences(state);
  if (!seen_) return;
  state.scalars["in_duplicate"] = in_duplicate_;
  seen_->save(state);
}

/// Checks every value against the options and the vocabulary, because a checkpoint may be damaged or forged.
void BatchAssembler::restore(const StreamState& state) {
  try {
    buffer_.restore(state);
    restore_position(state.scalars);
    restore_partial(state);
    restore_packer(state);
    origin_names_ = OriginNames(state.scalars.value("origin_names", std::vector<std::string>()));
    if (seen_) {
      in_duplicate_ = flag_in(state.scalars, "in_duplicate");
      seen_->restore(state);
    }
  } catch (const nlohmann::json::exception& error) {
    fail_stream(kScalarsFile, std::string(json_reason(error.what())));
  }
  if (draining_ && !is_last_epoch()) reopen();
  if (draining_) {
    packer_.flush();
    buffer_.drain();
  }
}

void BatchAssembler::restore_position(const nlohmann::json& s) {
  cursor_ = s.at("cursor").get<Cursor>();
  catalog_ = std::make_shared<const Catalog>(s.at("catalog").get<Catalog>());
  next_batch_ = number_in(s, "next_batch");
  sequences_this_epoch_ = number_in(s, "sequences_this_epoch");
  epoch_ = number_in<uint32_t>(s, "epoch");
  epoch_ends_ = flag_in(s, "epoch_ends");
  draining_ = flag_in(s, "draining");
  finished_ = flag_in(s, "finished");
  documents_ = number_in(s, "documents");
  invalid_utf8_ = number_in(s, "invalid_utf8");
  skips_.clear();
  for (const auto& [reason, count] : s.at("skips").items())
    skips_[find_reason(reason)] += number_in(s.at("skips"), reason.c_str());
}

/// The starts and ends of documents are positions in the carry, so they must be sorted and inside it.
void BatchAssembler::restore_packer(const StreamState& state) {
  std::vector<uint32_t> carry = values_of(state, "carry");
  check_ids(carry, options_.buffer.vocabulary, "carry");
  const std::vector<uint64_t> ends = numbers_in(state.scalars, "document_ends");
  if (!std::ranges::is_sorted(ends) || (!ends.empty() && ends.back() > carry.size()) ||
      (!ends.empty() && options_.packing != Packing::kChunk)) {
    fail_stream(kScalarsFile,
                fmt::format("'document_ends' do not fit the {} tokens of 'carry'", carry.size()));
  }
  const std::vector<Packer::DocumentStart> starts = document_starts_of(state.scalars);
  if (!std::ranges::is_sorted(starts, {}, &Packer::DocumentStart::position) ||
      (!starts.empty() && starts.back().position > carry.size())) {
    fail_stream(kScalarsFile,
                fmt::format("'document_starts' do not fit the {} tokens of 'carry'", carry.size()));
  }
  packer_.restore(std::move(carry), ends, starts);
}

/// Checks the sizes against the number of rows before anything is computed from them.
void BatchAssembler::restore_partial(const StreamState& state) {
  partial_ = {};
  partial_.rows = static_cast<int64_t>(number_in(state.scalars, "partial_rows"));
  partial_.inputs = values_of(state, "partial_inputs");
  const std::vector<uint32_t> targets = values_of(state, "partial_targets");
  partial_.targets.assign(targets.begin(), targets.end());
  const auto expected = static_cast<uint64_t>(partial_.rows) * options_.buffer.context;
  if (partial_.rows < 0 || partial_.rows >= options_.rows || partial_.inputs.size() != expected ||
      targets.size() != expected) {
    fail_stream(kArraysFile, fmt::format("{} rows of an unfinished batch do not fit batches of {} x {}",
                                         partial_.rows, options_.rows, options_.buffer.context));
  }
  check_ids(partial_.inputs, options_.buffer.vocabulary, "partial_inputs");
  check_targets(partial_.targets, options_.buffer.vocabulary, "partial_targets");
  read_origins(state, "partial_origins", static_cast<size_t>(partial_.rows), partial_.origins);
}

}  // namespace pretrain
