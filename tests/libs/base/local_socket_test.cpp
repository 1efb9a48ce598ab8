// SPDX-License-Identifier: Apache-2.0
#include "libs/base/local_socket.h"

#include <list>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

TEST(LocalConnection, WhoeverWaitsForAFullQueueMayEndTheWait) {
  const test::TempFolder folder;
  const Path path = folder.path() / "socket";
  const LocalListener listener(folder.path(), "socket");  // which takes no connection
  std::list<LocalConnection> waiting;
  const auto fill = [&] {
    for (int i = 0; i < 1000; ++i)
      waiting.push_back(*LocalConnection::open(path, [] { throw std::runtime_error("full"); }));
  };
  EXPECT_THROW(fill(), std::runtime_error);
  EXPECT_GT(waiting.size(), 1U) << "as long as there is room nothing waits";
}

}  // namespace
}  // namespace pretrain
