// SPDX-License-Identifier: Apache-2.0
#pragma once
// A terminal for a program under test, with the test as its keyboard and screen.

#include <string>

#include "tests/support/program.h"

namespace pretrain::test {

/// The side of the person. Single-owner.
class PseudoTerminal {
 public:
  PseudoTerminal();
  ~PseudoTerminal();
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  /// The program has it as its controlling terminal, and as all three standard streams.
  Surroundings surroundings() const;
  void type(const std::string& keys) const;
  /// All that was written to it so far.
  const std::string& screen();
  /// As when the window is closed or the connection lost.
  void hang_up();

 private:
  int master_ = -1;
  std::string name_;
  std::string screen_;
};

}  // namespace pretrain::test
