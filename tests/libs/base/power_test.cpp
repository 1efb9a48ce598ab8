// SPDX-License-Identifier: Apache-2.0
#include "libs/base/power.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;

void add_supply(const TempFolder& root, const std::string& name, const std::string& type,
                const std::string& online) {
  root.write("sys/class/power_supply/" + name + "/type", type + "\n");
  if (!online.empty()) root.write("sys/class/power_supply/" + name + "/online", online + "\n");
}

TEST(Power, OnBatteryIsAMachineWhoseOtherSuppliesAreAllOff) {
  const TempFolder root;
  EXPECT_FALSE(runs_on_battery(root.path())) << "a desktop shows nothing";
  add_supply(root, "BAT0", "Battery", "");
  EXPECT_FALSE(runs_on_battery(root.path())) << "only a battery: nobody knows";
  add_supply(root, "ADP1", "Mains", "0");
  EXPECT_TRUE(runs_on_battery(root.path()));
  add_supply(root, "ucsi-1", "USB", "1");
  EXPECT_FALSE(runs_on_battery(root.path()));
}

TEST(Power, ThrottlesAreThoseOfAllCores) {
  const TempFolder root;
  EXPECT_FALSE(throttle_count(root.path()));
  root.write("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n");
  root.write("sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "4\n");
  root.write("sys/devices/system/cpu/cpufreq/boost", "1\n");
  EXPECT_EQ(throttle_count(root.path()), 7U);
}

TEST(Power, EnergyIsThatOfThePackagesAcrossTheEndOfTheCounter) {
  const TempFolder root;
  const auto counter = [&](const std::string& domain, const std::string& name, uint64_t energy) {
    root.write("sys/class/powercap/" + domain + "/name", name + "\n");
    root.write("sys/class/powercap/" + domain + "/max_energy_range_uj", "10000000\n");
    root.write("sys/class/powercap/" + domain + "/energy_uj", std::to_string(energy) + "\n");
  };
  EXPECT_FALSE(EnergyMeter(root.path()).joules());
  counter("intel-rapl:0", "package-0", 9'000'000);
  counter("intel-rapl:1", "package-1", 1'000'000);
  counter("intel-rapl:0:0", "core", 5'000'000);
  EnergyMeter meter(root.path());
  const std::chrono::steady_clock::time_point start(std::chrono::hours(1));
  meter.update(start);
  EXPECT_EQ(meter.joules(), 0);
  counter("intel-rapl:0", "package-0", 1'000'000);  // 2 J, past the end
  counter("intel-rapl:1", "package-1", 4'000'000);  // 3 J
  counter("intel-rapl:0:0", "core", 9'000'000);
  meter.update(start + std::chrono::seconds(2));
  EXPECT_NEAR(*meter.joules(), 5, 1e-9);
  EXPECT_NEAR(*meter.watts(), 2.5, 1e-9);
}

}  // namespace
}  // namespace pretrain
