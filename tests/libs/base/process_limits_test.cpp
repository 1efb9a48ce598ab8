// SPDX-License-Identifier: Apache-2.0
#include "libs/base/process_limits.h"

#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "libs/base/descriptor.h"
#include "libs/base/units.h"
#include "tests/support/sanitizers.h"

namespace pretrain {
namespace {

using Resource = decltype(RLIMIT_FSIZE);

/// Lowers a limit that this process may raise again.
class LowerLimit {
 public:
  LowerLimit(Resource resource, rlim_t value) : resource_(resource) {
    getrlimit(resource_, &before_);
    const rlimit lower{.rlim_cur = value, .rlim_max = before_.rlim_max};
    EXPECT_EQ(setrlimit(resource_, &lower), 0);
  }
  ~LowerLimit() { setrlimit(resource_, &before_); }
  LowerLimit(const LowerLimit&) = delete;
  LowerLimit& operator=(const LowerLimit&) = delete;

 private:
  Resource resource_;
  rlimit before_{};
};

TEST(ProcessLimits, TellTheSizeOfAFile) {
  const LowerLimit limit(RLIMIT_FSIZE, 123'456);
  EXPECT_EQ(process_limits().file_bytes, 123'456U);
}

TEST(ProcessLimits, TellHowManyMoreFilesCanBeOpened) {
  const LowerLimit limit(RLIMIT_NOFILE, 100);
  const uint64_t more = process_limits().more_files;
  EXPECT_LT(more, 98U);
  std::vector<Descriptor> open_ones;
  while (true) {
    Descriptor opened(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!opened) break;
    open_ones.push_back(std::move(opened));
  }
  EXPECT_EQ(open_ones.size(), more);
  EXPECT_EQ(process_limits().more_files, 0U) << "there is none left to count them with";
}

TEST(ProcessLimits, TellWhatIsLeftOfMemory) {
  if (test::kSanitized) GTEST_SKIP() << "a sanitizer needs more addresses";
  const LowerLimit limit(RLIMIT_AS, 10'000'000'000);
  const uint64_t before = process_limits().more_memory;
  EXPECT_LT(before, 10'000'000'000U);
  const std::vector<char> block(64_MiB);
  EXPECT_NEAR(static_cast<double>(before - process_limits().more_memory), 64.0 * (1 << 20), 1e6);
}

}  // namespace
}  // namespace pretrain
