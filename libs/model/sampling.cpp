// SPDX-License-Identifier: Apache-2.0
#include "libs/model/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace pretrain {
namespace {

struct Candidate {
  uint32_t token;
  double weight;  // not normalised
};

bool is_likelier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

double total_weight(const std::vector<Candidate>& candidates) {
  double total = 0;
  for (const Candidate& c : candidates) total += c.weight;
  return total;
}

/// Keeps the most likely candidates, sorted, until their share reaches top_p. Sorts no more than needed, in growing
/// pieces: a vocabulary is long, and a few of its tokens usually make up the share.
void keep_nucleus(std::vector<Candidate>& candidates, double top_p) {
  constexpr size_t kFirstPiece = 128;
  const double wanted = top_p * total_weight(candidates);
  double reached = 0;
  size_t count = 0;
  for (size_t sorted = 0; count < candidates.size() && reached < wanted;) {
    const size_t end = std::min(candidates.size(), std::max(kFirstPiece, 2 * sorted));
    const auto from = candidates.begin() + static_cast<int64_t>(sorted);
    std::partial_sort(from, candidates.begin() + static_cast<int64_t>(end), candidates.end(), is_likelier);
    sorted = end;
    while (count < sorted && reached < wanted) reached += candidates[count++].weight;
  }
  candidates.resize(std::max<size_t>(count, 1));
}

/// Keeps the `count` most likely, sorted.
void keep_most_likely(std::vector<Candidate>& candidates, size_t count) {
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<int64_t>(count), candidates.end(),
                    is_likelier);
  candidates.resize(count);
}

std::vector<float> penalised(std::span<const float> logits, double penalty, std::span<const uint32_t> seen) {
  std::vector<float> values(logits.begin(), logits.end());
  const auto factor = static_cast<float>(penalty);
  for (const uint32_t token : seen)  // from the original: once, however often a token was seen
    values[token] = logits[token] > 0 ? logits[token] / factor : logits[token] * factor;
  return values;
}

/// Weights as shares of that of the most likely token.
std::vector<Candidate> weigh(std::span<const float> logits, float best, double temperature) {
  std::vector<Candidate> candidates(logits.size());
  for (size_t v = 0; v < logits.size(); ++v) {
    candidates[v] = {static_cast<uint32_t>(v), std::exp(static_cast<double>(logits[v] - best) / temperature)};
  }
  return candidates;
}

uint32_t draw(const std::vector<Candidate>& candidates, Rng& rng) {
  double target = rng.uniform() * total_weight(candidates);
  for (const Candidate& c : candidates) {
    if (target < c.weight) return c.token;
    target -= c.weight;
  }
  return candidates.back().token;
}

}  // namespace

uint32_t sample_token(std::span<const float> logits, const SamplingOptions& options, Rng& rng,
                      std::span<const uint32_t> seen) {
  std::vector<float> changed;
  if (options.repetition_penalty != 1 && !seen.empty()) {
    changed = penalised(logits, options.repetition_penalty, seen);
    logits = changed;
  }
  const auto best = std::max_element(logits.begin(), logits.end());
  if (options.temperature <= 0) return static_cast<uint32_t>(best - logits.begin());
  std::vector<Candidate> candidates = weigh(logits, *best, options.temperature);
  const bool cuts = options.top_k > 0 && options.top_k < candidates.size();
  if (cuts) keep_most_likely(candidates, options.top_k);
  if (options.top_p < 1) keep_nucleus(candidates, options.top_p);
  if (options.min_p > 0)
    std::erase_if(candidates, [&](const Candidate& c) { return c.weight < options.min_p; });
  return draw(candidates, rng);
}

}  // namespace pretrain
