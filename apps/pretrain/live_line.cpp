// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/live_line.h"

#include <algorithm>
#include <cmath>
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

Part step_part(const RunSnapshot& run) {
  const uint64_t most = run.limits.max_steps;
  const auto of = [&](const auto& format) {
    return format(run.step) + (most > 0 ? fmt::format("/{}", format(most)) : "");
  };
  const std::string full = of(format_count), brief = of(format_short_count);
  return {{"step " + full, "step " + brief, full, brief}, 0};
}

Part loss_part(double loss) {
  return {{fmt::format("loss {}", loss_text(loss, 3)), fmt::format("loss {}", loss_text(loss, 2))}, 1};
}

Part validation_part(const EvaluationResult& result) {
  const auto text = [&](int digits) { return fmt::format("val {}", loss_text(result.loss, digits)); };
  Part part{{text(3), text(2)}, 4};
  if (result.bits_per_byte <= 0 || !std::isfinite(result.bits_per_byte)) return part;
  const std::string bits = loss_text(result.bits_per_byte, 3);
  part.forms.insert(
      part.forms.begin(),
      {fmt::format("{} ({} bits per byte)", text(3), bits), fmt::format("{} ({} bpb)", text(3), bits),
       fmt::format("{} {}bpb", text(2), loss_text(result.bits_per_byte, 2))});
  return part;
}

Part saved_part(const RunSnapshot& run) {
  if (!run.failed_save.empty()) return {{"last save FAILED", "save FAILED"}, 3};
  if (!run.since_save) return {{"not saved"}, 3};
  const std::string brief = format_short_duration(*run.since_save);
  return {{fmt::format("saved {} ago", format_duration(*run.since_save)), fmt::format("saved {} ago", brief),
           "saved " + brief},
          3};
}

Part rate_part(double tokens_per_second) {
  const auto rate = static_cast<uint64_t>(std::llround(std::clamp(tokens_per_second, 0.0, 1e15)));
  return {{format_rate(tokens_per_second), fmt::format("{} tok/s", format_count(rate)),
           fmt::format("{} tok/s", format_short_count(rate)), fmt::format("{}/s", format_short_count(rate))},
          5};
}

Part epoch_part(const RunSnapshot& run) {
  const std::string epoch = fmt::format("epoch {}", format_count(uint64_t{run.epoch} + 1));
  if (!run.epoch_progress) return {{epoch}, 7};
  return {{fmt::format("{} ({:.0f} % done)", epoch, 100 * *run.epoch_progress), epoch}, 7};
}

Part best_part(const BestEvaluation& best) {
  const std::string loss = loss_text(best.loss, 3);
  return {{fmt::format("best {}, {} ago", loss, format_counted(best.since, "evaluation")),
           fmt::format("best {}", loss)},
          6};
}

std::vector<Part> parts_of(const RunSnapshot& run) {
  std::vector<Part> parts{step_part(run)};
  if (run.loss) parts.push_back(loss_part(*run.loss));
  if (run.validation) parts.push_back(validation_part(run.validation->result));
  if (run.best && run.best->since > 0) parts.push_back(best_part(*run.best));
  if (run.time_left) {
    parts.push_back(
        {{format_duration(*run.time_left) + " left", format_short_duration(*run.time_left) + " left"}, 2});
  }
  parts.push_back(saved_part(run));
  parts.push_back(rate_part(run.tokens_per_second));
  if (run.bad_steps > 0)
    parts.push_back({{fmt::format("{} not finite", format_short_count(run.bad_steps))}, 6});
  parts.push_back(epoch_part(run));
  parts.push_back({{format_count(run.tokens) + " tokens", format_short_count(run.tokens) + " tokens"}, 8});
  parts.push_back({{fmt::format("rate {:.2g}", run.learning_rate)}, 9});
  parts.push_back({{fmt::format("{:.0f} % of peak", 100 * run.utilization)}, 10});
  if (run.machines > 0) {
    const std::string machines = format_counted(uint64_t{run.machines}, "machine");
    const std::string lost =
        run.lost_machines > 0 ? fmt::format(", {} lost", format_short_count(run.lost_machines)) : "";
    const std::string hidden =
        run.hidden_share > 0 ? fmt::format(" ({:.0f} % hidden)", 100 * run.hidden_share) : "";
    const std::string exchange =
        fmt::format("{}{}, {:.0f} % exchange", machines, lost, 100 * run.exchange_share);
    parts.push_back({{exchange + hidden, exchange, machines + lost, machines}, 6});
  }
  if (run.wait_share >= 0.01) parts.push_back({{fmt::format("{:.0f} % waiting", 100 * run.wait_share)}, 11});
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

std::string best_text(const RunSnapshot& run) {
  if (!run.best || !run.validation) return "";
  if (run.best->since > 0) {
    return fmt::format("; best {} at step {}, {} ago", loss_text(run.best->loss, 4),
                       format_count(run.best->step), format_counted(run.best->since, "evaluation"));
  }
  return run.validation->step > 0 ? ", the best so far" : "";
}

std::string loss_text(double loss, int digits) {
  if (!std::isfinite(loss)) return "not finite";
  return std::abs(loss) < 1000 ? fmt::format("{:.{}f}", loss, digits) : fmt::format("{:.1e}", loss);
}

std::string live_line(const RunSnapshot& run, size_t columns) {
  // Bars read better, but cost room that the parts need below this width.
  constexpr size_t kRoomForBars = 94;
  const std::string_view separator = columns >= kRoomForBars ? " | " : "  ";
  std::vector<Part> parts = parts_of(run);
  fit(parts, separator, columns);
  return joined(parts, separator);
}

std::string status_line(const RunSnapshot& run) {
  constexpr size_t kLogColumns = 94;  // of 120; date, time and level take the others
  return live_line(run, kLogColumns);
}

std::string service_status(const RunSnapshot& run) {
  const std::string of =
      run.limits.max_steps > 0 ? fmt::format(" of {}", format_count(run.limits.max_steps)) : "";
  std::string text = fmt::format("step {}{}", format_count(run.step), of);
  const auto add = [&](const std::string& part) { text += fmt::format(", {}", part); };
  if (run.loss) add(fmt::format("loss {}", loss_text(*run.loss, 3)));
  if (run.validation) {
    const EvaluationResult& result = run.validation->result;
    add(fmt::format("validation {}", loss_text(result.loss, 3)));
    if (result.bits_per_byte > 0 && std::isfinite(result.bits_per_byte))
      text += fmt::format(" ({:.3f} bits per byte)", result.bits_per_byte);
  }
  if (run.time_left) add(fmt::format("{} left", format_duration(*run.time_left)));
  add(format_rate(run.tokens_per_second));
  if (run.machines > 0) add(format_counted(uint64_t{run.machines}, "machine"));
  if (run.lost_machines > 0) add(fmt::format("{} lost", format_counted(run.lost_machines, "machine")));
  if (run.saved_step) add(fmt::format("saved at step {}", format_count(*run.saved_step)));
  if (run.bad_steps > 0) add(fmt::format("{} not finite", format_counted(run.bad_steps, "step")));
  if (!run.failed_save.empty()) add(run.failed_save);
  return text;
}

std::string shares_text(const std::vector<MachineShare>& shares) {
  std::string text;
  for (const MachineShare& share : shares)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", share.machine, share.slots);
  return text;
}

std::string evaluation_text(const EvaluationResult& result) {
  if (!std::isfinite(result.loss)) return "the loss is not finite: the weights have overflown";
  std::string text = fmt::format("loss {}", loss_text(result.loss, 4));
  constexpr double kReadable = 1e6;
  if (result.perplexity < kReadable) text += fmt::format(", perplexity {:.1f}", result.perplexity);
  if (result.bits_per_byte > 0) text += fmt::format(", {} bits per byte", loss_text(result.bits_per_byte, 3));
  return text;
}

}  // namespace pretrain
