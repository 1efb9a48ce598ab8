// SPDX-License-Identifier: Apache-2.0
#include "libs/model/config.h"

#include <algorithm>
#include <array>

#include "libs/base/error.h"
#include "libs/base/units.h"
#include "libs/model/architecture_choices.h"
#include "libs/model/longest_context.h"

namespace pretrain {
namespace {

// Learning rates are starting points, higher for narrower models; they have not been swept. That of
// `shakespeare` reaches a validation loss of 1.72 nats a character in 1,000 steps on tiny Shakespeare.
// The family of qwen3 has widths and depths as current models of these sizes do: heads of 64 channels (128 from a width
// of 1024 on), an MLP of 8/3 of the width rounded up to a multiple of 256 where the width is one, else of 64; queries
// share keys and values from a width of 768 on. Its vocabularies grow with the model, so that the embedding stays
// below half of it. Learning rates fall with the width.
constexpr std::array<Preset, 17> kPresets{{
    {"base", 6, 512, 8, 2048, 16000, 256, 16, 1e-3, 0.005, "the reference configuration"},
    {"large", 6, 512, 8, 2048, 32000, 128, 64, 1e-3, 0.005, "production vocabulary and batch"},
    {"xl-vocab", 6, 512, 8, 2048, 50000, 128, 16, 1e-3, 0.005, "a very large vocabulary"},
    {"quality", 4, 384, 6, 1536, 16000, 128, 32, 1e-3, 0.005, "smaller, still good"},
    {"prototype", 2, 256, 4, 1024, 10000, 64, 32, 1.5e-3, 0.005, "quick experiments"},
    {"shakespeare", 4, 128, 8, 512, 0, 64, 32, 3e-3, 0.1, "characters, tiny Shakespeare in minutes"},
    {"small", 2, 128, 4, 512, 0, 64, 8, 2e-3, 0.1, "characters, seconds"},
    {"v2", 1, 256, 4, 1024, 0, 64, 8, 2e-3, 0.1, "characters, one wide layer"},
    {"tiny", 1, 64, 4, 256, 0, 32, 8, 3e-3, 0.1, "characters, about 50,000 parameters"},
    {"fast", 3, 256, 4, 1024, 16000, 128, 32, 1.5e-3, 0.005, "fast development on real text"},
    {"qwen3-1m", 3, 128, 2, 384, 4096, 128, 32, 3e-3, 0.005, "a first look at a corpus"},
    {"qwen3-5m", 4, 256, 4, 768, 8192, 256, 16, 2e-3, 0.005, "short experiments"},
    {"qwen3-15m", 5, 384, 6, 1024, 16000, 256, 16, 1.5e-3, 0.005, "small, still good"},
    {"qwen3-30m", 6, 512, 8, 1536, 16000, 512, 16, 1e-3, 0.005, "the size of base"},
    {"qwen3-60m", 12, 512, 8, 1536, 32000, 512, 16, 1e-3, 0.005, "twice the size of base"},
    {"qwen3-125m", 16, 768, 12, 2048, 32000, 1024, 16, 6e-4, 0.005, "the size of the smallest GPT-2"},
    {"qwen3-350m", 27, 1024, 8, 2816, 32000, 1024, 16, 4e-4, 0.005, "the largest, for many cores"},
}};

/// Of presets that are not gpt2: their architecture, and what gpt2 has no choice of. Zero: its default.
struct PresetChoices {
  std::string_view preset;
  const Architecture& (*architecture)();
  int64_t kv_heads = 0;
  int64_t head_channels = 0;
};

constexpr std::array<PresetChoices, 7> kPresetChoices{{{"qwen3-1m", qwen3},
                                                       {"qwen3-5m", qwen3},
                                                       {"qwen3-15m", qwen3},
                                                       {"qwen3-30m", qwen3},
                                                       {"qwen3-60m", qwen3},
                                                       {"qwen3-125m", qwen3, 4},
                                                       {"qwen3-350m", qwen3, 4, 128}}};

/// A size and its bounds, named as the option is.
struct SizeBounds {
  std::string_view name;
  int64_t ModelConfig::*member;
  int64_t least, most;
};

constexpr std::array<SizeBounds, 6> kSizes{{{"layers", &ModelConfig::layers, 1, 1024},
                                            {"d-model", &ModelConfig::d_model, 8, 65536},
                                            {"heads", &ModelConfig::heads, 1, 65536},
                                            {"d-ff", &ModelConfig::d_ff, 8, 262144},
                                            {"vocabulary", &ModelConfig::vocabulary, 2, 4'000'000},
                                            {"context", &ModelConfig::context, 2, kLongestContext}}};

/// What an architecture without choices keeps.
void validate_fixed(const ModelConfig& c) {
  const ModelConfig kept;
  const auto refuse = [&](std::string_view what) {
    fail(ErrorKind::kUsage,
         "{} can't be chosen with architecture {}; other architectures, such as {}, have it", what,
         name_of(*c.architecture), name_of(qwen3()));
  };
  if (c.kv_heads != kept.kv_heads) refuse("kv-heads");
  if (c.head_channels != kept.head_channels) refuse("head-size");
  if (c.rope_theta != kept.rope_theta) refuse("rope-theta");
  if (c.norm_epsilon != kept.norm_epsilon) refuse("norm-epsilon");
  if (c.tied != kept.tied) refuse("untied");
}

void validate_choices(const ModelConfig& c) {
  if (choices_of(*c.architecture) == nullptr) return validate_fixed(c);
  constexpr int64_t kMostChannels = 1024;
  constexpr int64_t kAlignment =
      16;  // of tensors in memory: those of q, k and v follow each other without a gap
  if (c.kv_heads < 1 || c.heads % c.kv_heads != 0) {
    fail(ErrorKind::kUsage, "model size kv-heads = {} can't be used: it must divide heads, {}", c.kv_heads,
         c.heads);
  }
  if (c.head_channels < 2 || c.head_channels % 2 != 0 || c.head_channels > kMostChannels) {
    fail(ErrorKind::kUsage, "model size head-size = {} can't be used: use an even number from 2 to {}",
         c.head_channels, kMostChannels);
  }
  if (c.d_model * c.head_channels % kAlignment != 0) {
    fail(ErrorKind::kUsage,
         "model size d-model = {} can't be used: times head-size, {}, it must be a multiple of {}", c.d_model,
         c.head_channels, kAlignment);
  }
  if (!(c.rope_theta >= 1 && c.rope_theta <= 1e12)) {
    fail(ErrorKind::kUsage, "rope-theta = {} can't be used: use 1 to 1e12", c.rope_theta);
  }
  if (!(c.norm_epsilon > 0 && c.norm_epsilon < 1)) {
    fail(ErrorKind::kUsage, "norm-epsilon = {} can't be used: use a number between 0 and 1, such as 1e-6",
         c.norm_epsilon);
  }
}

}  // namespace

void validate(const ModelConfig& c) {
  for (const SizeBounds& size : kSizes) {
    const int64_t value = c.*size.member;
    if (value >= size.least && value <= size.most) continue;
    fail(ErrorKind::kUsage, "model size {} = {} can't be used: use {} to {}", size.name, value, size.least,
         format_count(static_cast<uint64_t>(size.most)));
  }
  validate_choices(c);
  const ArchitectureChoices* choices = choices_of(*c.architecture);
  if ((choices == nullptr || choices->heads_divide_width) && c.d_model % c.heads != 0)
    fail(ErrorKind::kUsage, "model size heads = {} can't be used: it must divide d-model, {}", c.heads,
         c.d_model);
}

void limit_context(ModelConfig& c) {
  if (choices_of(*c.architecture) != nullptr) c.context = std::min(c.context, kLongestContext);
}

std::span<const Preset> presets() {
  return kPresets;
}

std::optional<Preset> find_preset(std::string_view name) {
  const auto found =
      std::find_if(kPresets.begin(), kPresets.end(), [&](const Preset& p) { return p.name == name; });
  return found == kPresets.end() ? std::nullopt : std::optional(*found);
}

ModelConfig model_config(const Preset& preset, int64_t characters) {
  ModelConfig config{.layers = preset.layers,
                     .d_model = preset.d_model,
                     .heads = preset.heads,
                     .d_ff = preset.d_ff,
                     .vocabulary = preset.vocabulary == 0 ? characters : preset.vocabulary,
                     .context = preset.context};
  const auto* choices = std::ranges::find(kPresetChoices, preset.name, &PresetChoices::preset);
  if (choices == kPresetChoices.end()) return config;
  config.architecture = &choices->architecture();
  config.kv_heads = choices->kv_heads;
  config.head_channels = choices->head_channels;
  complete_choices(config);
  return config;
}

}  // namespace pretrain
