// SPDX-License-Identifier: Apache-2.0
#include "pipeline/loader_memory.h"

#include "libs/base/units.h"

namespace pretrain {
namespace {

/// Text of a ticket, its tokens, and the memory to decompress it.
constexpr uint64_t kTicketBytes = 512_KiB;
/// An origin in a checkpoint: shard and offset.
constexpr uint64_t kStoredOriginBytes = 12;
/// The entry of a batch among the scalars of a state: an object of two members, each a node of a tree.
constexpr uint64_t kBatchEntryBytes = 384;
/// Tasks of oneTBB, a piece of a file, tables of shards: 40 to 150 KB on a quiet machine, 510 KB beside other programs.
constexpr uint64_t kGraphBytes = 1_MiB;
constexpr uint64_t kPairsBytes = sizeof(uint32_t);

}  // namespace

LoaderMemory plan_loader_memory(const LoaderOptions& options) {
  const SequenceBufferOptions& buffer = options.assembler.buffer;
  const auto rows = static_cast<uint64_t>(options.assembler.rows);
  const uint64_t sequence = SequenceBuffer::bytes_of_tokens(buffer);
  const uint64_t batch = rows * buffer.context * (sizeof(uint32_t) + sizeof(int32_t));
  return {.buffer = buffer.capacity * (sequence + kPairsBytes + sizeof(SequenceOrigin)),
          .queue = options.queue_batches * (batch + rows * sizeof(SequenceOrigin) + sizeof(Batch)),
          .in_flight = Loader::ticket_bound(options.workers) * kTicketBytes,
          .state = buffer.capacity * (sequence + kPairsBytes + kStoredOriginBytes) +
                   options.queue_batches * (batch + rows * kStoredOriginBytes + kBatchEntryBytes) +
                   SeenDocuments::state_bytes(options.assembler.deduplication),
          .seen = SeenDocuments::table_bytes(options.assembler.deduplication),
          .graph = kGraphBytes};
}

}  // namespace pretrain
