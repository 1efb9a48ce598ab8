// SPDX-License-Identifier: Apache-2.0
#include "libs/base/power.h"

#include <string>

#include "libs/base/error.h"
#include "libs/base/kernel_text.h"
#include "libs/base/number.h"
#include "libs/base/text.h"

namespace pretrain {
namespace {

/// The content without blanks at both ends; nothing when the file can't be read.
std::optional<std::string> line_in(const Path& file) {
  const std::string text = kernel_text(file);
  return text.empty() ? std::nullopt : std::optional(std::string(trim_blanks(text)));
}

std::optional<uint64_t> count_in(const Path& file) {
  const auto line = line_in(file);
  return line ? parse_number<uint64_t>(*line) : std::nullopt;
}

/// Empty when the folder can't be read.
std::vector<Path> folders_in(const Path& folder) {
  std::vector<Path> found;
  try {
    for (const FolderEntry& entry : list_folder(folder)) {
      if (entry.is_folder) found.push_back(folder / entry.name);
    }
  } catch (const Error&) {  // not on this machine
  }
  return found;
}

}  // namespace

bool runs_on_battery(const Path& root) {
  bool has_mains = false;
  for (const Path& supply : folders_in(root / "sys/class/power_supply")) {
    const auto type = line_in(supply / "type");
    if (!type || (*type != "Mains" && !type->starts_with("USB"))) continue;
    const auto online = count_in(supply / "online");
    if (!online) continue;
    if (*online > 0) return false;
    has_mains = true;
  }
  return has_mains;
}

std::optional<uint64_t> throttle_count(const Path& root) {
  std::optional<uint64_t> total;
  for (const Path& core : folders_in(root / "sys/devices/system/cpu")) {
    const auto count = count_in(core / "thermal_throttle/core_throttle_count");
    if (count) total = total.value_or(0) + *count;
  }
  return total;
}

EnergyMeter::EnergyMeter(const Path& root) {
  for (const Path& domain : folders_in(root / "sys/class/powercap")) {
    const auto name = line_in(domain / "name");
    if (!name || !name->starts_with("package")) continue;  // others are parts of a package
    const auto energy = count_in(domain / "energy_uj");
    const auto range = count_in(domain / "max_energy_range_uj");
    if (energy && range) counters_.push_back({domain / "energy_uj", *range, *energy});
  }
}

void EnergyMeter::update(std::chrono::steady_clock::time_point now) {
  double joules = 0;
  for (Counter& counter : counters_) {
    const auto energy = count_in(counter.file);
    if (!energy) continue;
    const uint64_t microjoules =
        *energy >= counter.last ? *energy - counter.last : *energy + counter.range - counter.last;
    joules += static_cast<double>(microjoules) * 1e-6;
    counter.last = *energy;
  }
  joules_ += joules;
  if (last_update_ && now > *last_update_ && !counters_.empty())
    watts_ = joules / std::chrono::duration<double>(now - *last_update_).count();
  last_update_ = now;
}

std::optional<double> EnergyMeter::joules() const {
  return counters_.empty() ? std::nullopt : std::optional(joules_);
}

}  // namespace pretrain
