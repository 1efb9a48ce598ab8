// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/event_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace pretrain {
namespace {

std::string hexadecimal(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

/// The examples of RFC 3720, appendix B.4, and the usual check value.
TEST(Crc32c, HasTheValuesOfItsStandard) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AA);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43);
}

TEST(EventFile, FramesAreAsTensorBoardReadsThem) {
  // Recorded once; TensorBoard 2.21 reads from it version, tag, step, time and value.
  EXPECT_EQ(hexadecimal(event_file_header(1.5)),
            "1a00000000000000129bd82d09000000000000f83f10001a0d627261696e2e4576656e743a32d3dc531e");
  EXPECT_EQ(
      hexadecimal(scalar_frame({.time = 1.5, .step = 300, .tag = "train/loss", .value = 0.25})),
      "2100000000000000017becf609000000000000f83f10ac022a130a110a0a747261696e2f6c6f7373150000803e6557981f");
  EXPECT_EQ(hexadecimal(session_start_frame(1.5, 7)),
            "0f000000000000006d532b0909000000000000f83f10073a020801774771c7");
}

TEST(EventFile, FramesHoldTheirLengthAndTwoChecksums) {
  const std::string frame = scalar_frame({.time = 1, .step = 1, .tag = "a", .value = 1});
  uint64_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(frame[i]);
  EXPECT_EQ(frame.size(), length + 16);
  EXPECT_NE(scalar_frame({.time = 1, .step = 1, .tag = "a", .value = 2}).substr(12 + length),
            frame.substr(12 + length));
}

}  // namespace
}  // namespace pretrain
