// SPDX-License-Identifier: Apache-2.0
#include "libs/base/service.h"

#include <cstdlib>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/process.h"
#include "tests/support/notify_socket.h"

namespace pretrain {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

/// The environment of a service, for the life of the test.
class ServiceEnvironment : public testing::Test {
 protected:
  ServiceEnvironment() { setenv("NOTIFY_SOCKET", manager_.path().c_str(), 1); }
  ~ServiceEnvironment() override {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
  }

  test::NotifySocket manager_;
};

TEST_F(ServiceEnvironment, EachMessageIsOneOfTheProtocol) {
  ServiceNotifier service;
  EXPECT_TRUE(service.is_managed());
  service.ready();
  service.status("step 7");
  service.extend_timeout(std::chrono::seconds(90));
  service.stopping();
  EXPECT_THAT(manager_.messages(),
              ElementsAre("READY=1", "STATUS=step 7", "EXTEND_TIMEOUT_USEC=90000000", "STOPPING=1"));
}

TEST_F(ServiceEnvironment, WithoutAWatchdogThereAreNoPings) {
  ServiceNotifier service;
  service.alive();
  EXPECT_THAT(manager_.messages(), IsEmpty());
}

TEST_F(ServiceEnvironment, PingsComeOnceAQuarterOfTheIntervalHoweverOftenItIsAlive) {
  setenv("WATCHDOG_USEC", "3600000000", 1);
  ServiceNotifier service;
  for (int i = 0; i < 1000; ++i) service.alive();
  EXPECT_THAT(manager_.messages(), ElementsAre("WATCHDOG=1"));
  setenv("WATCHDOG_USEC", "4", 1);
  ServiceNotifier impatient;
  while (manager_.count("WATCHDOG=1") < 50) impatient.alive();
}

TEST(ServiceNotifier, WithoutAManagerNothingHappens) {
  unsetenv("NOTIFY_SOCKET");
  ServiceNotifier service;
  EXPECT_FALSE(service.is_managed());
  service.ready();
  service.alive();
  TimeoutExtender extender(service, std::chrono::milliseconds(1));
  extender.note();
}

TEST_F(ServiceEnvironment, AStartThatWorksIsGivenMoreTime) {
  ServiceNotifier service;
  TimeoutExtender extender(service, std::chrono::milliseconds(10));
  volatile uint64_t work = 0;
  while (manager_.count("EXTEND_TIMEOUT_USEC=") < 3) work = work + 1;
}

TEST_F(ServiceEnvironment, AStartWhoseChildWorksIsGivenMoreTime) {
  ServiceNotifier service;
  TimeoutExtender extender(service, std::chrono::milliseconds(200));
  while (manager_.count("EXTEND_TIMEOUT_USEC=") < 3) {
    extender.note();
    std::this_thread::sleep_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
  }
}

TEST_F(ServiceEnvironment, AStartThatHangsIsNot) {
  ServiceNotifier service;
  const auto before = process_effort();
  TimeoutExtender extender(service, std::chrono::milliseconds(500));
  std::this_thread::sleep_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(1700));
  // A loaded machine may have charged this process for more than it did.
  if (process_effort().cpu_time - before.cpu_time < std::chrono::milliseconds(5)) {
    EXPECT_THAT(manager_.messages(), IsEmpty());
  }
}

TEST_F(ServiceEnvironment, WhatIsNoStartIsNotExtended) {
  ServiceNotifier service;
  TimeoutExtender extender(service, std::chrono::milliseconds(1));
  extender.set_active(false);
  const size_t most = manager_.messages().size() + 1;  // one may have been under way
  const auto before = process_effort();
  while (manager_.messages().size() <= most &&
         process_effort().cpu_time - before.cpu_time < std::chrono::milliseconds(100))
    extender.note();
  EXPECT_LE(manager_.messages().size(), most);
}

}  // namespace
}  // namespace pretrain
