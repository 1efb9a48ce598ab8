// SPDX-License-Identifier: Apache-2.0
#pragma once
// Event files of TensorBoard: scalars by step. A file is a list of frames, each with checksums; a reader stops at a
// damaged one, so frames are written whole.
// Source: the messages Event, Summary and SessionLog of tensorboard/compat/proto/{event,summary}.proto, in the
// encoding of protocol buffers; frames as in TFRecord files, with masked CRC-32C.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pretrain {

/// Of bytes, with the Castagnoli polynomial.
/// Source: RFC 3720, appendix B.4.
uint32_t crc32c(std::string_view bytes);

/// What every file begins with.
std::string event_file_header(double time);

struct ScalarEvent {
  double time = 0;  ///< seconds since 1970
  uint64_t step = 0;
  std::string_view tag;  ///< "train/loss"
  double value = 0;      ///< stored with the precision of a float
};

/// One frame.
std::string scalar_frame(const ScalarEvent& event);

/// The frame of a session that starts at this step: a reader forgets what other files of the folder say about this
/// step and later ones.
std::string session_start_frame(double time, uint64_t step);

}  // namespace pretrain
