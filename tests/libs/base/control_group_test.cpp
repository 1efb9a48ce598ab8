// SPDX-License-Identifier: Apache-2.0
#include "libs/base/control_group.h"

#include <string>

#include <gtest/gtest.h>

#include "libs/base/machine.h"
#include "libs/base/units.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

constexpr auto kUnlimited = ControlGroupLimits{}.memory_bytes;

/// A machine whose kernel files lie in a temporary folder.
class ControlGroup : public testing::Test {
 protected:
  void membership(const std::string& text) { folder_.write("proc/self/cgroup", text); }
  void mounts(const std::string& text) { folder_.write("proc/self/mountinfo", text); }
  /// Version 2 alone, mounted where systemd does; `top` is the group that the mount shows as its outermost.
  void unified_in(const std::string& group, const std::string& top = "/") {
    membership("0::" + group + "\n");
    mounts("22 1 0:20 / /proc rw - proc proc rw\n35 24 0:30 " + top +
           " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void group(const std::string& name, const std::string& file, const std::string& content) {
    folder_.write("sys/fs/cgroup/" + name + "/" + file, content);
  }
  ControlGroupLimits limits() const { return control_group_limits(folder_.path()); }

  const test::TempFolder folder_;
};

TEST_F(ControlGroup, WithoutAnyNothingIsLimited) {
  EXPECT_EQ(limits().memory_bytes, kUnlimited);
  EXPECT_EQ(limits().available_bytes, kUnlimited);
  EXPECT_EQ(limits().processors, ControlGroupLimits{}.processors);
}

TEST_F(ControlGroup, TheTightestOfNestedGroupsCounts) {
  unified_in("/a/b/c");
  group("a/b/c", "memory.max", "max\n");
  group("a/b", "memory.max", "3000000\n");
  group("a/b", "memory.current", "1000000\n");
  group("a", "memory.max", "4000000\n");
  group("a", "memory.current", "3900000\n");
  EXPECT_EQ(limits().memory_bytes, 3000000U);
  EXPECT_EQ(limits().available_bytes, 100000U) << "the wider group is the fuller one";
}

TEST_F(ControlGroup, PagesOfFilesAreNotUsedMemory) {
  unified_in("/a");
  group("a", "memory.max", "1000000\n");
  group("a", "memory.current", "990000\n");
  group(
      "a", "memory.stat",
      "anon 100000\nfile 800000\nkernel 90000\ninactive_anon 70000\nactive_anon 30000\ninactive_file 500000\n"
      "active_file 200000\nslab_reclaimable 40000\nslab_unreclaimable 50000\n");
  EXPECT_EQ(limits().available_bytes, 1000000U - (990000U - 740000U));
}

TEST_F(ControlGroup, AGroupAboveItsLimitHasNothingLeft) {
  unified_in("/a");
  group("a", "memory.max", "1000\n");
  group("a", "memory.current", "5000\n");
  EXPECT_EQ(limits().available_bytes, 0U);
  group("a", "memory.stat", "inactive_file 9000\n");  // as read a moment later
  EXPECT_EQ(limits().available_bytes, 1000U);
}

TEST_F(ControlGroup, WhereTheKernelSlowsDownIsALimit) {
  unified_in("/system.slice/pretrain.service");
  group("system.slice/pretrain.service", "memory.max", "9000\n");
  group("system.slice/pretrain.service", "memory.high", "8500\n");
  EXPECT_EQ(limits().memory_bytes, 8500U);
}

TEST_F(ControlGroup, AQuotaOfProcessorTimeIsRoundedUp) {
  unified_in("/a/b");
  group("a/b", "cpu.max", "max 100000\n");
  EXPECT_EQ(limits().processors, ControlGroupLimits{}.processors);
  group("a", "cpu.max", "250000 100000\n");
  EXPECT_EQ(limits().processors, 3);
  group("a/b", "cpu.max", "200000 100000\n");
  EXPECT_EQ(limits().processors, 2);
  group("a/b", "cpu.max", "1000 100000\n");
  EXPECT_EQ(limits().processors, 1);
}

TEST_F(ControlGroup, AContainerSeesItsOwnGroupAtTheTop) {
  // With a namespace the group is "/"; without one it is named as the host does, and the mount shows that
  // group.
  for (const auto& [name, top] : {std::pair("/", "/"), {"/docker/0af3", "/docker/0af3"}, {"/../host", "/"}}) {
    unified_in(name, top);
    group(".", "memory.max", "7000\n");
    group(".", "cpu.max", "300000 100000\n");
    EXPECT_EQ(limits().memory_bytes, 7000U) << name;
    EXPECT_EQ(limits().processors, 3) << name;
  }
}

TEST_F(ControlGroup, OfVersionOneEachControllerHasAHierarchyOfItsOwn) {
  membership("5:cpu,cpuacct:/user\n4:memory:/user/me\n2:cpuset:/elsewhere\n0::/\n");
  mounts(
      "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
      "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "36 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  group("cpu/user", "cpu.cfs_quota_us", "150000\n");
  group("cpu/user", "cpu.cfs_period_us", "100000\n");
  group("cpu", "cpu.cfs_quota_us", "-1\n");
  group("cpu", "cpu.cfs_period_us", "100000\n");
  group("memory/user/me", "memory.limit_in_bytes", "9223372036854771712\n");
  group("memory/user", "memory.limit_in_bytes", "500000\n");
  group("memory/user", "memory.usage_in_bytes", "450000\n");
  group("memory/user", "memory.stat",
        "cache 1\ninactive_file 1\nactive_file 1\ntotal_inactive_file 300000\ntotal_active_file 100000\n");
  EXPECT_EQ(limits().processors, 2);
  EXPECT_EQ(limits().memory_bytes, 500000U);
  EXPECT_EQ(limits().available_bytes, 450000U);
}

TEST_F(ControlGroup, MountPointsMayHoldBlanks) {
  membership("0::/a\n");
  mounts("35 24 0:30 / /sys/fs/my\\040groups rw - cgroup2 cgroup2 rw\n");
  folder_.write("sys/fs/my groups/a/memory.max", "6000\n");
  EXPECT_EQ(limits().memory_bytes, 6000U);
}

TEST_F(ControlGroup, WhatIsNoNumberLimitsNothing) {
  membership("nonsense\n0:\n0::/a\n");
  mounts("short\n35 24 0:30 / /sys/fs/cgroup rw - cgroup2\n - \n1 2 3 - cgroup2\n");
  group("a", "memory.max", "many\n");
  group("a", "cpu.max", "100000\n");
  EXPECT_EQ(limits().memory_bytes, kUnlimited);
  group("a", "cpu.max", "100000 0\n");
  EXPECT_EQ(limits().processors, ControlGroupLimits{}.processors);
}

TEST_F(ControlGroup, AMachineHasWhatItsGroupsLeave) {
  unified_in("/a");
  folder_.write("proc/meminfo", "MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:  200 kB\n");
  folder_.write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Example 9000\n");
  group("a", "memory.max", "1048576\n");
  group("a", "memory.current", "524288\n");
  group("a", "cpu.max", "100000 100000\n");
  const Machine machine = inspect_machine(folder_.path());
  EXPECT_EQ(machine.processor, "Example 9000");
  EXPECT_EQ(machine.cores, 1);
  EXPECT_EQ(machine.memory_bytes, 1_MiB);
  EXPECT_EQ(machine.available_bytes, 200U * 1024);
  folder_.write("proc/meminfo", "MemAvailable: 2000 kB\n");
  EXPECT_EQ(inspect_machine(folder_.path()).available_bytes, 524288U);
}

TEST_F(ControlGroup, AFrozenGroupIsNamedByItsSwitch) {
  unified_in("/system.slice/a.service");
  folder_.write("proc/5/cgroup", "0::/system.slice/a.service/main\n");
  EXPECT_FALSE(frozen_group(5, folder_.path())) << "there are no files of the group";
  group("system.slice/a.service/main", "cgroup.freeze", "0\n");
  group("system.slice/a.service/main", "cgroup.events", "populated 1\nfrozen 0\n");
  EXPECT_FALSE(frozen_group(5, folder_.path()));
  group("system.slice/a.service/main", "cgroup.events", "populated 1\nfrozen 1\n");
  auto frozen = frozen_group(5, folder_.path());
  ASSERT_TRUE(frozen);
  EXPECT_EQ(frozen->switch_file, "") << "by a group that nobody sees here";
  group("system.slice/a.service", "cgroup.freeze", "1\n");
  frozen = frozen_group(5, folder_.path());
  ASSERT_TRUE(frozen);
  EXPECT_EQ(frozen->switch_file, folder_.path() / "sys/fs/cgroup/system.slice/a.service/cgroup.freeze");
  EXPECT_STREQ(frozen->thawed, "0");
  EXPECT_FALSE(frozen_group(6, folder_.path())) << "there is no such process";
}

TEST_F(ControlGroup, AFrozenGroupOfVersion1IsNamedByItsSwitch) {
  folder_.write("proc/5/cgroup", "4:freezer:/jobs/one\n0::/\n");
  mounts(
      "35 24 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
      "36 24 0:31 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n");
  group("freezer/jobs/one", "freezer.self_freezing", "0\n");
  EXPECT_FALSE(frozen_group(5, folder_.path()));
  group("freezer/jobs", "freezer.self_freezing", "1\n");
  const auto frozen = frozen_group(5, folder_.path());
  ASSERT_TRUE(frozen);
  EXPECT_EQ(frozen->switch_file, folder_.path() / "sys/fs/cgroup/freezer/jobs/freezer.state");
  EXPECT_STREQ(frozen->thawed, "THAWED");
}

}  // namespace
}  // namespace pretrain
