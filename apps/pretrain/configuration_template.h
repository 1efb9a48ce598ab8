// SPDX-License-Identifier: Apache-2.0
#pragma once
// A configuration file to start from: every key of a run as a comment, with its help and a value that is accepted.

#include <string>

namespace pretrain {

std::string configuration_template();

}  // namespace pretrain
