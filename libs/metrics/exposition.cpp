// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/exposition.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace pretrain {
namespace {

std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? "\\n" : std::string(1, c);
  }
  return text;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

void Exposition::add(const MetricFamily& family, const MetricLabels& labels, double value) {
  auto found = std::ranges::find(families_, family.name, [](const Samples& one) { return one.family.name; });
  if (found == families_.end()) found = families_.insert(families_.end(), {family, ""});
  std::string list;
  for (const auto& [name, text] : labels)
    list += fmt::format("{}{}=\"{}\"", list.empty() ? "" : ",", name, escaped(text));
  const bool any = !list.empty();
  found->lines +=
      fmt::format("{}{}{}{} {}\n", family.name, any ? "{" : "", list, any ? "}" : "", number(value));
}

std::string Exposition::text() const {
  std::string all;
  for (const Samples& samples : families_) {
    const MetricFamily& family = samples.family;
    all += fmt::format("# HELP {} {}\n# TYPE {} {}\n{}", family.name, family.help, family.name,
                       family.type == MetricType::kCounter ? "counter" : "gauge", samples.lines);
  }
  return all;
}

}  // namespace pretrain
