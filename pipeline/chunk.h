// SPDX-License-Identifier: Apache-2.0
#pragma once
// The result of a worker for a ticket: token ids instead of text.

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/corpus/corpus_reader.h"

namespace pretrain {

/// The tokens of one piece of a document.
struct EncodedPiece {
  std::vector<uint32_t> ids;
  Place place;  ///< of the document, in the chunk's catalog
  bool begins_document = false;
  bool ends_document = false;
  std::shared_ptr<const DocumentFacts> facts = nullptr;  ///< of a document that begins here, if requested
};

/// The result of one ticket: exactly one per ticket, success or failure.
struct Chunk {
  uint64_t number = 0;  ///< of its ticket
  uint32_t epoch = 0;
  std::vector<EncodedPiece> pieces;
  std::vector<Skip> skips;
  std::map<SkipReason, uint64_t> unwanted;  ///< number of unwanted pages, by reason
  uint64_t invalid_utf8 = 0;                ///< malformed byte runs that were replaced
  Cursor after;                             ///< position after the ticket
  std::shared_ptr<const Catalog> catalog;   ///< the catalog that `after` refers to
  bool ends_epoch = false;
  std::exception_ptr error;  ///< why the stream ends here
};

}  // namespace pretrain
