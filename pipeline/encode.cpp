// SPDX-License-Identifier: Apache-2.0
#include "pipeline/encode.h"

#include <utility>

#include "pipeline/corpus/utf8.h"

namespace pretrain {

/// Everything except the text is moved from the ticket to the chunk. Text is freed piece by piece with the
/// ticket.
Chunk encode_ticket(Ticket&& ticket, const Tokenizer& tokenizer) {
  Chunk chunk{.number = ticket.number,
              .epoch = ticket.epoch,
              .skips = std::move(ticket.skips),
              .unwanted = std::move(ticket.unwanted),
              .after = ticket.after,
              .catalog = std::move(ticket.catalog),
              .ends_epoch = ticket.ends_epoch};
  chunk.pieces.reserve(ticket.pieces.size());
  for (TextPiece& piece : ticket.pieces) {
    chunk.invalid_utf8 += piece.invalid_utf8 + repair_utf8(piece.text);
    EncodedPiece encoded{.place = piece.place,
                         .begins_document = piece.begins_document,
                         .ends_document = piece.ends_document,
                         .facts = std::move(piece.facts)};
    tokenizer.encode(piece.text, encoded.ids);
    chunk.pieces.push_back(std::move(encoded));
  }
  return chunk;
}

}  // namespace pretrain
