// SPDX-License-Identifier: Apache-2.0
#include "libs/base/control_group.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/kernel_text.h"

namespace pretrain {
namespace {

/// A mounted hierarchy of groups. Version 2 has one for all controllers; version 1 has several, each with
/// some controllers.
struct Hierarchy {
  bool unified = false;
  std::vector<std::string> controllers = {};  // of version 1
  Path mount;
  std::string top;  // the outermost group that the mount shows
};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool contains(const std::vector<std::string>& list, std::string_view value) {
  return std::ranges::find(list, value) != list.end();
}

/// Replaces octal escapes: mountinfo writes a blank in a path as "\040".
std::string unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string digits(text.substr(i + 1, 3));
    if (text[i] == '\\' && digits.size() == 3 && digits.find_first_not_of("01234567") == std::string::npos) {
      plain += static_cast<char>(std::stoi(digits, nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// A line of mountinfo: "31 23 0:28 TOP MOUNT options fields... - cgroup2 source super-options".
std::optional<Hierarchy> parse_mount(const std::string& line) {
  const auto dash = line.find(" - ");
  if (dash == std::string::npos) return std::nullopt;
  const auto place = split(std::string_view(line).substr(0, dash), ' ');
  const auto type = split(std::string_view(line).substr(dash + 3), ' ');
  if (place.size() < 5 || type.empty()) return std::nullopt;
  if (type[0] != "cgroup2" && type[0] != "cgroup") return std::nullopt;
  Hierarchy hierarchy{
      .unified = type[0] == "cgroup2", .mount = unescape(place[4]), .top = unescape(place[3])};
  if (type.size() > 2) hierarchy.controllers = split(type[2], ',');
  return hierarchy;
}

std::vector<Hierarchy> mounted_hierarchies(const Path& root) {
  std::vector<Hierarchy> hierarchies;
  for (const std::string& line : split(kernel_text(root / "proc/self/mountinfo"), '\n')) {
    if (auto hierarchy = parse_mount(line)) hierarchies.push_back(std::move(*hierarchy));
  }
  return hierarchies;
}

/// The path of `group` below the mount. For a group outside of the mount (in a container without its own
/// namespace), the outermost group.
std::string below_top(const std::string& group, const std::string& top) {
  const std::string prefix = top == "/" ? "" : top;
  if (!group.starts_with(prefix) || group.find("/..") != std::string::npos) return "";
  const std::string rest = group.substr(prefix.size());
  return rest.starts_with('/') ? rest.substr(1) : "";
}

/// The folders of the groups around a process ("self" or its number) that a controller applies to, innermost first.
std::vector<Path> folders_of(const Path& root, const std::string& process, const Hierarchy& hierarchy,
                             std::string_view controller) {
  for (const std::string& line : split(kernel_text(root / "proc" / process / "cgroup"), '\n')) {
    const auto first = line.find(':');
    const auto second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (hierarchy.unified ? !controllers.empty() : !contains(split(controllers, ','), controller)) continue;
    std::vector<Path> folders;
    Path below = below_top(line.substr(second + 1), hierarchy.top);
    for (; !below.empty(); below = below.parent_path())
      folders.push_back(root / hierarchy.mount.relative_path() / below);
    folders.push_back(root / hierarchy.mount.relative_path());
    return folders;
  }
  return {};
}

uint64_t sum_of(std::string_view stat, std::initializer_list<std::string_view> keys) {
  uint64_t sum = 0;
  for (const auto key : keys) sum += number_of_key(stat, key).value_or(0);
  return sum;
}

std::optional<uint64_t> number_in(const Path& file) {
  return leading_number(kernel_text(file));  // "max" and "-1" are no limit
}

struct GroupMemory {
  uint64_t limit_bytes = std::numeric_limits<uint64_t>::max();
  uint64_t used_bytes = 0;
  uint64_t reclaimable_bytes = 0;
};

/// Includes memory.high: above it, the kernel slows the group down until it frees memory.
GroupMemory unified_memory(const Path& group) {
  GroupMemory memory;
  for (const char* limit : {"memory.max", "memory.high"})
    memory.limit_bytes = std::min(memory.limit_bytes, number_in(group / limit).value_or(memory.limit_bytes));
  memory.used_bytes = number_in(group / "memory.current").value_or(0);
  memory.reclaimable_bytes =
      sum_of(kernel_text(group / "memory.stat"), {"inactive_file", "active_file", "slab_reclaimable"});
  return memory;
}

/// The sums named total_ include the groups below, as the usage does.
GroupMemory version_1_memory(const Path& group) {
  GroupMemory memory;
  memory.limit_bytes = number_in(group / "memory.limit_in_bytes").value_or(memory.limit_bytes);
  memory.used_bytes = number_in(group / "memory.usage_in_bytes").value_or(0);
  memory.reclaimable_bytes =
      sum_of(kernel_text(group / "memory.stat"), {"total_inactive_file", "total_active_file"});
  return memory;
}

void apply(const GroupMemory& memory, ControlGroupLimits& limits) {
  if (memory.limit_bytes == std::numeric_limits<uint64_t>::max()) return;
  const uint64_t held = memory.used_bytes - std::min(memory.used_bytes, memory.reclaimable_bytes);
  limits.memory_bytes = std::min(limits.memory_bytes, memory.limit_bytes);
  limits.available_bytes =
      std::min(limits.available_bytes, memory.limit_bytes - std::min(memory.limit_bytes, held));
}

/// "QUOTA PERIOD" of version 2, or the same from the two files of version 1.
std::string quota_and_period(const Path& group, bool unified) {
  if (unified) return kernel_text(group / "cpu.max");
  const std::string quota = kernel_text(group / "cpu.cfs_quota_us");
  return quota.substr(0, quota.find('\n')) + " " + kernel_text(group / "cpu.cfs_period_us");
}

void apply_quota(const std::string& text, ControlGroupLimits& limits) {
  const auto quota = leading_number(text);
  const auto period = leading_number(std::string_view(text).substr(std::min(text.find(' '), text.size())));
  if (!quota || !period || *quota == 0 || *period == 0) return;
  const uint64_t processors = (*quota - 1) / *period + 1;
  limits.processors =
      static_cast<int>(std::min<uint64_t>(processors, static_cast<uint64_t>(limits.processors)));
}

/// A group that is frozen because of one around it that a container hides.
bool is_frozen_from_outside(const Path& group, bool unified) {
  return unified ? number_of_key(kernel_text(group / "cgroup.events"), "frozen") == 1U
                 : number_in(group / "freezer.parent_freezing") == 1U;
}

std::optional<FrozenGroup> first_frozen(const std::vector<Path>& groups, bool unified) {
  for (const Path& group : groups) {
    if (number_in(group / (unified ? "cgroup.freeze" : "freezer.self_freezing")) != 1U) continue;
    if (unified) return FrozenGroup{.switch_file = group / "cgroup.freeze", .thawed = "0"};
    return FrozenGroup{.switch_file = group / "freezer.state", .thawed = "THAWED"};
  }
  if (!groups.empty() && is_frozen_from_outside(groups.front(), unified)) return FrozenGroup{};
  return std::nullopt;
}

}  // namespace

std::optional<FrozenGroup> frozen_group(int process, const Path& root) {
  for (const Hierarchy& hierarchy : mounted_hierarchies(root)) {
    if (!hierarchy.unified && !contains(hierarchy.controllers, "freezer")) continue;
    const auto groups = folders_of(root, std::to_string(process), hierarchy, "freezer");
    if (auto frozen = first_frozen(groups, hierarchy.unified)) return frozen;
  }
  return std::nullopt;
}

ControlGroupLimits control_group_limits(const Path& root) {
  ControlGroupLimits limits;
  for (const Hierarchy& hierarchy : mounted_hierarchies(root)) {
    if (hierarchy.unified || contains(hierarchy.controllers, "memory")) {
      for (const Path& group : folders_of(root, "self", hierarchy, "memory"))
        apply(hierarchy.unified ? unified_memory(group) : version_1_memory(group), limits);
    }
    if (hierarchy.unified || contains(hierarchy.controllers, "cpu")) {
      for (const Path& group : folders_of(root, "self", hierarchy, "cpu"))
        apply_quota(quota_and_period(group, hierarchy.unified), limits);
    }
  }
  return limits;
}

}  // namespace pretrain
