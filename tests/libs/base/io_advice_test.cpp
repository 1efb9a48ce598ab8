// SPDX-License-Identifier: Apache-2.0
#include "libs/base/io_advice.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace pretrain {
namespace {

TEST(IoAdvice, FollowsAMessageWithoutARemedy) {
  EXPECT_EQ(with_io_advice("cannot write /a: No space left on device", ENOSPC),
            "cannot write /a: No space left on device; free some space or use another disk");
  EXPECT_EQ(with_io_advice("cannot open /a: Too many open files", EMFILE),
            "cannot open /a: Too many open files; raise the limit on open files (ulimit -n)");
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
