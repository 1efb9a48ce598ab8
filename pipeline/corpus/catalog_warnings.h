// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the user should know of the files that are read, found while they are scanned. Thread-compatible.

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// Adds warnings of shards that are probably not what was meant: a text in another encoding, tables, the same text
/// under two names.
void add_warnings(Catalog& catalog);

}  // namespace pretrain
