// SPDX-License-Identifier: Apache-2.0
#pragma once
// What surrounds a server: the name of this machine, and a socket that the service manager listens on.

#include <string>

#include "libs/base/descriptor.h"

namespace pretrain {

/// As other machines call it: "box"; "localhost" when it has no name.
std::string machine_name();

/// The listening socket that the service manager passed to this process; none without one. Call it once: child
/// processes don't see it.
/// Errors: kUsage when it passed several.
/// Source: sd_listen_fds(3).
Descriptor take_listening_socket();

}  // namespace pretrain
