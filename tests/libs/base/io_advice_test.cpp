// SPDX-License-Identifier: Apache-2.0
#include "libs/base/io_advice.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/file.h"

namespace pretrain {
namespace {

TEST(IoAdvice, FollowsAMessageWithoutARemedy) {
  EXPECT_EQ(with_io_advice("cannot write /a: No space left on device", ENOSPC),
            "cannot write /a: No space left on device; free some space or use another disk (df -h and df -i "
            "show what is full)");
  EXPECT_EQ(with_io_advice("cannot open /a: Too many open files", EMFILE),
            "cannot open /a: Too many open files; raise the limit on open files (ulimit -n)");
}

TEST(IoAdvice, NamesARemedyForEachWayADiskFails) {
  const std::pair<int, const char*> advice[] = {{EDQUOT, "raise the quota"},
                                                {EROFS, "mount -o remount,rw"},
                                                {EIO, "dmesg"},
                                                {EUCLEAN, "fsck"},
                                                {ESTALE, "mount the network disk again"},
                                                {ENOTCONN, "mount it again"},
                                                {ENXIO, "its disk is still attached"},
                                                {ENODEV, "its disk is still attached"},
                                                {ENOMEDIUM, "insert the medium"}};
  for (const auto& [code, part] : advice) {
    const std::string message = fmt::format("cannot read /a: {}", std::strerror(code));
    const std::string advised = with_io_advice(message, code);
    EXPECT_THAT(advised, testing::AllOf(testing::StartsWith(message + "; "), testing::HasSubstr(part)));
    EXPECT_EQ(with_io_advice(advised, code), advised) << "once only";
  }
}

TEST(IoAdvice, IsForErrorsOfSystemCallsAlone) {
  EXPECT_EQ(message_with_advice(IoError(ErrorKind::kRuntime, "cannot write /a: File too large", EFBIG)),
            "cannot write /a: File too large; raise the limit on the size of files (ulimit -f)");
  EXPECT_EQ(message_with_advice(Error(ErrorKind::kRuntime, "no text")), "no text");
}

TEST(IoAdvice, LeavesAMessageWithARemedyAsItIs) {
  const std::string message = "--config /a: No such file or directory; check the path and its permissions";
  EXPECT_EQ(with_io_advice(message, ENOENT), message);
}

TEST(IoAdvice, IsSilentAboutErrorsWithoutAKnownCause) {
  EXPECT_EQ(with_io_advice("cannot write /a: Success", 0), "cannot write /a: Success");
  EXPECT_EQ(io_advice(EAGAIN), "");
}

}  // namespace
}  // namespace pretrain
