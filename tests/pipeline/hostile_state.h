// SPDX-License-Identifier: Apache-2.0
#pragma once
// A stream's state with malicious changes, which bytes choose. For the fuzz target and for a
// property test; without GoogleTest. Single-owner.

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/data/batch_source.h"
#include "pipeline/batch_assembler.h"

namespace pretrain::test {

class HostileState {
 public:
  /// Of a stream that is well under way.
  explicit HostileState(Packing packing);

  const StreamState& sound() const { return sound_; }

  /// The state with changes: `bytes` are a JSON object that takes the place of scalars (all of them as text
  /// up to a zero byte), and then groups of four bytes: an array, a place in it (two bytes), a value.
  StreamState changed(std::string_view bytes) const;

  /// Restores it and makes batches from what comes of that. Aborts when an id is not in the vocabulary.
  /// Returns whether the state was taken.
  bool survive(const StreamState& state) const;

 private:
  AssemblerOptions options_;
  StreamState sound_;
};

}  // namespace pretrain::test
