// SPDX-License-Identifier: Apache-2.0
#pragma once
// Learning rate and size of a step as functions of its number. Nothing else decides them, so a resume needs no state.

#include <cstdint>

#include "libs/base/enum_table.h"

namespace pretrain {

/// What follows the linear warmup.
enum class ScheduleKind {
  kConstant,  ///< the peak, for a run without an end
  kCosine,    ///< half a cosine from the peak to a share of it
  kLinear,    ///< a straight line from the peak to zero
  kWsd,       ///< warmup, stable, decay: the peak, then a cooldown to zero over the last share of the steps
  kCooldown,  ///< the peak, then a cooldown to zero from a given step on
};
constexpr EnumName<ScheduleKind> kSchedules[] = {{ScheduleKind::kConstant, "constant"},
                                                 {ScheduleKind::kCosine, "cosine"},
                                                 {ScheduleKind::kLinear, "linear"},
                                                 {ScheduleKind::kWsd, "wsd"},
                                                 {ScheduleKind::kCooldown, "cooldown"}};
static_assert(is_in_order(kSchedules));

/// How a cooldown falls. With `left` steps of n left: left / n, or 1 - sqrt(1 - left / n).
enum class CooldownShape { kLinear, kOneMinusRoot };
constexpr EnumName<CooldownShape> kCooldownShapes[] = {{CooldownShape::kLinear, "linear"},
                                                       {CooldownShape::kOneMinusRoot, "1-sqrt"}};
static_assert(is_in_order(kCooldownShapes));

/// Batches of a step that grow from one to `most`: the noise of small steps does no harm while much is left to learn.
/// Source: Smith et al., "Don't Decay the Learning Rate, Increase the Batch Size".
struct BatchRamp {
  uint64_t steps = 0;  ///< in which they grow; 0: all steps have `most`
  uint32_t most = 1;

  /// Of a step, counted from 1.
  uint32_t at(uint64_t step) const;
  /// Steps that have so many batches together, the last perhaps more.
  uint64_t steps_for(double batches) const;
};

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  double peak = 1e-3;
  double final_share = 0.1;                               ///< cosine ends at this share of the peak
  uint64_t warmup_steps = 0;                              ///< linear from peak / warmup to peak
  uint64_t total_steps = 0;                               ///< step at which all kinds but constant end
  double cooldown_share = 0.4;                            ///< wsd: share of the total that the cooldown takes
  uint64_t cooldown_start = 0;                            ///< cooldown: the last step at the peak
  CooldownShape cooldown_shape = CooldownShape::kLinear;  ///< wsd and cooldown
  double scale = 1;                                       ///< of all rates, see rate_scale_of_batch()
  BatchRamp ramp = {};  ///< a smaller step has a smaller rate, see rate_scale_of_batch()

  /// Whether the rate depends on total_steps.
  bool has_end() const { return kind != ScheduleKind::kConstant; }

  /// The last step at the peak: what falls falls from the next one on.
  uint64_t stable_until() const;

  /// Rate of the update number `step`, counted from 1. After the end it stays what it is there. A fall to zero
  /// reaches it one step after the end, so that the last step still teaches.
  /// Source: Loshchilov and Hutter, "SGDR", equation 5, without restarts; Haegele et al., "Scaling Laws and
  /// Compute-Optimal Training Beyond Fixed Training Durations", section 3 (cooldown and its shapes).
  double at(uint64_t step) const;

 private:
  double of_kind(uint64_t step) const;
  double cooled(uint64_t step) const;
};

/// What a rate that is right for steps of `reference` tokens is multiplied by for steps of `tokens`: the root of their
/// ratio, which keeps the noise that an update of a size that does not depend on the gradient brings, AdamW's and Muon's
/// alike.
/// Source: Malladi et al., "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", section 5.
double rate_scale_of_batch(double tokens, double reference);

}  // namespace pretrain
