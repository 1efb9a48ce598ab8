// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/terminal_curve.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "apps/pretrain/live_line.h"
#include "libs/base/quantity.h"

namespace pretrain {
namespace {

constexpr size_t kAxisWidth = 8;  // "12.345 |"
constexpr size_t kLeastColumns = 24;

/// What is drawn: losses over steps.
struct Mark {
  uint64_t step = 0;
  double loss = 0;
};

struct Range {
  double low = 0, high = 1;
};

/// Of most losses: what is far above belongs to a run that exploded or just began.
Range range_of(const std::vector<Mark>& training, const std::vector<Mark>& evaluations) {
  std::vector<double> losses;
  for (const Mark& mark : training) losses.push_back(mark.loss);
  for (const Mark& mark : evaluations) losses.push_back(mark.loss);
  std::ranges::sort(losses);
  const double low = losses.front();
  const double median = losses[losses.size() / 2];
  constexpr double kSpread = 6;  // of the half below the median
  const double high =
      std::min(losses.back(), median + kSpread * std::max(median - low, 0.01 * std::abs(median)));
  return high > low ? Range{low, high} : Range{low - 0.5, low + 0.5};
}

/// A picture in cells, each of two columns and four rows of dots.
class Picture {
 public:
  Picture(size_t columns, size_t rows) : columns_(columns), rows_(rows), cells_(columns * rows) {}

  size_t dot_columns() const { return columns_ * kDotsAcross; }
  size_t dot_rows() const { return rows_ * kDotsDown; }
  void set_dot(size_t x, size_t y) {
    // The order of the dots in the Unicode block of Braille patterns.
    static constexpr unsigned kBits[kDotsDown][kDotsAcross] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    cell(x / kDotsAcross, y / kDotsDown).dots |= kBits[y % kDotsDown][x % kDotsAcross];
  }
  void set_mark(size_t x, size_t y) { cell(x / kDotsAcross, y / kDotsDown).marked = true; }

  std::string row(size_t y, bool utf8) const {
    std::string line;
    for (size_t x = 0; x < columns_; ++x) line += text_of(cells_[y * columns_ + x], utf8);
    while (line.ends_with(' ')) line.pop_back();
    return line;
  }

 private:
  static constexpr size_t kDotsAcross = 2, kDotsDown = 4;
  struct Cell {
    unsigned dots = 0;
    bool marked = false;
  };

  Cell& cell(size_t x, size_t y) { return cells_[y * columns_ + x]; }
  static std::string text_of(const Cell& cell, bool utf8) {
    if (cell.marked) return "o";
    if (cell.dots == 0) return " ";
    if (!utf8) return (cell.dots & 0xE4U) != 0 && (cell.dots & 0x1BU) == 0 ? "." : "*";
    // U+2800 and the dots, in UTF-8.
    return {static_cast<char>(0xE2), static_cast<char>(0xA0U | (cell.dots >> 6U)),
            static_cast<char>(0x80U | (cell.dots & 0x3FU))};
  }

  size_t columns_, rows_;
  std::vector<Cell> cells_;
};

class Plot {
 public:
  Plot(Picture& picture, uint64_t first, uint64_t last, Range range)
      : picture_(picture), first_(first), last_(last), range_(range) {}

  /// Connects the marks, so that a steep curve has no holes.
  void draw_curve(const std::vector<Mark>& marks) {
    std::optional<std::pair<size_t, size_t>> before;
    for (const auto& [x, y] : column_means(marks)) {
      if (before) draw_line(*before, {x, y});
      picture_.set_dot(x, y);
      before = std::pair(x, y);
    }
  }

  void draw_marks(const std::vector<Mark>& marks) {
    for (const Mark& mark : marks) picture_.set_mark(x_of(mark.step), y_of(mark.loss));
  }

 private:
  size_t x_of(uint64_t step) const {
    const double share = static_cast<double>(step - first_) / static_cast<double>(last_ - first_);
    return static_cast<size_t>(std::lround(share * static_cast<double>(picture_.dot_columns() - 1)));
  }
  size_t y_of(double loss) const {
    const double share = std::clamp((range_.high - loss) / (range_.high - range_.low), 0.0, 1.0);
    return static_cast<size_t>(std::lround(share * static_cast<double>(picture_.dot_rows() - 1)));
  }

  /// One dot for each column that has steps, at their mean loss.
  std::vector<std::pair<size_t, size_t>> column_means(const std::vector<Mark>& marks) const {
    std::vector<std::pair<size_t, size_t>> means;
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < marks.size(); ++i) {
      sum += marks[i].loss;
      ++count;
      const size_t x = x_of(marks[i].step);
      if (i + 1 < marks.size() && x_of(marks[i + 1].step) == x) continue;
      means.emplace_back(x, y_of(sum / static_cast<double>(count)));
      sum = 0;
      count = 0;
    }
    return means;
  }

  void draw_line(std::pair<size_t, size_t> from, std::pair<size_t, size_t> to) {
    const auto width = static_cast<double>(to.first - from.first);
    const double height = static_cast<double>(to.second) - static_cast<double>(from.second);
    const auto dots = static_cast<size_t>(std::max(width, std::abs(height)));
    for (size_t i = 1; i < dots; ++i) {
      const double share = static_cast<double>(i) / static_cast<double>(dots);
      picture_.set_dot(from.first + static_cast<size_t>(std::lround(share * width)),
                       static_cast<size_t>(std::lround(static_cast<double>(from.second) + share * height)));
    }
  }

  Picture& picture_;
  uint64_t first_, last_;
  Range range_;
};

std::vector<Mark> training_of(const RunRecord& record) {
  std::vector<Mark> marks;
  for (const CurvePoint& point : record.curve.all_points()) {
    if (const CurveValue* loss = point.value("loss")) marks.push_back({point.step, loss->mean});
  }
  return marks;
}

/// Those within the steps of the curve.
std::vector<Mark> evaluations_of(const RunRecord& record, uint64_t first, uint64_t last) {
  std::vector<Mark> marks;
  for (const RecordedEvaluation& evaluation : record.evaluations) {
    if (evaluation.loss && evaluation.step >= first && evaluation.step <= last)
      marks.push_back({evaluation.step, *evaluation.loss});
  }
  return marks;
}

/// "step 1          500          1,000", below the curve.
std::string step_axis(uint64_t first, uint64_t last, size_t columns) {
  const std::string left = fmt::format("step {}", format_short_count(first));
  const std::string right = format_short_count(last);
  const size_t gap = columns > left.size() + right.size() ? columns - left.size() - right.size() : 1;
  return fmt::format("{}{}{}", left, std::string(gap, ' '), right);
}

}  // namespace

std::string terminal_curve(const RunRecord& record, const TerminalCurveSize& size) {
  const std::vector<Mark> training = training_of(record);
  if (training.size() < 2 || size.columns < kLeastColumns || size.rows < 2) return "";
  const uint64_t first = record.curve.all_points().front().first_step, last = training.back().step;
  const std::vector<Mark> evaluations = evaluations_of(record, first, last);
  const Range range = range_of(training, evaluations);
  const size_t columns = size.columns - kAxisWidth;
  Picture picture(columns, size.rows);
  Plot plot(picture, first, last, range);
  plot.draw_curve(training);
  plot.draw_marks(evaluations);
  const char* bar = size.utf8 ? "│" : "|";
  std::string text;
  for (size_t y = 0; y < size.rows; ++y) {
    std::string label;
    if (y == 0) label = loss_text(range.high, 3);
    if (y + 1 == size.rows) label = loss_text(range.low, 3);
    text += fmt::format("{:>{}} {}{}\n", label, kAxisWidth - 2, bar, picture.row(y, size.utf8));
  }
  const std::string_view key = evaluations.empty() ? "loss" : "loss, o validation";
  return fmt::format("{}{}{}\n{}{}", text, std::string(kAxisWidth, ' '), step_axis(first, last, columns),
                     std::string(kAxisWidth, ' '), key);
}

bool terminal_shows_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string lower;
    for (const char c : std::string_view(value))
      lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace pretrain
