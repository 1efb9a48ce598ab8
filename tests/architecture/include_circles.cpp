// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/include_circles.h"

#include <algorithm>
#include <set>

#include "tests/architecture/include_rules.h"

namespace pretrain::test {
namespace {

using Uses = std::map<std::string, std::set<std::string>>;

std::string unit_of(const std::string& path) {
  return path.substr(0, path.rfind('.'));
}

Uses uses_of(const std::map<std::string, std::string>& files) {
  Uses uses;
  for (const auto& [path, content] : files) uses[unit_of(path)];
  for (const auto& [path, content] : files) {
    for (const Include& include : includes_of(content)) {
      const std::string used = unit_of(include.target);
      if (used != unit_of(path) && uses.contains(used)) uses[unit_of(path)].insert(used);
    }
  }
  return uses;
}

/// All that `unit` uses, directly or not; itself only when it is in a circle.
std::set<std::string> reached_from(const Uses& uses, const std::string& unit) {
  std::set<std::string> reached;
  std::vector<std::string> open(uses.at(unit).begin(), uses.at(unit).end());
  while (!open.empty()) {
    const std::string next = open.back();
    open.pop_back();
    if (reached.insert(next).second) open.insert(open.end(), uses.at(next).begin(), uses.at(next).end());
  }
  return reached;
}

}  // namespace

std::vector<std::vector<std::string>> include_circles(const std::map<std::string, std::string>& files) {
  const Uses uses = uses_of(files);
  std::map<std::string, std::set<std::string>> reached;
  for (const auto& [unit, used] : uses) reached[unit] = reached_from(uses, unit);
  std::vector<std::vector<std::string>> circles;
  std::set<std::string> told;
  for (const auto& [unit, others] : reached) {
    if (!others.contains(unit) || told.contains(unit)) continue;
    std::vector<std::string> circle;
    for (const std::string& other : others) {
      if (reached.at(other).contains(unit)) circle.push_back(other);
    }
    told.insert(circle.begin(), circle.end());
    circles.push_back(std::move(circle));
  }
  return circles;
}

}  // namespace pretrain::test
