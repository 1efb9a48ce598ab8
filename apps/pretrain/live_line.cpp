#include "apps/pretrain/live_line.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "libs/base/quantity.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

/// A part of the line, with its forms from the longest to the shortest.
struct Part {
  std::vector<std::string> forms;
  int rank;  ///< the part with the highest rank is omitted first
  size_t form = 0;
  bool shown = true;

  const std::string& text() const { return forms[form]; }
};

/// Small losses are compared digit by digit; of an exploded loss only the magnitude matters.
std::string number(double value, int digits) {
  return std::abs(value) < 1000 ? fmt::format("{:.{}f}", value, digits) : fmt::format("{:.1e}", value);
}

Part step_part(const LiveStatus& s) {
  const auto of = [&](const auto& format) {
    return format(s.step) + (s.max_steps > 0 ? fmt::format("/{}", format(s.max_steps)) : "");
  };
  const std::string full = of(format_count), brief = of(format_short_count);
  return {{"step " + full, "step " + brief, full, brief}, 0};
}

Part validation_part(const LiveStatus& s) {
  const double loss = *s.validation_loss;
  Part part{{fmt::format("val {}", number(loss, 3)), fmt::format("val {}", number(loss, 2))}, 4};
  if (!s.bits_per_byte) return part;
  part.forms.insert(part.forms.begin(),
                    {fmt::format("val {} ({} bits per byte)", number(loss, 3), number(*s.bits_per_byte, 3)),
                     fmt::format("val {} ({} bpb)", number(loss, 3), number(*s.bits_per_byte, 3)),
                     fmt::format("val {} {}bpb", number(loss, 2), number(*s.bits_per_byte, 2))});
  return part;
}

Part saved_part(const LiveStatus& s) {
  if (!s.since_save) return {{"not saved"}, 3};
  const std::string brief = format_short_duration(*s.since_save);
  return {{fmt::format("saved {} ago", format_duration(*s.since_save)), fmt::format("saved {} ago", brief),
           "saved " + brief},
          3};
}

std::vector<Part> parts_of(const LiveStatus& s) {
  std::vector<Part> parts{step_part(s)};
  parts.push_back({{"loss " + number(s.loss, 3), "loss " + number(s.loss, 2)}, 1});
  if (s.validation_loss) parts.push_back(validation_part(s));
  if (s.time_left) {
    parts.push_back(
        {{format_duration(*s.time_left) + " left", format_short_duration(*s.time_left) + " left"}, 2});
  }
  parts.push_back(saved_part(s));
  const auto rate = static_cast<uint64_t>(std::llround(std::clamp(s.tokens_per_second, 0.0, 1e15)));
  parts.push_back(
      {{format_rate(s.tokens_per_second), fmt::format("{} tok/s", format_count(rate)),
        fmt::format("{} tok/s", format_short_count(rate)), fmt::format("{}/s", format_short_count(rate))},
       5});
  parts.push_back({{format_count(s.tokens) + " tokens", format_short_count(s.tokens) + " tokens"}, 6});
  parts.push_back({{fmt::format("rate {:.2g}", s.learning_rate)}, 7});
  parts.push_back({{fmt::format("{:.0f} % of peak", 100 * s.utilization)}, 8});
  if (s.wait_share >= 0.01) parts.push_back({{fmt::format("{:.0f} % waiting", 100 * s.wait_share)}, 9});
  return parts;
}

size_t width_of(const std::vector<Part>& parts, std::string_view separator) {
  size_t width = 0;
  for (const Part& part : parts) {
    if (part.shown) width += part.text().size() + (width > 0 ? separator.size() : 0);
  }
  return width;
}

constexpr int kLastEssential = 5;  // step, loss, time left, last save, validation, tokens/s

/// Uses the longest form of each part that fits.
void lengthen(Part& part, const std::vector<Part>& parts, std::string_view separator, size_t columns) {
  while (part.shown && part.form > 0) {
    --part.form;
    if (width_of(parts, separator) <= columns) continue;
    ++part.form;
    break;
  }
}

/// First fits the essential parts in their shortest form, then lengthens them from left to right, then adds
/// the other parts.
void fit(std::vector<Part>& parts, std::string_view separator, size_t columns) {
  std::vector<Part*> by_rank;
  for (Part& part : parts) {
    part.form = part.forms.size() - 1;
    part.shown = part.rank <= kLastEssential;
    by_rank.push_back(&part);
  }
  std::ranges::sort(by_rank, {}, [](const Part* part) { return part->rank; });
  for (size_t i = by_rank.size(); i-- > 0 && width_of(parts, separator) > columns;) by_rank[i]->shown = false;
  for (Part& part : parts) lengthen(part, parts, separator, columns);
  for (Part* part : by_rank) {
    if (part->rank <= kLastEssential) continue;
    part->shown = true;
    part->shown = width_of(parts, separator) <= columns;
    lengthen(*part, parts, separator, columns);
  }
}

std::string joined(const std::vector<Part>& parts, std::string_view separator) {
  std::string line;
  for (const Part& part : parts) {
    if (part.shown) line += (line.empty() ? "" : std::string(separator)) + part.text();
  }
  return line;
}

}  // namespace

std::string live_line(const LiveStatus& status, size_t columns) {
  // Bars are easier to read, but below this width the parts need the room.
  constexpr size_t kRoomForBars = 100;
  const std::string_view separator = columns >= kRoomForBars ? " | " : "  ";
  std::vector<Part> parts = parts_of(status);
  fit(parts, separator, columns);
  return joined(parts, separator);
}

std::string status_line(const LiveStatus& status) {
  return live_line(status, std::numeric_limits<size_t>::max());
}

}  // namespace pretrain
