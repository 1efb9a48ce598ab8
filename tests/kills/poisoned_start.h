// SPDX-License-Identifier: Apache-2.0
#pragma once
// A run in which loss and gradient of five consecutive steps of each epoch are not finite, always of the same
// batches: it returns to its newest checkpoint, repeats these steps and skips them, once an epoch.

#include <cstdint>
#include <filesystem>

namespace pretrain::test {

/// Batches of one epoch, with batches of kPoisonedRows rows and the context of the model `tiny`.
constexpr uint64_t kPoisonedEpoch = 100;
constexpr uint64_t kPoisonedRows = 16;

/// Writes the corpus: one text of English characters, with one other character in each of five batches that
/// follow each other, if sequences are not mixed.
void write_poisoned_corpus(const std::filesystem::path& folder);

/// Changes the checkpoint of step 0 of a run on that corpus so that this character makes a step not finite,
/// and no other one does.
void poison_first_checkpoint(const std::filesystem::path& state);

}  // namespace pretrain::test
