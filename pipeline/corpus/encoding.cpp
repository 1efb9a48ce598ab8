// SPDX-License-Identifier: Apache-2.0
#include "pipeline/corpus/encoding.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "libs/base/utf8.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

/// `name` as iconv calls it.
std::string foreign_encoding(std::string_view kind, std::string_view name) {
  return fmt::format("{} text; convert it to UTF-8 first (iconv -f {} -t UTF-8 FILE > NEW)", kind, name);
}

std::string reason_of_mark(std::string_view head) {
  using Mark = std::pair<std::string_view, std::string_view>;
  static constexpr std::array<Mark, 4> kMarks{{{std::string_view("\xFF\xFE\0\0", 4), "UTF-32"},
                                               {std::string_view("\0\0\xFE\xFF", 4), "UTF-32"},
                                               {"\xFF\xFE", "UTF-16"},
                                               {"\xFE\xFF", "UTF-16"}}};
  for (const auto& [mark, name] : kMarks) {
    if (head.starts_with(mark)) return foreign_encoding(name, name);
  }
  return {};
}

/// Characters that no text has.
bool is_control(char c) {
  constexpr unsigned char kFirstOfBlanks = 0x07;
  constexpr unsigned char kLastOfBlanks = 0x0D;
  constexpr unsigned char kEscape = 0x1B;
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 && byte != kEscape && (byte < kFirstOfBlanks || byte > kLastOfBlanks);
}

/// Whether the bytes are pairs of which many have a zero in one half and none in the other: characters of the Latin
/// script, or the blanks of another one. Binary numbers have control characters among them.
bool is_utf16(std::string_view head, size_t high) {
  size_t pairs = 0;
  size_t narrow = 0;
  for (size_t at = 0; at + 1 < head.size(); at += 2, ++pairs) {
    if (head[at + high] != 0) continue;
    if (is_control(head[at + 1 - high])) return false;
    ++narrow;
  }
  constexpr size_t kFewest = 16;
  return pairs >= kFewest && narrow * 10 >= pairs;
}

struct Faults {
  uint64_t places = 0;      ///< that are not UTF-8
  uint64_t characters = 0;  ///< of several bytes, which are
};

Faults faults_in(std::string_view head) {
  std::string repaired(head);
  Faults faults{.places = repair_utf8(repaired)};
  for (const char c : repaired) faults.characters += static_cast<unsigned char>(c) >= 0xC0 ? 1 : 0;
  faults.characters -= faults.places;
  return faults;
}

}  // namespace

std::string not_utf8_reason(std::string_view head) {
  if (std::string reason = reason_of_mark(head); !reason.empty()) return reason;
  const auto zeros = static_cast<size_t>(std::ranges::count(head, '\0'));
  if (zeros * 100 > head.size()) {
    if (is_utf16(head, 1)) return foreign_encoding("UTF-16", "UTF-16LE");
    if (is_utf16(head, 0)) return foreign_encoding("UTF-16", "UTF-16BE");
    return "binary data";
  }
  // Latin-1 in a European language has about 2 % of such bytes; another alphabet or binary data has mostly such
  // bytes.
  const uint64_t places = faults_in(head).places;
  if (places * 4 > head.size()) return foreign_encoding("not UTF-8", "ENCODING");
  const auto controls = static_cast<uint64_t>(std::ranges::count_if(head, is_control));
  return places * 20 > head.size() && controls * 100 > head.size() ? "binary data" : "";
}

/// A text of another encoding hardly ever has a pair of bytes that is UTF-8; where such pairs prevail, some parts of
/// a text in UTF-8 are damaged.
std::string utf8_doubt(std::string_view head) {
  const Faults faults = faults_in(head);
  if (!is_doubtful(faults.places, head.size())) return {};
  const double share = 100 * static_cast<double>(faults.places) / static_cast<double>(head.size());
  const bool damaged = faults.characters > faults.places;
  return fmt::format("{:.2f} % of the first bytes are not UTF-8 and are read as U+FFFD; {}", share,
                     damaged ? "get an undamaged copy"
                             : "convert it to UTF-8 first (of Western European text: "
                               "iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW)");
}

}  // namespace pretrain
