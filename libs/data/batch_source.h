// SPDX-License-Identifier: Apache-2.0
#pragma once
// The source of the trainer's batches, and its state in checkpoints.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/data/batch.h"

namespace pretrain {

/// The state of the stream after a batch, stored in checkpoints.
struct StreamState {
  nlohmann::json scalars;  ///< positions, counters, random number states, the catalog of the epoch

  /// An array of fixed-width unsigned integers (token ids, lengths).
  struct Array {
    std::string name;
    uint32_t element_bytes = 4;  ///< 2 or 4
    std::vector<uint64_t> shape;
    std::vector<std::byte> bytes;
  };
  std::vector<Array> arrays;

  /// Errors: kData, naming the array that is missing.
  const Array& array(std::string_view name) const;
};

/// Fill levels and counters of the loader, for the status line and the metrics.
struct SourceStatus {
  uint64_t buffered_sequences = 0;
  uint64_t buffer_capacity = 0;
  uint64_t queued_batches = 0;
  uint64_t queue_capacity = 0;
  uint64_t documents = 0;                 ///< training documents read so far
  uint64_t invalid_utf8 = 0;              ///< malformed byte runs that were replaced
  std::map<std::string, uint64_t> skips;  ///< number of skipped records, by reason
  uint64_t unwritten_skips = 0;           ///< skips that could not be recorded in skipped.jsonl
};

/// A stream of batches. Used by one thread, the trainer's.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  /// Waits for the next batch; nothing at the end of a bounded stream.
  /// Errors: Stopped when the token requests it; the error that ended the loader.
  [[nodiscard]] virtual std::optional<Batch> next(const std::stop_token& stop) = 0;

  /// Puts back the last batches from next(), oldest first. next() returns them again and the state includes
  /// them, so that batches that were taken but not trained are not lost.
  virtual void give_back(std::vector<Batch> batches) = 0;

  /// The state from which a new source continues with the batch that next() would return now. Waits until the
  /// queue is full, so that the state does not depend on timing. After a stop request it does not wait; the
  /// stream still continues correctly.
  virtual StreamState state(const std::stop_token& stop) = 0;

  /// Where the text of each row begins, as text for the user; rows of padding have none.
  virtual std::vector<std::string> documents_of(const Batch& batch) const = 0;

  virtual SourceStatus status() const = 0;
};

}  // namespace pretrain
