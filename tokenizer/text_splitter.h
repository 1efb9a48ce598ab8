// SPDX-License-Identifier: Apache-2.0
#pragma once
// Cuts text into words before byte pairs are joined, as the pre-tokenizers of GPT-2, Qwen and other models do.
// Immutable; thread-safe.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace pretrain {

/// How text is cut. Each is a regular expression that models publish; the words are its matches and what is
/// between them.
enum class SplitRule {
  kDigits,  ///< each numeric character is a word of its own
  kGpt2,    ///< words with the blank before them; runs of digits
  kLlama3,  ///< words with any character before them; up to three digits; line ends with what they follow
  kQwen2,   ///< the same with single digits
};

/// The rule with this expression, as a tokenizer.json holds it. Nothing for an unknown one: an expression that
/// is only similar, or that another library reads differently, would cut otherwise.
std::optional<SplitRule> find_split_rule(std::string_view expression);
/// Requires: not kDigits, which has no expression in files.
std::string_view expression_of(SplitRule rule);

class TextSplitter {
 public:
  /// Each rule cuts the words of the one before it.
  explicit TextSplitter(std::span<const SplitRule> rules);
  ~TextSplitter();
  TextSplitter(TextSplitter&&) noexcept;
  TextSplitter& operator=(TextSplitter&&) noexcept;

  using OnWord = std::function<void(std::string_view)>;
  /// Calls `on_word` for each word, from left to right. Together they are the text.
  /// Requires: text is valid UTF-8.
  /// Errors: kRuntime when memory runs out.
  void split(std::string_view text, const OnWord& on_word) const;

 private:
  class Expression;
  void split_from(size_t rule, std::string_view text, const OnWord& on_word) const;

  std::vector<std::unique_ptr<const Expression>> expressions_;
};

}  // namespace pretrain
