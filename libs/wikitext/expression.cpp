// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/expression.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include <fmt/format.h>

#include "libs/base/number.h"
#include "libs/wikitext/text_fold.h"

namespace pretrain::wikitext {
namespace {

enum class Arity : uint8_t { kOpening, kOne, kTwo };

struct Operator {
  std::string_view name;
  int strength;  ///< a stronger one is computed first; of the same, the left one
  Arity arity;
  std::optional<double> (*result)(double left, double right);  ///< `right` is the operand of one with one
};

using Result = std::optional<double>;

double truth(bool value) {
  return value ? 1 : 0;
}

/// Half away from zero, at a decimal place; a negative place is left of the point.
Result rounded(double value, double places) {
  constexpr double kMostPlaces = 15;
  if (!(std::abs(places) <= kMostPlaces)) return value;
  const double scale = std::pow(10.0, std::abs(std::trunc(places)));
  if (places < 0) return std::round(value / scale) * scale;
  const double scaled = value * scale;
  const double nearest = std::round(scaled);
  // 1.005 is a little less than it is written as, but is rounded as written
  constexpr double kWrittenDigits = 1e-15;
  const double away = std::copysign(std::abs(scaled) * kWrittenDigits * 2, scaled);
  const double result = std::round(scaled + away);
  return (std::isfinite(result) ? result : nearest) / scale;
}

Result remainder(double left, double right) {
  left = std::trunc(left);
  right = std::trunc(right);
  if (right == 0) return std::nullopt;
  return std::fmod(left, right);
}

constexpr int kSign = 10;
constexpr int kFunction = 9;

constexpr Operator kOperators[] = {
    {"!=", 4, Arity::kTwo, [](double a, double b) -> Result { return truth(a != b); }},
    {"(", -1, Arity::kOpening, nullptr},
    {"*", 7, Arity::kTwo, [](double a, double b) -> Result { return a * b; }},
    {"+", 6, Arity::kTwo, [](double a, double b) -> Result { return a + b; }},
    {"-", 6, Arity::kTwo, [](double a, double b) -> Result { return a - b; }},
    {"/", 7, Arity::kTwo, [](double a, double b) -> Result { return b == 0 ? Result() : a / b; }},
    {"<", 4, Arity::kTwo, [](double a, double b) -> Result { return truth(a < b); }},
    {"<=", 4, Arity::kTwo, [](double a, double b) -> Result { return truth(a <= b); }},
    {"<>", 4, Arity::kTwo, [](double a, double b) -> Result { return truth(a != b); }},
    {"=", 4, Arity::kTwo, [](double a, double b) -> Result { return truth(a == b); }},
    {">", 4, Arity::kTwo, [](double a, double b) -> Result { return truth(a > b); }},
    {">=", 4, Arity::kTwo, [](double a, double b) -> Result { return truth(a >= b); }},
    {"^", 8, Arity::kTwo, [](double a, double b) -> Result { return std::pow(a, b); }},
    {"abs", kFunction, Arity::kOne, [](double, double b) -> Result { return std::abs(b); }},
    {"acos", kFunction, Arity::kOne, [](double, double b) -> Result { return std::acos(b); }},
    {"and", 3, Arity::kTwo, [](double a, double b) -> Result { return truth(a != 0 && b != 0); }},
    {"asin", kFunction, Arity::kOne, [](double, double b) -> Result { return std::asin(b); }},
    {"atan", kFunction, Arity::kOne, [](double, double b) -> Result { return std::atan(b); }},
    {"ceil", kFunction, Arity::kOne, [](double, double b) -> Result { return std::ceil(b); }},
    {"cos", kFunction, Arity::kOne, [](double, double b) -> Result { return std::cos(b); }},
    {"div", 7, Arity::kTwo, [](double a, double b) -> Result { return b == 0 ? Result() : a / b; }},
    {"e", kSign, Arity::kTwo, [](double a, double b) -> Result { return a * std::pow(10.0, b); }},
    {"exp", kFunction, Arity::kOne, [](double, double b) -> Result { return std::exp(b); }},
    {"floor", kFunction, Arity::kOne, [](double, double b) -> Result { return std::floor(b); }},
    {"fmod", 7, Arity::kTwo,
     [](double a, double b) -> Result { return b == 0 ? Result() : std::fmod(a, b); }},
    {"ln", kFunction, Arity::kOne,
     [](double, double b) -> Result { return b <= 0 ? Result() : std::log(b); }},
    {"mod", 7, Arity::kTwo, remainder},
    {"not", kFunction, Arity::kOne, [](double, double b) -> Result { return truth(b == 0); }},
    {"or", 2, Arity::kTwo, [](double a, double b) -> Result { return truth(a != 0 || b != 0); }},
    {"round", 5, Arity::kTwo, rounded},
    {"sin", kFunction, Arity::kOne, [](double, double b) -> Result { return std::sin(b); }},
    {"sqrt", kFunction, Arity::kOne,
     [](double, double b) -> Result { return b < 0 ? Result() : std::sqrt(b); }},
    {"tan", kFunction, Arity::kOne, [](double, double b) -> Result { return std::tan(b); }},
    {"trunc", kFunction, Arity::kOne, [](double, double b) -> Result { return std::trunc(b); }},
};
constexpr Operator kPlusSign = {"+", kSign, Arity::kOne, [](double, double b) -> Result { return b; }};
constexpr Operator kMinusSign = {"-", kSign, Arity::kOne, [](double, double b) -> Result { return -b; }};

const Operator* find_operator(std::string_view name) {
  const auto* found = std::ranges::find(kOperators, name, &Operator::name);
  return found == std::end(kOperators) ? nullptr : found;
}

/// Two stacks, so that brackets cost no depth of calls.
class Calculator {
 public:
  explicit Calculator(std::string_view text) : text_(text) {}

  std::optional<double> value() {
    for (skip_spaces(); !text_.empty(); skip_spaces()) {
      if (!token()) return std::nullopt;
    }
    if (operand_is_next_ || !reduce(0) || !operators_.empty() || values_.size() != 1) return std::nullopt;
    return std::isfinite(values_.back()) ? std::optional(values_.back()) : std::nullopt;
  }

 private:
  void skip_spaces() { text_ = text_.substr(std::min(text_.find_first_not_of(" \t\r\n"), text_.size())); }

  bool token() {
    if (is_digit(text_.front()) || text_.front() == '.') return number();
    if (is_letter(text_.front())) return word();
    if (text_.front() == ')') return close();
    if (text_.starts_with("−")) return text_.remove_prefix(std::string_view("−").size()), apply("-");
    if (text_.starts_with("×")) return text_.remove_prefix(std::string_view("×").size()), apply("*");
    const size_t length = find_operator(text_.substr(0, 2)) != nullptr && text_.size() > 1 ? 2 : 1;
    const std::string_view name = text_.substr(0, length);
    text_.remove_prefix(length);
    return apply(name);
  }

  bool number() {
    const size_t length = std::min(text_.find_first_not_of("0123456789."), text_.size());
    const auto value = parse_number<double>(text_.substr(0, length));
    text_.remove_prefix(length);
    return value && push(*value);
  }

  bool push(double value) {
    if (!std::exchange(operand_is_next_, false)) return false;
    values_.push_back(value);
    return true;
  }

  bool word() {
    size_t length = 0;
    while (length < text_.size() && is_letter(text_[length])) ++length;
    const std::string name = fold_name(text_.substr(0, length));
    text_.remove_prefix(length);
    if (name == "pi") return push(std::numbers::pi);
    if (name == "e" && operand_is_next_) return push(std::numbers::e);
    return apply(name);
  }

  bool close() {
    text_.remove_prefix(1);
    if (operand_is_next_ || !reduce(0) || operators_.empty()) return false;
    operators_.pop_back();
    return true;
  }

  bool apply(std::string_view name) {
    const Operator* found = find_operator(name);
    if (operand_is_next_ && name == "+") found = &kPlusSign;
    if (operand_is_next_ && name == "-") found = &kMinusSign;
    if (found == nullptr) return false;
    if (found->arity != Arity::kTwo) {
      operators_.push_back(found);
      return operand_is_next_;
    }
    if (std::exchange(operand_is_next_, true) || !reduce(found->strength)) return false;
    operators_.push_back(found);
    return true;
  }

  /// Computes what is at least as strong, up to an opening bracket.
  bool reduce(int strength) {
    while (!operators_.empty() && operators_.back()->strength >= strength) {
      const Operator& last = *operators_.back();
      operators_.pop_back();
      const double right = values_.back();
      values_.pop_back();
      double left = 0;
      if (last.arity == Arity::kTwo) {
        left = values_.back();
        values_.pop_back();
      }
      const Result result = last.result(left, right);
      if (!result) return false;
      values_.push_back(*result);
    }
    return true;
  }

  std::string_view text_;
  std::vector<double> values_;
  std::vector<const Operator*> operators_;
  bool operand_is_next_ = true;
};

}  // namespace

std::optional<double> expression_value(std::string_view text) {
  return Calculator(text).value();
}

std::string number_text(double value) {
  constexpr double kExact = 1e15;  // whole numbers below are written in full
  if (value == 0) return "0";
  if (std::trunc(value) == value && std::abs(value) < kExact) return fmt::format("{:.0f}", value);
  std::string text = fmt::format("{:.14G}", value);
  const size_t power = text.find('E');
  if (power != std::string::npos && text.find('.') > power) text.insert(power, ".0");
  if (power != std::string::npos) {  // 1.0E-5, not 1.0E-05
    const size_t digit = text.find('E') + 2;
    if (digit + 1 < text.size() && text[digit] == '0') text.erase(digit, 1);
  }
  return text;
}

}  // namespace pretrain::wikitext
