#pragma once
// The one line that shows the progress of a run, for any width of the terminal.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace pretrain {

struct LiveStatus {
  uint64_t step = 0, tokens = 0;
  uint64_t max_steps = 0;  ///< 0: no limit
  double loss = 0;
  std::optional<double> validation_loss, bits_per_byte;
  std::optional<std::chrono::nanoseconds> time_left;   ///< empty if there is no limit, or not known yet
  std::optional<std::chrono::nanoseconds> since_save;  ///< empty before the first save
  double tokens_per_second = 0, learning_rate = 0;
  double utilization = 0;  ///< share of the machine's peak
  double wait_share = 0;   ///< share of the time that training waits for text
};

/// The line in at most `columns` characters. The most important parts (step, loss, validation, time left,
/// last save, tokens/s) come first, others follow if there is room. A part is abbreviated or omitted, never
/// cut.
std::string live_line(const LiveStatus& status, size_t columns);

/// The whole line, for a log.
std::string status_line(const LiveStatus& status);

}  // namespace pretrain
