// SPDX-License-Identifier: Apache-2.0
#pragma once
// A state folder with a record, as a run leaves it, for the tests of what shows runs.

#include <string>

#include <fmt/format.h>

#include "libs/base/file.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {

constexpr double kStart = 1'795'872'000;

inline std::string session_line(uint64_t step, uint64_t process) {
  return fmt::format(
      R"({{"kind":"session","time":{},"step":{},"tokens":0,"schema":1,"version":"9.9.9","process":{},"resumed":false,)"
      R"("model":"tiny","parameters":21408,"precision":"f32","threads":2,"workers":2,"processor":"Test","kernels":"AVX2",)"
      R"("peak_flops":81e9,"limits":{{"steps":200,"tokens":0,"epochs":0,"seconds":0,"epoch_tokens":51200}},)"
      R"("configuration":{{"batch":"8","model":"tiny"}}}})"
      "\n",
      kStart, step, process);
}

/// The loss falls from 10 by 0.05 a step; a step takes half a second and has 256 tokens.
inline std::string step_line(uint64_t step) {
  return fmt::format(
      R"({{"kind":"step","time":{},"step":{},"tokens":{},"epoch":0,"loss":{},"learning_rate":0.001,"grad_norm":1.5,)"
      R"("applied":true,"step_seconds":0.5,"forward_seconds":0.1,"backward_seconds":0.3,"loss_seconds":0.05,)"
      R"("optimizer_seconds":0.05,"data_wait_seconds":0.05,"checkpoint_wait_seconds":0,"tokens_per_second":512,)"
      R"("flops_utilization":0.5,"sequence_buffer":300,"batch_queue":32,"resident_bytes":19419136,"batch_hash":"ab"}})"
      "\n",
      kStart + 0.5 * static_cast<double>(step), step, 256 * step, 10 - 0.05 * static_cast<double>(step));
}

inline std::string steps_lines(uint64_t first, uint64_t last) {
  std::string lines;
  for (uint64_t step = first; step <= last; ++step) lines += step_line(step);
  return lines;
}

inline std::string evaluation_line(uint64_t step, double loss) {
  return fmt::format(
      R"({{"kind":"evaluation","time":{},"step":{},"tokens":{},"validation_loss":{},"perplexity":9,"bits_per_byte":{},"peak_flops":81e9}})"
      "\n",
      kStart + 0.5 * static_cast<double>(step), step, 256 * step, loss, loss / 2);
}

inline std::string end_line(uint64_t step, const std::string& reason, const std::string& more = "") {
  return fmt::format(
      R"({{"kind":"end","time":{},"step":{},"tokens":{},"reason":"{}",{}"saved_step":{},"seconds":60,)"
      R"("split":{{"forward":1,"backward":2,"evaluation":3.5,"samples":0.5,"paused":0}},"documents":9,"skips":{{"empty":3}}}})"
      "\n",
      kStart + 100, step, 256 * step, reason, more, step);
}

constexpr std::string_view kPlanted =
    R"({"kind":"sample","time":1795872050,"step":100,"prompt":"Once","text":" upon </script><script>alert(1)</script> {{foot}} \u202e a time","seconds":0.4})"
    "\n";

/// Events are in both files, as a run writes them.
inline std::filesystem::path write_run(const TempFolder& folder, const std::string& name,
                                       const std::string& events, const std::string& steps) {
  folder.write(name + "/events.jsonl", events);
  folder.write(name + "/metrics.jsonl", events + steps);
  return folder / name;
}

/// 100 steps, two evaluations, a sample with planted markup, and an end.
inline std::filesystem::path write_ended_run(const TempFolder& folder, const std::string& name) {
  return write_run(folder, name,
                   session_line(0, 1) + evaluation_line(0, 10) + std::string(kPlanted) +
                       evaluation_line(100, 6) + end_line(100, "limit"),
                   steps_lines(1, 100));
}

}  // namespace pretrain::test
