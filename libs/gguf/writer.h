// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes a GGUF file as a stream: memory is bounded by the largest tensor, equal contents give equal bytes.

#include <cstddef>
#include <functional>
#include <span>

#include "libs/base/byte_sink.h"
#include "libs/gguf/content.h"

namespace pretrain {

/// Fills in the elements of the tensor with this index, row-major; `values` has one place for each.
using TensorReader = std::function<void(size_t index, std::span<float> values)>;

/// Size of the file that write_gguf makes.
uint64_t gguf_size_bytes(const GgufOutline& outline);

/// Asks for one tensor after the other and hands the file on in pieces of at most 4 MiB.
/// Requires: keys and names unique; names and dimensions within bounds; rows of whole blocks; no key
/// general.alignment.
/// Errors: kUsage, naming the tensor, when a value would become infinity; those of `read` and `sink`.
void write_gguf(const GgufOutline& outline, const TensorReader& read, const ByteSink& sink);

/// Rounds elements to `type` and hands them on in pieces of at most 4 MiB; `name` is for messages.
/// Requires: whole blocks.
/// Errors: kUsage, as above; those of `sink`.
void write_elements(std::string_view name, ElementType type, std::span<const float> values,
                    const ByteSink& sink);

}  // namespace pretrain
