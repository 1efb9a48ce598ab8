// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/training_text.h"

#include <algorithm>
#include <utility>

#include "libs/base/utf8.h"

namespace pretrain {
namespace {

constexpr size_t kAlwaysKept = 256;
// SentencePiece's default. The rest are thousands of characters that real text has once or twice.
constexpr double kCoverage = 0.9995;
constexpr size_t kWantedLineBytes = 4000;
constexpr size_t kMaxLineBytes = 4096;
constexpr std::string_view kLastLine = " a";
constexpr uint32_t kCodePoints = 0x110000;

/// Whether a piece may hold this character. SentencePiece's trainer reserves U+2581 and U+2585.
bool may_be_learned(uint32_t code_point) {
  const bool control = code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
  return !control && code_point != 0x2581 && code_point != 0x2585;
}

std::vector<uint64_t> count_characters(const std::vector<std::string>& documents) {
  std::vector<uint64_t> counts(kCodePoints);
  for (std::string_view rest : documents) {
    while (!rest.empty()) {
      const Utf8Character character = read_utf8(rest);
      if (character.state == Utf8Character::State::kValid) ++counts[character.code_point];
      rest.remove_prefix(character.bytes);
    }
  }
  return counts;
}

}  // namespace

Alphabet::Alphabet(const std::vector<std::string>& documents, size_t limit) {
  const std::vector<uint64_t> counts = count_characters(documents);
  std::vector<uint32_t> ranked;
  uint64_t total = 0;
  for (uint32_t code_point = 0; code_point < kCodePoints; ++code_point) {
    if (counts[code_point] == 0 || !may_be_learned(code_point)) continue;
    ranked.push_back(code_point);
    total += counts[code_point];
    has_text_ |= code_point != ' ';
  }
  std::ranges::stable_sort(ranked, [&](uint32_t a, uint32_t b) { return counts[a] > counts[b]; });
  for (const char character : kLastLine) characters_.insert(static_cast<uint32_t>(character));
  uint64_t covered = 0;
  for (const uint32_t code_point : ranked) {
    const bool enough = static_cast<double>(covered) >= kCoverage * static_cast<double>(total);
    if (characters_.size() >= limit || (characters_.size() >= kAlwaysKept && enough)) break;
    characters_.insert(code_point);
    covered += counts[code_point];
  }
}

TrainingLines::TrainingLines(const std::vector<std::string>& documents, const Alphabet& alphabet)
    : documents_(documents), alphabet_(alphabet) {
  next();
}

void TrainingLines::next() {
  line_.clear();
  while (line_.empty() && !done_) {
    if (!rest_.empty()) {
      read_line();
    } else if (document_ < documents_.size()) {
      rest_ = documents_[document_++];
    } else {
      line_ = kLastLine;
      done_ = true;
    }
  }
}

void TrainingLines::read_line() {
  while (!rest_.empty() && line_.size() < kMaxLineBytes) {
    const Utf8Character character = read_utf8(rest_);
    if (character.code_point == ' ' && line_.size() >= kWantedLineBytes) return;
    const std::string_view bytes = rest_.substr(0, character.bytes);
    rest_.remove_prefix(character.bytes);
    if (character.state != Utf8Character::State::kValid || !alphabet_.contains(character.code_point)) return;
    line_ += bytes;
  }
}

}  // namespace pretrain
