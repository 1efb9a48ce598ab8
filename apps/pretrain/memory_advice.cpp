// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/memory_advice.h"

#include <map>
#include <string>

namespace pretrain {

std::string_view memory_advice(const Arguments& arguments) {
  constexpr std::string_view kTrain =
      "use a smaller --model, --batch, --micro-batch-tokens or --shuffle-buffer, or fewer --threads";
  constexpr std::string_view kMore = "end other programs, or use a machine with more memory";
  static const std::map<std::string, std::string_view> advice{
      {"resume", "use --recompute layers, fewer --threads or a smaller --queue"},
      {"branch", "use --recompute layers, fewer --threads or a smaller --queue"},
      {"eval", "use fewer --threads, or --tokens N"},
      {"generate", "use fewer --samples, a smaller --context, or --precision bf16"},
      {"serve", "use fewer --threads, or a smaller model"},
      {"export", kMore},
      {"presets", "name smaller presets"},
      {"report", "give fewer runs at once"},
      {"dashboard", "give fewer runs at once"},
      {"export-metrics", kMore},
      {"tokenizer", "use a smaller --sample or --vocab, or shorter lines"},
      {"inspect", "inspect fewer files at once"},
      {"bench", "use fewer --threads or a smaller --model"},
      {"plan", "use fewer --threads"},
      {"join", "use fewer --threads"}};
  if (arguments.empty() || arguments.front() == "train" || arguments.front().starts_with('-')) return kTrain;
  const auto found = advice.find(arguments.front());
  return found == advice.end() ? kMore : found->second;
}

}  // namespace pretrain
