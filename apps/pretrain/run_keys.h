// SPDX-License-Identifier: Apache-2.0
#pragma once
// The configuration keys of a training run, in one table. Parsing, defaults, help, the environment,
// configuration files and the manifest all derive from it; configuration.h turns the values into a typed
// configuration. To add a key, add a row here and a member to RunConfiguration.

#include <map>
#include <string>
#include <string_view>

#include "apps/pretrain/option.h"

namespace pretrain {

struct RunConfiguration;

/// Values by key, as text; "" for a key without a value. Several paths are joined by joined_list().
using KeyValues = std::map<std::string, std::string>;

/// One row for each key, in the order of the help.
const OptionTable<RunConfiguration>& run_options();
/// Null when `name` is not a key.
const Option<RunConfiguration>* find_run_option(std::string_view name);

/// Whether a branch may change this key: true for all but the model's shape and vocabulary.
bool may_change_in_branch(std::string_view key);

}  // namespace pretrain
