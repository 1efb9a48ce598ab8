// SPDX-License-Identifier: Apache-2.0
#include "pipeline/queue_state.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "pipeline/stream_fields.h"

namespace pretrain {
namespace {

/// Concatenates the values of all batches. `Values` is a vector of 32-bit numbers in a batch.
template <typename Values>
StreamState::Array joined(std::string name, const std::deque<Batch>& batches, Values Batch::*values) {
  uint64_t count = 0;
  for (const Batch& batch : batches) count += (batch.*values).size();
  StreamState::Array array{.name = std::move(name), .element_bytes = 4, .shape = {count}, .bytes = {}};
  array.bytes.reserve(4 * count);
  for (const Batch& batch : batches) {
    const auto bytes = std::as_bytes(std::span(batch.*values));
    array.bytes.insert(array.bytes.end(), bytes.begin(), bytes.end());
  }
  return array;
}

/// Of all rows of all batches, one after the other.
std::vector<SequenceOrigin> origins_of(const std::deque<Batch>& batches) {
  std::vector<SequenceOrigin> origins;
  for (const Batch& batch : batches)
    origins.insert(origins.end(), batch.origins.begin(), batch.origins.end());
  return origins;
}

std::span<const std::byte> bytes_of(const StreamState& state, std::string_view name, uint64_t expected) {
  const StreamState::Array& array = state.array(name);
  if (array.element_bytes != 4 || array.bytes.size() != expected) {
    fail_stream(kArraysFile, fmt::format("the queue of batches differs: '{}' has {} bytes, expected {}", name,
                                         array.bytes.size(), expected));
  }
  return array.bytes;
}

/// Moves the next values from the front of `bytes` to `values`.
template <typename Value>
void take(std::span<const std::byte>& bytes, std::vector<Value>& values) {
  const auto to = std::as_writable_bytes(std::span(values));
  std::ranges::copy(bytes.first(to.size()), to.begin());
  bytes = bytes.subspan(to.size());
}

}  // namespace

/// Numbers and epochs go to the scalars; the tokens of all batches form one array for inputs and one for
/// targets.
void save_queue(const std::deque<Batch>& batches, StreamState& state) {
  state.scalars["queued"] = nlohmann::json::array();
  for (const Batch& batch : batches)
    state.scalars["queued"].push_back({{"number", batch.number}, {"epoch", batch.epoch}});
  state.arrays.push_back(to_array("queued_origins", origins_of(batches)));
  state.arrays.push_back(joined("queued_inputs", batches, &Batch::inputs));
  state.arrays.push_back(joined("queued_targets", batches, &Batch::targets));
}

/// The sizes of the arrays must follow from the number of batches; nothing is allocated before that is
/// checked.
std::vector<Batch> restore_queue(const StreamState& state, const AssemblerOptions& options) {
  const auto queued = state.scalars.find("queued");
  if (queued == state.scalars.end() || !queued->is_array())
    fail_stream(kScalarsFile, "'queued' is not a list of batches");
  const auto rows = static_cast<size_t>(options.rows);
  const size_t elements = rows * options.buffer.context;
  std::span<const std::byte> inputs = bytes_of(state, "queued_inputs", queued->size() * elements * 4);
  std::span<const std::byte> targets = bytes_of(state, "queued_targets", queued->size() * elements * 4);
  std::vector<SequenceOrigin> origins;
  read_origins(state, "queued_origins", queued->size() * rows, origins);
  std::vector<Batch> batches;
  batches.reserve(queued->size());
  for (const auto& entry : *queued) {
    const auto first = origins.begin() + static_cast<int64_t>(batches.size() * rows);
    Batch batch{.number = number_in(entry, "number"),
                .epoch = number_in<uint32_t>(entry, "epoch"),
                .rows = options.rows,
                .context = options.buffer.context,
                .inputs = std::vector<uint32_t>(elements),
                .targets = std::vector<int32_t>(elements),
                .origins = {first, first + options.rows}};
    take(inputs, batch.inputs);
    take(targets, batch.targets);
    check_ids(batch.inputs, options.buffer.vocabulary, "queued_inputs");
    check_targets(batch.targets, options.buffer.vocabulary, "queued_targets");
    finish_batch(batch);
    batches.push_back(std::move(batch));
  }
  return batches;
}

}  // namespace pretrain
