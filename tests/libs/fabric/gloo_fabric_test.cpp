// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/gloo_fabric.h"

#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/base/tcp_socket.h"
#include "tests/libs/fabric/worlds.h"

namespace pretrain {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class Gloo : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_gloo()) GTEST_SKIP() << "built without Gloo";
    test::ignore_broken_pipes();
  }
};

GlooPortsOptions place(int rank, int size, milliseconds patience = test::kLong) {
  return {.place = {.rank = rank, .size = size, .generation = 1},
          .host = fmt::format("127.0.0.{}", rank + 2),
          .patience = patience};
}

TEST_F(Gloo, RefusesAnAddressThatIsNotOfThisMachine) {
  for (const char* host : {"192.0.2.1", "head.example", ""}) {
    try {
      const GlooPorts ports({.place = {.rank = 0, .size = 2}, .host = host});
      ADD_FAILURE() << host;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("address"));
    }
  }
}

TEST_F(Gloo, RefusesAPeerWithAnotherKey) {
  GlooPorts first(place(0, 2)), second(place(1, 2));
  const std::vector<std::string> all{first.addresses(), second.addresses()};
  std::string reason;
  const std::jthread other([&] {
    try {
      second.connect(all, "the key of another generation");
    } catch (const PeerLost&) {
      // as the other one
    }
  });
  try {
    first.connect(all, "the key");
    ADD_FAILURE() << "took a peer with another key";
  } catch (const PeerLost& lost) {
    EXPECT_EQ(lost.rank(), 1);
  }
}

TEST_F(Gloo, WaitsForAPeerOnlyItsPatience) {
  GlooPorts first(place(0, 2, milliseconds(200)));
  std::vector<std::string> all{first.addresses()};
  {
    const GlooPorts second(place(1, 2));
    all.push_back(second.addresses());
  }  // its ports are closed again
  EXPECT_THROW(first.connect(all, "the key"), PeerLost);
}

TEST_F(Gloo, StopsWaitingForAPeerAtAStopRequest) {
  for (const int waiting : {0, 1}) {  // one connects, the other is connected to
    std::stop_source stop;
    GlooPortsOptions options = place(waiting, 2);
    options.stop = stop.get_token();
    GlooPorts here(options);
    const GlooPorts there(place(1 - waiting, 2));  // never connects
    std::vector<std::string> all(2);
    all[static_cast<size_t>(waiting)] = here.addresses();
    all[static_cast<size_t>(1 - waiting)] = there.addresses();
    const std::jthread stopping([&] { stop.request_stop(); });
    try {
      here.connect(all, "the key");
      ADD_FAILURE() << "connected to nobody";
    } catch (const PeerLost& lost) {
      EXPECT_LT(lost.details().seconds, 60.0) << lost.what();
    }
  }
}

TEST_F(Gloo, RefusesMalformedAddresses) {
  for (const std::string& bad : {std::string(),
                                 std::string("\x05\x00"
                                             "ab",
                                             4),
                                 std::string(4, '\0')}) {
    GlooPorts first(place(0, 2, milliseconds(200)));
    EXPECT_THROW(first.connect({first.addresses(), bad}, "the key"), Error);
  }
  GlooPorts first(place(0, 2, milliseconds(200)));
  EXPECT_THROW(first.connect({first.addresses(), std::string("\x03\x00"
                                                             "abc",
                                                             5)},
                             "the key"),
               PeerLost);
}

TEST_F(Gloo, ListensOnlyWhileItConnects) {
  const size_t before = test::open_descriptors();
  {
    const GlooPorts ports(place(0, 4));
    EXPECT_GE(test::open_descriptors(), before + 3);
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

}  // namespace
}  // namespace pretrain
