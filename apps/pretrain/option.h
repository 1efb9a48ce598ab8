// SPDX-License-Identifier: Apache-2.0
#pragma once
// One option of a command: its name, the member it sets, the values it allows, and its help. Each command has
// a table of options, from which parsing, defaults, help, the environment and the resolved configuration
// derive. The default of an option is the initialiser of its member:
//
//   struct Sampling { uint64_t tokens = 200; };
//   const OptionTable<Sampling> table{
//       {{"tokens", "maximum number of tokens"}, count_of<Sampling>(&Sampling::tokens)}};

#include <concepts>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/value_text.h"
#include "libs/base/enum_table.h"

namespace pretrain {

/// Whether a resume may change a key.
enum class KeyKind {
  kFixed,       ///< model, data, seed, optimizer: a change would make it another run
  kChangeable,  ///< limits, intervals, paths, threads
};

/// The part of an option that the user sees.
struct OptionInfo {
  std::string_view name;
  std::string_view help;
  std::string_view group = {};
  KeyKind kind = KeyKind::kChangeable;
  std::string_view shown_default = {};  ///< shown in the help when the initialiser is not the real default
  std::string_view words = {};          ///< names in other programs, separated by blanks; for "did you mean"
  std::string_view deprecated = {};     ///< an older name, which still works
};

/// How the value of an option is written.
struct ValueShape {
  std::string_view placeholder;   ///< "N", "PATH"; empty for a switch
  bool is_list = false;           ///< may be given several times
  bool is_literal = false;        ///< free text or a path: in a configuration file, '#' is part of it
  bool may_be_empty = false;      ///< "" is a value
  std::string_view implied = {};  ///< the value on the command line when none is given; "": one is required
  std::vector<std::string_view> choices = {};  ///< all values, when there are few
};

/// Reads and writes the member of T that an option sets.
template <typename T>
struct OptionValue {
  ValueShape shape;
  /// Errors: kUsage with "must be ... (got ...)"; the caller puts the option's name before it.
  std::function<void(T&, std::span<const std::string>)> set;
  /// Texts that set() reads back as the same value; empty when the member has no value.
  std::function<std::vector<std::string>(const T&)> get;
};

template <typename T>
struct Option {
  OptionInfo info;
  OptionValue<T> value;
};

template <typename T>
using OptionTable = std::vector<Option<T>>;

/// An option without its member; parsing and help need no more.
struct KnownOption {
  OptionInfo info;
  ValueShape shape;
  std::string default_text;  ///< "" for none
};

template <typename T>
std::vector<KnownOption> known_options(const OptionTable<T>& table) {
  std::vector<KnownOption> known;
  const T defaults{};
  for (const Option<T>& option : table) {
    std::string text(option.info.shown_default);
    if (text.empty() && !option.value.shape.placeholder.empty())
      text = joined_list(option.value.get(defaults));
    known.push_back({option.info, option.value.shape, std::move(text)});
  }
  return known;
}

/// A member of a member, for count_of() and the like: at(&Run::trainer, &TrainerOptions::max_steps).
template <typename T, typename M>
M T::*at(M T::*member) {
  return member;
}
template <typename T, typename Outer, typename Inner, typename... Deeper>
auto at(Outer T::*outer, Inner Outer::*inner, Deeper... deeper) {
  return [=](auto& object) -> auto& {
    return ((object.*outer.*inner).*....*deeper);
  };
}

namespace option_detail {

template <typename T, typename Member>
auto& member(T& object, const Member& m) {
  if constexpr (std::is_member_pointer_v<Member>) {
    return object.*m;
  } else {
    return m(object);
  }
}

/// An option with a single value, from a function that reads it and one that writes it.
template <typename T, typename Member, typename Read, typename Write>
OptionValue<T> single(ValueShape shape, Member m, Read read, Write write) {
  return {shape,
          [=](T& object, std::span<const std::string> texts) {
            auto& target = member(object, m);
            target = static_cast<std::remove_reference_t<decltype(target)>>(read(texts.front()));
          },
          [=](const T& object) -> std::vector<std::string> {
            std::string text = write(member(object, m));
            if (text.empty()) return {};
            return {std::move(text)};
          }};
}

}  // namespace option_detail

/// An integer between `least` and `most`, inclusive; the suffixes k, M and G are understood.
template <typename T, typename Member>
OptionValue<T> count_of(Member m, uint64_t least = 0, uint64_t most = std::numeric_limits<uint64_t>::max()) {
  return option_detail::single<T>(
      {"N"}, m, [=](const std::string& text) { return read_count(text, least, most); },
      [](auto value) { return std::to_string(value); });
}

/// As count_of(), but 0 means "not given".
template <typename T, typename Member>
OptionValue<T> optional_count_of(Member m, uint64_t most = std::numeric_limits<uint64_t>::max()) {
  OptionValue<T> value = count_of<T>(m, 0, most);
  value.get = [=](const T& object) -> std::vector<std::string> {
    const auto number = option_detail::member(object, m);
    if (number == 0) return {};
    return {std::to_string(number)};
  };
  return value;
}

template <typename T, typename Member>
OptionValue<T> number_of(Member m, double least, double most) {
  return option_detail::single<T>(
      {"X"}, m, [=](const std::string& text) { return read_number(text, least, most); },
      [](double value) { return write_number(value); });
}

template <typename T, typename Member>
OptionValue<T> duration_of(Member m) {
  return option_detail::single<T>({"TIME"}, m, read_duration, write_duration);
}

/// Bytes; k, M and G are powers of 1024.
template <typename T, typename Member>
OptionValue<T> size_of(Member m) {
  return option_detail::single<T>({"SIZE"}, m, read_size, write_size);
}

/// One of `choices`, pairs of word and value.
/// Requires: every value that the member can have is in the list.
template <typename T, typename Member, typename Value>
OptionValue<T> choice_of(Member m, std::vector<std::pair<std::string_view, Value>> choices) {
  std::vector<std::string_view> words;
  words.reserve(choices.size());
  for (const auto& [word, value] : choices) words.push_back(word);
  return option_detail::single<T>(
      {.placeholder = "WORD", .choices = words}, m,
      [=](const std::string& text) { return choices[read_choice(text, words)].second; },
      [=](const Value& value) {
        for (const auto& [word, known] : choices) {
          if (known == value) return std::string(word);
        }
        return std::string();
      });
}

/// One of the values of an enumeration, by the names of its table.
template <typename T, typename Member, typename Value, size_t N>
OptionValue<T> choice_of(Member m, const EnumName<Value> (&names)[N]) {
  std::vector<std::pair<std::string_view, Value>> choices;
  for (const EnumName<Value>& row : names) choices.emplace_back(row.name, row.value);
  return choice_of<T>(m, std::move(choices));
}

/// One of `words`, stored as text.
template <typename T, typename Member>
OptionValue<T> word_of(Member m, const std::vector<std::string_view>& words) {
  return option_detail::single<T>(
      {.placeholder = "WORD", .choices = words}, m,
      [words](const std::string& text) { return std::string(words[read_choice(text, words)]); },
      [](const std::string& value) { return value; });
}

/// Any text, including the empty one.
template <typename T, typename Member>
OptionValue<T> text_of(Member m) {
  return option_detail::single<T>(
      {.placeholder = "TEXT", .is_literal = true, .may_be_empty = true}, m,
      [](const std::string& text) { return text; }, [](const std::string& text) { return text; });
}

/// As text_of(), for an optional member that stays empty when the option is not given.
template <typename T>
OptionValue<T> optional_text_of(std::optional<std::string> T::*m) {
  return {{.placeholder = "TEXT", .is_literal = true, .may_be_empty = true},
          [=](T& object, std::span<const std::string> texts) { object.*m = texts.front(); },
          [=](const T& object) -> std::vector<std::string> {
            if (!(object.*m)) return {};
            return {*(object.*m)};
          }};
}

/// A path. A relative path is made absolute, so that it keeps its meaning in other folders.
template <typename T, typename Member>
OptionValue<T> path_of(Member m) {
  return option_detail::single<T>({.placeholder = "PATH", .is_literal = true}, m, read_path,
                                  [](const Path& path) { return path.string(); });
}

/// Of something to write, which may be "-".
template <typename T, typename Member>
OptionValue<T> output_path_of(Member m) {
  return option_detail::single<T>({.placeholder = "PATH", .is_literal = true}, m, read_output_path,
                                  [](const Path& path) { return path.string(); });
}

template <typename T, typename Member>
OptionValue<T> paths_of(Member m) {
  return {{.placeholder = "PATH", .is_list = true, .is_literal = true},
          [=](T& object, std::span<const std::string> texts) {
            std::vector<Path> paths;
            for (const std::string& text : texts) paths.push_back(read_path(text));
            option_detail::member(object, m) = std::move(paths);
          },
          [=](const T& object) {
            std::vector<std::string> texts;
            for (const Path& path : option_detail::member(object, m)) texts.push_back(path.string());
            return texts;
          }};
}

/// True when the option is given; it takes no value.
template <typename T>
OptionValue<T> switch_of(bool T::*m) {
  return {{},
          [=](T& object, std::span<const std::string>) { object.*m = true; },
          [=](const T& object) -> std::vector<std::string> {
            if (object.*m) return {"yes"};
            return {};
          }};
}

}  // namespace pretrain
