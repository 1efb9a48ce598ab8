// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/own_rules.h"

#include <algorithm>

#include "libs/base/error.h"

namespace pretrain {
namespace {

/// Of a 64-bit hash. A path that ends in @ and as many digits is not likely.
constexpr size_t kHashDigits = 16;

/// The path and the hash of "PATH@HASH"; the hash is empty when there is none.
std::pair<std::string, std::string> parts_of(const std::string& value) {
  const size_t at = value.rfind('@');
  if (at == std::string::npos || value.size() - at - 1 != kHashDigits) return {value, ""};
  const std::string hash = value.substr(at + 1);
  if (hash.find_first_not_of("0123456789abcdef") != std::string::npos) return {value, ""};
  return {value.substr(0, at), hash};
}

void load(OwnRules& own) {
  own.rules = wikitext::parse_template_rules(read_file(own.path), own.path.native());
  own.hash = own.rules->hash();
}

}  // namespace

/// A new run names a file, which must be readable. A resumed run also knows its hash. A problem is kept until
/// the corpus is read, since commands that only look at a run don't need the file.
OwnRules read_own_rules(const std::string& value) {
  OwnRules own;
  if (value.empty()) return own;
  const auto [path, hash] = parts_of(value);
  own.path = std::filesystem::absolute(path).lexically_normal();
  try {
    load(own);
  } catch (const Error& error) {
    if (hash.empty()) fail(ErrorKind::kUsage, "must be a readable file of template rules: {}", error.what());
    own.problem = error.what();
  }
  if (hash.empty() || (own.problem.empty() && own.hash == hash)) return own;
  if (own.problem.empty()) own.problem = "it has changed";
  own.problem = fmt::format(
      "the run was started with the template rules {} (hash {}): {}; put that file back, or start a new run in "
      "another folder with --state",
      own.path.native(), hash, own.problem);
  own.hash = hash;
  return own;
}

std::string own_rules_text(const OwnRules& rules) {
  return rules.path.empty() ? "" : fmt::format("{}@{}", rules.path.native(), rules.hash);
}

void check_own_rules(const OwnRules& rules) {
  if (!rules.problem.empty()) fail(ErrorKind::kUsage, "{}", rules.problem);
}

}  // namespace pretrain
