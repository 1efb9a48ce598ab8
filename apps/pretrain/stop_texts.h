// SPDX-License-Identifier: Apache-2.0
#pragma once
// Ends a text where one of several texts begins, while it is generated piece by piece.
//
//   StopTexts stops({"\nUser:"});
//   while (!stops.found() && (piece = generate())) show(stops.push(*piece));   // holds back "\nUs"
//   show(stops.flush());

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pretrain {

/// Single-owner.
class StopTexts {
 public:
  /// Requires: none is empty.
  explicit StopTexts(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  /// Adds a piece and returns what may be shown: without a stop text, and without an end that one might begin with.
  std::string push(std::string_view piece);
  /// The end that was held back.
  std::string flush();
  /// Whether a stop text was there; the text is over.
  bool found() const { return found_; }

 private:
  size_t held_back() const;

  std::vector<std::string> texts_;
  std::string pending_;  // not shown yet
  bool found_ = false;
};

}  // namespace pretrain
