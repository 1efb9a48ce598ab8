#pragma once
// Where the trainer's batches come from, and what a checkpoint keeps of it.

#include <cstddef>
#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/data/batch.h"

namespace pretrain {

/// The state of the stream after a given batch. Written into checkpoints as it is.
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

/// How full the loader is and what it has seen, for the status line and the metrics.
struct SourceStatus {
  uint64_t buffered_sequences = 0;
  uint64_t buffer_capacity = 0;
  uint64_t queued_batches = 0;
  uint64_t queue_capacity = 0;
  uint64_t documents = 0;                 ///< training documents read so far
  uint64_t invalid_utf8 = 0;              ///< malformed byte runs that were replaced
  std::map<std::string, uint64_t> skips;  ///< what was skipped, by reason
  uint64_t unwritten_skips = 0;           ///< places among them that could not be written down
};

/// A stream of batches. Used by one thread, the trainer's.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  /// Waits for the next batch; false at the end of a bounded stream.
  /// Errors: Stopped when the token asks for it; whatever ended the loader.
  virtual bool next(Batch& batch, const std::stop_token& stop) = 0;

  /// Takes back the batches that next() gave last, oldest first: it gives them again, and they belong to its
  /// state. So nothing is lost that was taken from the stream and not trained.
  virtual void give_back(std::vector<Batch> batches) = 0;

  /// The state from which a new source continues with the batch that next() would return now.
  /// Waits until the queue is full, so that the state does not depend on timing; but not after a stop
  /// request, where the stream continues from what there is all the same.
  virtual StreamState state(const std::stop_token& stop) = 0;

  /// Where the text of each row begins, for a person; rows of padding have none.
  virtual std::vector<std::string> documents_of(const Batch& batch) const = 0;

  virtual SourceStatus status() const = 0;
};

}  // namespace pretrain
