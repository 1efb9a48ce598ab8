// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads bytes as the records of a format, whole and in two parts, and aborts when the two differ.

#include <string_view>

#include "libs/base/check.h"
#include "pipeline/corpus/record_reader.h"
#include "tests/fuzz/memory_source.h"

namespace pretrain::test {

/// Hash of the places and texts of the records that begin in [begin, end).
inline uint64_t read_part(std::string_view bytes, TextFormat format, uint64_t begin, uint64_t end,
                          uint64_t hash) {
  MemorySource source(bytes);
  const ReadHooks hooks;
  StreamBuffer stream(source, hooks);
  const auto reader = make_record_reader(format, stream, {begin, end, begin});
  for (Record record; reader->next(record);) {
    PRETRAIN_CHECK(record.offset >= begin && record.offset < end && record.end <= bytes.size(),
                   "{} to {} in {}", record.offset, record.end, bytes.size());
    for (const char c : record.text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash = (hash ^ record.offset) * 0x100000001b3;
  }
  return hash;
}

/// `same_in_parts`: what a record is does not depend on where reading began.
inline void read_as(TextFormat format, std::string_view bytes, bool same_in_parts) {
  const uint64_t whole = read_part(bytes, format, 0, bytes.size(), 1);
  if (!same_in_parts) return;
  const uint64_t middle = bytes.size() / 2;
  const uint64_t parts =
      read_part(bytes, format, middle, bytes.size(), read_part(bytes, format, 0, middle, 1));
  PRETRAIN_CHECK(parts == whole, "read in two parts, the records differ");
}

}  // namespace pretrain::test
