// SPDX-License-Identifier: Apache-2.0
#pragma once
// A user's own file of template rules, as part of the contract of a run: the run remembers the hash of the file,
// because other rules give other text. Plain values.

#include <memory>
#include <string>

#include "libs/base/file.h"
#include "libs/wikitext/template_rules.h"

namespace pretrain {

struct OwnRules {
  Path path;         ///< empty for none
  std::string hash;  ///< of the file's text when the run started
  std::shared_ptr<const wikitext::TemplateRules> rules;
  std::string problem;  ///< why the rules can't be used, for a file that has changed since the run started
};

/// Reads the file that `value` names: "PATH", or "PATH@HASH" as own_rules_text() writes it. "" is none.
/// Errors: kUsage when the file can't be read or has a mistake. With a hash, an unreadable or changed file is a
/// problem instead, which check_own_rules() reports where the corpus is read.
OwnRules read_own_rules(const std::string& value);

/// "PATH@HASH"; "" for none.
std::string own_rules_text(const OwnRules& rules);

/// Errors: kUsage when the rules have a problem.
void check_own_rules(const OwnRules& rules);

}  // namespace pretrain
