// SPDX-License-Identifier: Apache-2.0
#include "libs/base/host.h"

#include <climits>

#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "libs/base/error.h"

namespace pretrain {

std::string machine_name() {
  char name[HOST_NAME_MAX + 1] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

Descriptor take_listening_socket() {
  const int passed = sd_listen_fds(1);
  if (passed <= 0) return Descriptor();
  if (passed > 1) fail(ErrorKind::kUsage, "the service manager passed {} sockets; pass one", passed);
  if (sd_is_socket(SD_LISTEN_FDS_START, 0, 0, 1) <= 0)
    fail(ErrorKind::kUsage,
         "the service manager passed a descriptor that is no listening socket; use ListenStream=");
  return Descriptor(SD_LISTEN_FDS_START);
}

}  // namespace pretrain
