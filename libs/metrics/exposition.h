// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers in Prometheus' text format, version 0.0.4.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pretrain {

enum class MetricType { kCounter, kGauge };

/// What a family of samples measures.
struct MetricFamily {
  std::string_view name;  ///< "pretrain_steps_total": with its unit; a counter ends in _total
  MetricType type = MetricType::kGauge;
  std::string_view help;
};

using MetricLabels = std::vector<std::pair<std::string_view, std::string>>;

/// Collects samples and writes those of a family together. Single-owner.
class Exposition {
 public:
  void add(const MetricFamily& family, const MetricLabels& labels, double value);

  /// Families in the order in which they came.
  std::string text() const;

 private:
  struct Samples {
    MetricFamily family;
    std::string lines;
  };
  std::vector<Samples> families_;
};

}  // namespace pretrain
