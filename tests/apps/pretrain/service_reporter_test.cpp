#include "apps/pretrain/service_reporter.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/support/notify_socket.h"

namespace pretrain {
namespace {

/// Variables as the service manager sets them, gone with this.
class Managed {
 public:
  Managed() {
    setenv("NOTIFY_SOCKET", manager.path().c_str(), 1);
    setenv("WATCHDOG_USEC", "60000000", 1);
  }
  ~Managed() {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
  }
  test::NotifySocket manager;
};

/// The loader's look at a large corpus, during which the trainer waits in silence.
TEST(ServiceReporter, TellsTheWatchdogOfWorkThatIsNotTheTrainers) {
  Managed managed;
  ServiceReporter reporter;
  EXPECT_FALSE(managed.manager.has("WATCHDOG=1"));
  reporter.note_other_work();
  EXPECT_TRUE(managed.manager.has("WATCHDOG=1"));
}

}  // namespace
}  // namespace pretrain
