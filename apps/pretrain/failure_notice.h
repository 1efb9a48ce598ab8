// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tells the command of --on-event that a training run has failed, from the moment on at which the option is known: also when
// the start is refused, and the run records nothing.

#include <cstdint>
#include <functional>
#include <string>

#include "libs/base/error.h"
#include "libs/base/file.h"
#include "libs/base/standard_streams.h"
#include "libs/checkpoint/store.h"

namespace pretrain {

/// Single-owner.
class FailureNotice {
 public:
  /// From here on; an empty command is told nothing.
  void set_command(std::string command, Path state);
  /// Without a command, that of the newest session in the folder is told: a resume may fail before it has read a
  /// checkpoint, which names it too.
  void look_up_command() { looks_up_ = true; }
  /// The step that the run has made, or continues from.
  void set_step(uint64_t step) { step_ = step; }

  /// Calls `f`, which returns an exit code. An exception is told before it continues, unless it is a stop.
  template <typename F>
  int guard(const F& f) {
    try {
      return f();
    } catch (const Stopped&) {
      throw;
    } catch (const OutputClosed&) {
      throw;
    } catch (const FolderInUse&) {  // the run there continues
      throw;
    } catch (...) {
      tell();
      throw;
    }
  }

 private:
  void tell() const;

  std::string command_;
  Path state_;
  bool looks_up_ = false;
  uint64_t step_ = 0;
};

/// Takes the texts of --on-event and --state, as parse_run_keys() gives them.
std::function<void(const std::string& on_event, const std::string& state)> noting(FailureNotice& failure);

}  // namespace pretrain
