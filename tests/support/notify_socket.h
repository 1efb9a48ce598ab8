// SPDX-License-Identifier: Apache-2.0
#pragma once
// The service manager's end of the notification protocol.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/temp_folder.h"

namespace pretrain::test {

/// A datagram socket that collects what is sent to it.
class NotifySocket {
 public:
  NotifySocket();
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  std::string path() const { return folder_ / "notify"; }

  /// All messages so far, in order.
  const std::vector<std::string>& messages();
  /// Messages so far that begin with `start`.
  size_t count(const std::string& start);
  bool has(const std::string& start) { return count(start) > 0; }

 private:
  TempFolder folder_;
  int descriptor_ = -1;
  std::vector<std::string> messages_;
};

}  // namespace pretrain::test
