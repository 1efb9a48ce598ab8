// SPDX-License-Identifier: Apache-2.0
#include "tests/service/unit_file.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "libs/base/machine.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {
namespace {

/// Adds a system call, or all of a group and of the groups in it.
void expand(const std::string& name, std::set<std::string>& calls) {
  if (!name.starts_with('@')) {
    calls.insert(name);
    return;
  }
  const ProgramResult result = run_program("/usr/bin/systemd-analyze", {"syscall-filter", name});
  if (result.exit_code != 0) throw std::runtime_error(result.output);
  std::istringstream lines(result.output);
  std::string line;
  std::getline(lines, line);  // the group itself
  while (std::getline(lines, line)) {
    const size_t begin = line.find_first_not_of(' ');
    if (begin == std::string::npos || line[begin] == '#') continue;
    expand(line.substr(begin), calls);
  }
}

}  // namespace

std::filesystem::path unit_file() {
  return source_folder() / "deploy/systemd/pretrain.service";
}

std::vector<std::string> unit_values(const std::string& key) {
  std::vector<std::string> values;
  std::ifstream file(unit_file());
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + "=")) values.push_back(line.substr(key.size() + 1));
  }
  return values;
}

std::set<std::string> allowed_system_calls() {
  std::set<std::string> allowed;
  for (std::string value : unit_values("SystemCallFilter")) {
    const bool denies = value.starts_with('~');
    std::set<std::string> named;
    std::istringstream words(denies ? value.substr(1) : value);
    for (std::string word; words >> word;) expand(word, named);
    for (const std::string& call : named) {
      if (denies) {
        allowed.erase(call);
      } else {
        allowed.insert(call);
      }
    }
  }
  return allowed;
}

uint64_t memory_limit_bytes() {
  const std::string value = unit_values("MemoryMax").at(0);
  return inspect_machine().memory_bytes / 100 * std::stoull(value);  // a percentage
}

bool confine(const std::set<std::string>& allowed, uint64_t memory_bytes) {
  const rlimit limit{memory_bytes, memory_bytes};
  if (setrlimit(RLIMIT_DATA, &limit) != 0) return false;
  constexpr int kSetMdwe = 65;  // PR_SET_MDWE, in headers since Linux 6.3
  prctl(kSetMdwe, 1UL, 0UL, 0UL, 0UL);
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  for (const std::string& call : allowed) {
    const int number = seccomp_syscall_resolve_name(call.c_str());
    if (number >= 0) seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);  // others are of other processors
  }
  const bool done = seccomp_load(filter) == 0;
  seccomp_release(filter);
  return done;
}

}  // namespace pretrain::test
