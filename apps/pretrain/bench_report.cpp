// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/bench_report.h"

#include <string>

#include <fmt/format.h>

#include "apps/pretrain/report.h"
#include "libs/base/quantity.h"
#include "libs/base/units.h"

namespace pretrain {
namespace {

void print_products(const nlohmann::json& report) {
  const double peak = report["peak_flops"].get<double>();
  fmt::print("{:42} {:>10} {:>10} {:>12}\n", "product  M x N x K", "GFLOP/s", "of peak", "of rate");
  for (const auto& p : report["products"]) {
    fmt::print("{:42} {:>10.1f} {:>9.0f}% {:>11.0f}%\n", p["name"].get<std::string>(),
               p["flops"].get<double>() / 1e9, 100 * p["flops"].get<double>() / peak,
               100 * p["of_rate_then"].get<double>());
  }
}

void print_kernels(const nlohmann::json& report) {
  const double read = report["bandwidth"]["read"].get<double>();
  fmt::print("\n{:42} {:>8} {:>7} {:>6} {:>6} {:>5}\n", "kernel", "ms", "MB", "GB/s", "of mem", "rate");
  for (const auto& k : report["kernels"]) {
    const double flops = k["flops"].get<double>();
    fmt::print("{:42} {:>8.2f} {:>7.1f} {:>6.1f} {:>5.0f}% {:>5}\n", k["name"].get<std::string>(),
               1e3 * k["seconds"].get<double>(), k["bytes"].get<double>() / 1e6,
               k["bytes_per_second"].get<double>() / 1e9, 100 * k["bytes_per_second"].get<double>() / read,
               flops > 0 ? fmt::format("{:.0f}%", 100 * k["of_rate_then"].get<double>()) : "");
  }
}

void print_step(const nlohmann::json& report) {
  const auto& s = report["step"];
  const auto ms = [&](const char* key) { return 1e3 * s[key].get<double>(); };
  fmt::print("\nstep of {} ({}): {:.1f} ms ({:.1f} to {:.1f})\n", report["model"].get<std::string>(),
             report["architecture"].get<std::string>(), ms("step_seconds"), ms("fastest_step_seconds"),
             ms("slowest_step_seconds"));
  fmt::print("  forward {:.1f}, backward {:.1f} (loss {:.1f} of both), {} {:.1f} ms ({:.1f} %)\n",
             ms("forward_seconds"), ms("backward_seconds"), ms("loss_seconds"),
             report["optimizer"].get<std::string>(), ms("optimizer_seconds"),
             100 * ms("optimizer_seconds") / ms("step_seconds"));
  fmt::print("  {}, {:.1f} % of the peak, {:.1f} % of the rate; peak memory {}\n",
             format_rate(s["tokens_per_second"].get<double>()), 100 * s["flops_utilization"].get<double>(),
             100 * s["flops_utilization_then"].get<double>(),
             format_bytes(s["peak_resident_bytes"].get<uint64_t>()));
}

void print_scaling(const nlohmann::json& report) {
  const auto& s = report["scaling"];
  fmt::print("\nspeed-up with {}: {:.2f} times one thread\n",
             format_counted(s["threads"].get<uint64_t>(), "thread"), s["speedup"].get<double>());
  fmt::print("{:.2f} % of a step on one thread is outside parallel loops\n",
             100 * s["serial_share"].get<double>());
  fmt::print("upper bound on the speed-up, from that and the number of pieces of each loop:");
  for (const auto& bound : s["bounds"]) {
    fmt::print("\n  {:.1f} times with {}", bound["speedup"].get<double>(),
               format_counted(bound["threads"].get<uint64_t>(), "thread"));
  }
  fmt::print("\n");
}

void print_sweep(const nlohmann::json& report) {
  fmt::print("two layers of {} ({}), one size changed at a time\n{:14} {:>8} {:>10} {:>12} {:>10} {:>12}\n",
             report["model"].get<std::string>(), report["architecture"].get<std::string>(), "varied", "value",
             "ms", "tokens/s", "of peak", "of rate");
  for (const auto& row : report["sweep"]) {
    fmt::print("{:14} {:>8} {:>10.1f} {:>12} {:>9.0f}% {:>11.0f}%\n", row["varied"].get<std::string>(),
               row["value"].get<int64_t>(), 1e3 * row["step_seconds"].get<double>(),
               format_count(static_cast<uint64_t>(row["tokens_per_second"].get<double>())),
               100 * row["flops_utilization"].get<double>(),
               100 * row["flops_utilization_then"].get<double>());
  }
}

void print_architectures(const nlohmann::json& report) {
  fmt::print("steps at the sizes of {}, interleaved\n", report["model"].get<std::string>());
  fmt::print("{:5} {:>11} {:>8} {:>8} {:>8} {:>7} {:>7} {:>8} {:>8}\n", "arch", "parameters", "ms", "fastest",
             "tokens/s", "of peak", "of rate", "planned", "resident");
  for (const auto& row : report["architectures"]) {
    fmt::print("{:5} {:>11} {:>8.1f} {:>8.1f} {:>8} {:>6.1f}% {:>6.1f}% {:>8} {:>8}\n",
               row["architecture"].get<std::string>(), format_count(row["parameters"].get<uint64_t>()),
               1e3 * row["step_seconds"].get<double>(), 1e3 * row["fastest_step_seconds"].get<double>(),
               format_count(static_cast<uint64_t>(row["tokens_per_second"].get<double>())),
               100 * row["flops_utilization"].get<double>(),
               100 * row["flops_utilization_then"].get<double>(),
               format_bytes(row["planned_bytes"].get<uint64_t>()),
               format_bytes(row["resident_bytes"].get<uint64_t>()));
  }
}

}  // namespace

void print_bench_report(const nlohmann::json& report) {
  fmt::print(
      "{}\n{}, {} kernels\npeak: {:.1f} GFLOP/s {} (register-only multiply-add, all threads)\n",
      report["processor"].get<std::string>(), format_counted(report["threads"].get<uint64_t>(), "thread"),
      kernel_name(report["vector_target"].get<std::string>(), report["bf16_products"].get<std::string>()),
      report["peak_flops"].get<double>() / 1e9, report["precision"].get<std::string>());
  if (report.contains("architectures")) return print_architectures(report);
  fmt::print(
      "memory: {:.1f} GB/s read, {:.1f} GB/s copied\n"
      "\"rate\": share of the multiply-add rate measured just before and after each run\n"
      "\"of mem\": share of the read bandwidth\n\n",
      report["bandwidth"]["read"].get<double>() / 1e9, report["bandwidth"]["copy"].get<double>() / 1e9);
  if (report.contains("sweep")) return print_sweep(report);
  print_products(report);
  print_kernels(report);
  print_step(report);
  if (report.contains("scaling")) print_scaling(report);
}

}  // namespace pretrain
