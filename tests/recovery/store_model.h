#pragma once
// A checkpoint store reduced to sets of steps: which checkpoints must be there, whatever fails, crashes and
// rots. It says exactly what the real one promises:
//   An acknowledged checkpoint is there and verifies until the model removes it. Only three things do:
//   retention at an acknowledged save, for what is no multiple of `keep_every` and older than the `keep`
//   newest good ones; abandoning; and damage from outside while no store is open. A save that failed or was
//   interrupted has left its checkpoint whole or not at all, and so has a removal. So n saves acknowledged
//   since the last damage or abandoning mean at least min(n, 2) good checkpoints.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>

namespace pretrain::test {

class StoreModel {
 public:
  StoreModel(uint64_t keep, uint64_t keep_every) : keep_(keep), keep_every_(keep_every) {}

  /// Steps that must be there and verify.
  const std::set<uint64_t>& good() const { return good_; }

  bool is_permanent(uint64_t step) const { return step > 0 && keep_every_ > 0 && step % keep_every_ == 0; }

  /// A start may load this one: the newest good one, or a newer one that was not acknowledged or not removed.
  bool may_load(uint64_t step) const {
    if (!good_.empty() && step <= *good_.rbegin()) return step == *good_.rbegin();
    return possible_.contains(step);
  }

  /// Good checkpoints that the acknowledged saves alone promise.
  size_t promised() const { return std::min<size_t>(2, acknowledged_); }

  void save_begins(uint64_t step) { possible_.insert(step); }

  /// `found` has the name of each checkpoint that stands there afterwards.
  void save_acknowledged(uint64_t step, const std::set<uint64_t>& found) {
    std::ranges::set_intersection(possible_, found, std::inserter(good_, good_.end()));
    possible_.clear();
    good_.insert(step);
    ++acknowledged_;
    size_t newer = 0;
    for (auto at = good_.end(); at != good_.begin();) {
      --at;
      if (newer++ < keep_ || is_permanent(*at)) continue;
      possible_.insert(*at);  // its removal may have failed
      at = good_.erase(at);
    }
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

 private:
  const uint64_t keep_;
  const uint64_t keep_every_;
  std::set<uint64_t> good_;
  std::set<uint64_t> possible_;
  uint64_t acknowledged_ = 0;  // saves since the last damage or abandoning
};

}  // namespace pretrain::test
