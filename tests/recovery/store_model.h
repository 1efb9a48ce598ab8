// SPDX-License-Identifier: Apache-2.0
#pragma once
// A checkpoint store reduced to sets of steps: which checkpoints must be there, whatever fails, crashes and
// rots. It says exactly what the real one promises:
//   An acknowledged checkpoint is there and verifies until the model removes it. Only three things do:
//   retention at an acknowledged save, for what is no multiple of `keep_every` and older than the `keep`
//   newest good ones that are not sick; abandoning; and damage from outside while no store is open. A save
//   that failed or was interrupted has left its checkpoint whole or not at all, and so has a removal. So n
//   saves of a healthy run acknowledged since the last damage or abandoning mean at least min(n, 2) good
//   checkpoints.
//   What is damaged keeps its bytes under some name until a newer checkpoint was acknowledged, for ever when
//   it is permanent. A start that finds two or more checkpoints failing, or one that can't be read, is
//   refused and changes nothing.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>

namespace pretrain::test {

/// What a start has to do.
enum class StartVerdict {
  kLoads,    ///< the newest good one, or a newer one that was not acknowledged or not removed
  kRefuses,  ///< and changes nothing
};

class StoreModel {
 public:
  StoreModel(uint64_t keep, uint64_t keep_every) : keep_(keep), keep_every_(keep_every) {}

  /// Steps that must be there and verify.
  const std::set<uint64_t>& good() const { return good_; }

  bool is_permanent(uint64_t step) const { return step > 0 && keep_every_ > 0 && step % keep_every_ == 0; }

  /// `failing` has the steps under a checkpoint's name that don't verify, `unreadable` those of them that the
  /// device does not give.
  static StartVerdict start(const std::set<uint64_t>& there, const std::set<uint64_t>& failing,
                            const std::set<uint64_t>& unreadable) {
    size_t failed = 0;
    for (auto at = there.rbegin(); at != there.rend(); ++at) {
      if (!failing.contains(*at)) return failed <= 1 ? StartVerdict::kLoads : StartVerdict::kRefuses;
      if (unreadable.contains(*at)) return StartVerdict::kRefuses;
      ++failed;
    }
    return failed == 0 ? StartVerdict::kLoads : StartVerdict::kRefuses;
  }

  /// A start may load this one.
  bool may_load(uint64_t step) const {
    if (!good_.empty() && step <= *good_.rbegin()) return step == *good_.rbegin();
    return possible_.contains(step);
  }

  /// Good checkpoints that the acknowledged saves of a healthy run alone promise.
  size_t promised() const { return std::min<size_t>(2, acknowledged_); }

  void save_begins(uint64_t step, bool sick) {
    possible_.insert(step);
    sick_.erase(step);
    if (sick) sick_.insert(step);
  }

  /// `found` has the name of each checkpoint that is there afterwards.
  void save_acknowledged(uint64_t step, const std::set<uint64_t>& found) {
    std::ranges::set_intersection(possible_, found, std::inserter(good_, good_.end()));
    possible_.clear();
    good_.insert(step);
    acknowledged_ += static_cast<uint64_t>(!is_sick(step));
    remove_what_retention_may();
  }

  void damaged(uint64_t step) {
    good_.erase(step);
    possible_.erase(step);
    acknowledged_ = 0;
  }

  void abandoning_begins(uint64_t step) {
    const auto first = good_.upper_bound(step);
    possible_.insert(first, good_.end());
    good_.erase(first, good_.end());
    acknowledged_ = 0;
  }

  void abandoned(uint64_t step) { possible_.erase(possible_.upper_bound(step), possible_.end()); }

  bool is_sick(uint64_t step) const { return sick_.contains(step); }

 private:
  void remove_what_retention_may() {
    size_t healthy = 0;
    size_t sick = 0;
    for (auto at = good_.end(); at != good_.begin();) {
      --at;
      const bool stays = healthy < keep_ && (!is_sick(*at) || sick < keep_);
      ++(is_sick(*at) ? sick : healthy);
      if (stays || is_permanent(*at)) continue;
      possible_.insert(*at);  // its removal may have failed
      at = good_.erase(at);
    }
  }

  uint64_t keep_;
  uint64_t keep_every_;
  std::set<uint64_t> good_;
  std::set<uint64_t> possible_;
  std::set<uint64_t> sick_;
  uint64_t acknowledged_ = 0;  // healthy saves since the last damage or abandoning
};

}  // namespace pretrain::test
