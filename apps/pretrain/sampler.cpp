// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/sampler.h"

#include <chrono>
#include <span>
#include <utility>

#include "libs/base/rng.h"
#include "pipeline/corpus/utf8.h"
#include "tokenizer/stream_decoder.h"

namespace pretrain {

Sampler::Sampler(Compute& compute, const ModelConfig& model, const ParameterLayout& layout,
                 const Tokenizer& tokenizer, SamplerOptions options)
    : compute_(compute), model_(model), layout_(layout), tokenizer_(tokenizer), options_(std::move(options)) {
  if (options_.prompts.empty()) options_.prompts.emplace_back();
  for (std::string& prompt : options_.prompts) repair_utf8(prompt);
}

std::vector<Sample> Sampler::write(uint64_t step, const float* parameters) {
  std::vector<Sample> samples;
  if (options_.tokens == 0 || step == 0) return samples;
  for (const std::string& prompt : options_.prompts) {
    if (options_.stop.stop_requested()) break;
    const auto start = std::chrono::steady_clock::now();
    Sample sample{.step = step, .prompt = prompt, .text = continuation_of(prompt, step, parameters)};
    sample.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::string Sampler::continuation_of(const std::string& prompt, uint64_t step, const float* parameters) {
  Generator generator(compute_, model_, layout_, parameters);
  StreamDecoder decoder(tokenizer_);
  Rng rng(options_.seed + step);
  std::vector<uint32_t> ids;
  tokenizer_.encode(prompt, ids);
  std::span<const float> logits = generator.feed(tokenizer_.end_of_text());  // a document begins
  for (const uint32_t id : ids) logits = generator.feed(id);
  std::string text;
  for (uint64_t i = 0; i < options_.tokens && !options_.stop.stop_requested(); ++i) {
    const uint32_t token = sample_token(logits, {.temperature = 0.8, .top_k = 200}, rng);
    if (token == tokenizer_.end_of_text()) break;
    text += decoder.push(token);
    logits = generator.feed(token);
    if (options_.on_progress) options_.on_progress();
  }
  return text + decoder.flush();
}

}  // namespace pretrain
